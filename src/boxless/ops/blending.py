"""Blending of K layers with transparency, one a keypoint, in no order (TUSK, section 3.2)."""

from typing import NamedTuple

from torch import Tensor

from boxless.ops.precision import at_least_float32


class Blend(NamedTuple):
    """What K layers make together."""

    images: Tensor  # (B, C, H, W)
    shares: Tensor  # (B, K, H, W) of each layer in each pixel, of sum 1 at most; what is missing is the background's


def blend(colors: Tensor, alphas: Tensor) -> Blend:
    """Σ_k w_k · c_k over black with w_k = α_k / max(1, Σ_j α_j).

    The paper says "alpha blending" of layers that have no depth. Where no two overlap, this is plain alpha
    compositing. Where they do, opacities beyond 1 are shared in proportion: which object lies in front is said by the
    alphas themselves, and the order of the keypoints does not count. The object of a pixel is the layer of the highest
    alpha (TUSK, section 4.2), and so the one of the highest share.

    Args:
        colors: (B, K, C, H, W), in [0, 1] for images in [0, 1].
        alphas: (B, K, H, W) in [0, 1].

    Returns:
        The images and the shares, float32 at least, with a gradient to colours and alphas.

    Raises:
        ValueError: if the shapes do not fit.
    """
    if colors.ndim != 5 or alphas.shape != (*colors.shape[:2], *colors.shape[3:]):
        raise ValueError(
            f"colors (B, K, C, H, W) and alphas (B, K, H, W) share all but C, not {tuple(colors.shape)} and "
            f"{tuple(alphas.shape)}."
        )
    colors, alphas = at_least_float32(colors), at_least_float32(alphas)
    shares = alphas / alphas.sum(dim=1, keepdim=True).clamp_min(1.0)
    return Blend((shares.unsqueeze(2) * colors).sum(dim=1), shares)

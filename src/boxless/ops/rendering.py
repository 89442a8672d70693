"""Rendering: from keypoints and their descriptors to the map that the decoder sees (TUSK, section 3.2).

Conventions
    Points are (x, y) in pixels, x right, y down, the centre of the top-left pixel at (0, 0).

A Gaussian is the product of one along x and one along y, each normalised over the pixels of its axis. So
nothing of the size K·C·H·W is made for the sum over keypoints: beside the map itself, K·C·H numbers are.
"""

import torch
from torch import Tensor

from boxless.ops.precision import at_least_float32


def render(
    centers: Tensor, descriptors: Tensor, scores: Tensor, image_size: tuple[int, int], variance: float = 0.05
) -> Tensor:
    """Σ_k s_k · D_k · N(L_k): the weighted sum of the keypoints, each a Gaussian times its descriptor.

    Args:
        centers: (B, K, 2) x and y, in pixels; outside of the map they count at the border, if the variance is small.
        descriptors: (B, K, C).
        scores: (B, K) the weight of each keypoint.
        image_size: height and width.
        variance: of the Gaussians, in pixels², above zero; their sum over the map is 1, wherever they lie.

    Returns:
        (B, C, H, W), float32 at least, with a gradient to centres, descriptors and scores.

    Raises:
        ValueError: if the shapes do not fit, or the variance is not above zero.
    """
    rows, columns, weights = _parts(centers, descriptors, scores, image_size, variance)
    batch, k, channels = weights.shape
    with torch.autocast(centers.device.type, enabled=False):
        tall = torch.einsum("bkc,bkh->bchk", weights, rows)
        wide = tall.reshape(batch, channels * image_size[0], k) @ columns
    return wide.view(batch, channels, *image_size)


def render_each(
    centers: Tensor, descriptors: Tensor, scores: Tensor, image_size: tuple[int, int], variance: float = 0.05
) -> Tensor:
    """The K terms of :func:`render`, (B, K, C, H, W), for a decoder that draws one layer a keypoint."""
    rows, columns, weights = _parts(centers, descriptors, scores, image_size, variance)
    gaussians = rows.unsqueeze(-1) * columns.unsqueeze(-2)  # (B, K, H, W)
    return weights[..., None, None] * gaussians.unsqueeze(2)


def _parts(
    centers: Tensor, descriptors: Tensor, scores: Tensor, image_size: tuple[int, int], variance: float
) -> tuple[Tensor, Tensor, Tensor]:
    """Rows (B, K, H) and columns (B, K, W) of sum 1, and descriptors times scores (B, K, C)."""
    if not variance > 0:
        raise ValueError(f"the variance of a Gaussian is above 0 pixels², not {variance}.")
    if centers.shape != (*scores.shape, 2) or descriptors.shape[:-1] != scores.shape or scores.ndim != 2:
        raise ValueError(
            f"centers (B, K, 2), descriptors (B, K, C) and scores (B, K) share B and K, not {tuple(centers.shape)}, "
            f"{tuple(descriptors.shape)} and {tuple(scores.shape)}."
        )
    height, width = image_size
    centers, weights = at_least_float32(centers), at_least_float32(descriptors)
    return (
        _gaussian(centers[..., 1], height, variance),
        _gaussian(centers[..., 0], width, variance),
        weights * scores.to(weights.dtype).unsqueeze(-1),
    )


def _gaussian(center: Tensor, length: int, variance: float) -> Tensor:
    """A softmax, so that the sum is 1 even where no pixel is near enough for its exponential not to vanish."""
    distance = torch.arange(length, device=center.device, dtype=center.dtype) - center.unsqueeze(-1)
    return torch.softmax(-distance.square() / (2 * variance), dim=-1)

"""Lifting: the generator G, from keypoints back to the ideal heatmap, so that E_K(G(x)) = x.

Conventions
    Points are (x, y) in pixels of the heatmap, the centre of the top-left pixel at (0, 0).
"""

import torch
from torch import Tensor


def lift(
    centers: Tensor,
    sizes: Tensor | None,
    scales: Tensor | None,
    image_size: tuple[int, int],
    sigma: float | Tensor | None,
    heights: Tensor | None = None,
) -> Tensor:
    """G for one scale or several: the heatmap of each scale (MIST, section 4.1, supplement B).

    The value of a keypoint is shared by the two scales next to its size so that the first moment over the scales is the
    size, and :func:`boxless.ops.heatmap.peak_scales` gives it back (of a Gaussian that is wider at larger scales only
    where it lies on whole pixels: beside its middle the wider one is higher). A size outside of the scales counts at
    the nearest.

    Args:
        centers: (B, K, 2) x and y, in pixels.
        sizes: (B, K) in the unit of ``scales``; None with one scale, where the size does not count.
        scales: (S,) strictly rising; None for one scale.
        image_size: height and width.
        sigma: standard deviation of :func:`gaussian_heatmap`, in pixels, or (S,) one for each scale; None for
            :func:`point_heatmap`.
        heights: (B, K) value of each keypoint, not negative; one by default.

    Returns:
        (B, S, H, W) in [0, 1], or up to the largest of ``heights``.

    Raises:
        ValueError: if one of ``sizes`` and ``scales`` is given without the other, or the scales do not rise.
    """
    if sizes is None and scales is None:
        return _heatmap(centers, image_size, sigma, heights).unsqueeze(1)
    if sizes is None or scales is None:
        raise ValueError("sizes and scales come together; give both, or neither.")
    weights = _scale_weights(sizes, scales).movedim(-1, 1)  # (B, S, K)
    if heights is not None:
        weights = weights * heights.unsqueeze(1)
    batch, number, k = weights.shape
    repeated = centers.unsqueeze(1).expand(batch, number, k, 2).reshape(batch * number, k, 2)
    if isinstance(sigma, Tensor):
        sigma = sigma.expand(batch, number).reshape(-1)
    return _heatmap(repeated, image_size, sigma, weights.reshape(batch * number, k)).view(batch, number, *image_size)


def _heatmap(
    centers: Tensor, image_size: tuple[int, int], sigma: float | Tensor | None, weights: Tensor | None
) -> Tensor:
    if sigma is None:
        return point_heatmap(centers, image_size, weights)
    return gaussian_heatmap(centers, image_size, sigma, weights)


def _scale_weights(sizes: Tensor, scales: Tensor) -> Tensor:
    """Share of each scale in each size, (B, K, S): linear interpolation between the two scales next to it."""
    if scales.ndim != 1 or len(scales) == 0 or bool((scales.diff() <= 0).any()):
        raise ValueError(f"scales rise strictly, as {scales.tolist()} do not.")
    if len(scales) == 1:
        return torch.ones_like(sizes).unsqueeze(-1)
    inside = sizes.clamp(scales[0], scales[-1])
    upper = torch.bucketize(inside.detach(), scales).clamp(1, len(scales) - 1)
    low, high = scales[upper - 1], scales[upper]
    share = ((inside - low) / (high - low)).unsqueeze(-1)
    number = torch.arange(len(scales), device=scales.device)
    upper = upper.unsqueeze(-1)
    return torch.where(number == upper, share, torch.where(number == upper - 1, 1.0 - share, 0.0))


def point_heatmap(centers: Tensor, image_size: tuple[int, int], weights: Tensor | None = None) -> Tensor:
    """G of the paper: one at the pixel nearest to each keypoint, zero elsewhere (MIST, section 4.1, supplement B).

    A keypoint outside of the map counts at the border; where several meet, the highest counts.

    Args:
        centers: (B, K, 2) x and y, in pixels.
        image_size: height and width.
        weights: (B, K) height of each point, not negative; one by default.

    Returns:
        (B, H, W) in [0, 1].
    """
    height, width = image_size
    x = centers[..., 0].round().long().clamp(0, width - 1)
    y = centers[..., 1].round().long().clamp(0, height - 1)
    heatmap = centers.new_zeros(centers.shape[0], height * width)
    if weights is None:
        return heatmap.scatter_(1, y * width + x, 1.0).view(-1, height, width)
    return heatmap.scatter_reduce(1, y * width + x, weights.to(heatmap.dtype), "amax").view(-1, height, width)


def gaussian_heatmap(
    centers: Tensor, image_size: tuple[int, int], sigma: float | Tensor, weights: Tensor | None = None
) -> Tensor:
    """G with a Gaussian of height one around each unrounded keypoint; the maximum where several meet.

    Moves of less than half a pixel, which rounding would undo, are kept.

    Args:
        centers: (B, K, 2) x and y, in pixels.
        image_size: height and width.
        sigma: standard deviation, in pixels, above zero; or (B,) one for each heatmap.
        weights: (B, K) height of each Gaussian, not negative; one by default.

    Returns:
        (B, H, W) in [0, 1].

    Raises:
        ValueError: if ``sigma`` is not above zero.
    """
    if isinstance(sigma, Tensor):
        sigma = sigma.view(-1, 1, 1)
    elif not sigma > 0:
        raise ValueError(f"the standard deviation of a Gaussian is above 0 pixels, not {sigma}.")
    height, width = image_size
    x = centers[..., 0, None] - torch.arange(width, device=centers.device, dtype=centers.dtype)
    y = centers[..., 1, None] - torch.arange(height, device=centers.device, dtype=centers.dtype)
    columns = torch.exp(-0.5 * (x / sigma).square())  # (B, K, W)
    rows = torch.exp(-0.5 * (y / sigma).square())  # (B, K, H)
    if weights is not None:
        rows = rows * weights.unsqueeze(-1)
    return (rows.unsqueeze(-1) * columns.unsqueeze(-2)).amax(dim=1)

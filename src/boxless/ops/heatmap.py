"""Heatmaps: local softmax, pooling over scale, non-maximum suppression, top-K peaks, sub-pixel places.

Conventions
    A heatmap is (B, S, H, W): batch, scale, row, column; S is 1 where there is one scale.
    Points are (x, y) in pixels of the heatmap, x right, y down, the centre of the top-left pixel at (0, 0).
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from boxless.ops.precision import at_least_float32
from boxless.ops.windows import along, of_windows, window_sums

RANGE = 600.0  # of logits whose exponentials, and their inverses, float64 holds
LOWEST = -1e30  # the logit of what does not take part; finite, for the gradient


class Peaks(NamedTuple):
    """The K highest local maxima of each heatmap, highest first."""

    centers: Tensor  # (B, K, 2) x and y, whole pixels
    scores: Tensor  # (B, K) the heatmap there
    valid: Tensor  # (B, K) bool: false where fewer than K local maxima exist, and the place is a mere filler


def local_softmax(scores: Tensor, size: int = 15, strength: float = 10.0, mask: Tensor | None = None) -> Tensor:
    """Softmax of each pixel against the window of ``size``×``size`` pixels around it (MIST, supplement A; LF-Net).

    What of a window lies outside of the map, or of the mask, counts as the mean of the rest: where the scores are
    flat the result is 1 / size² everywhere. Without that the corners of an empty image would stand out.

    Computed as exp(s − m) over its sum in the window, in float64, where m, the largest of an image, is at most
    ``RANGE`` above its least; else, and where a graph is exported, which takes one way, as exp(s − logsumexp of the
    window), which no range of scores overflows, and which takes several times as long.

    Args:
        scores: (B, S, H, W), unbounded.
        size: odd side of the window, in pixels.
        strength: factor on the scores; the larger, the closer to a maximum.
        mask: (B or 1, 1, H, W) bool, pixels that take part; all by default.

    Returns:
        (B, S, H, W) in [0, 1], float32 at least; 0 outside of the mask.

    Raises:
        ValueError: if ``size`` is even or below 1.
    """
    _check_window(size)
    logits = at_least_float32(scores)
    logits = strength * logits
    mask = logits.new_ones((1, 1, *logits.shape[2:]), dtype=torch.bool) if mask is None else mask
    present = mask * window_sums(mask.to(logits.dtype), size) / size**2  # share of the window
    logits = logits.masked_fill(~mask, LOWEST)
    with torch.no_grad():
        highest = logits.amax((1, 2, 3), keepdim=True)
        lowest = logits.masked_fill(~mask, torch.inf).amin((1, 2, 3), keepdim=True)
    if not torch.compiler.is_exporting() and bool((highest - lowest <= RANGE).all()):
        raised = torch.exp(logits.double() - highest)
        sums = window_sums(raised, size).clamp_min(torch.finfo(torch.float64).tiny)
        return (raised / sums).to(logits.dtype) * present
    return torch.exp(logits - of_windows(logits, size, torch.logaddexp, LOWEST)) * present


def pool_scales(heatmap: Tensor, eps: float = 1e-6) -> Tensor:
    """Soft maximum over scales of responses that are exponentials already (MIST, supplement A).

    h' = Σ_s h_s · h_s / Σ_s (h_s + ε)

    Args:
        heatmap: (B, S, H, W), not negative, as :func:`local_softmax` gives it.

    Returns:
        (B, H, W). With one scale it is the heatmap itself, but for ε.
    """
    if heatmap.shape[1] == 1:
        return heatmap[:, 0]
    return heatmap.square().sum(1) / (heatmap + eps).sum(1)


def share_of_scales(heatmap: Tensor, eps: float = 1e-6) -> Tensor:
    """Responses in proportion to their sum over scale: h_s / (Σ_s h_s + ε) (MIST 2018, eq. 2).

    Args:
        heatmap: (B, S, H, W), not negative.

    Returns:
        (B, S, H, W), of sum 1 over S but for ε.
    """
    return heatmap / (heatmap.sum(1, keepdim=True) + eps)


def suppress_non_maxima(heatmap: Tensor, size: int = 5) -> Tensor:
    """Where a pixel is the maximum of the ``size``×``size`` window around it.

    Among equal pixels of a window the first in reading order stands for all, so that a straight or convex plateau has
    one peak. Two peaks are never in one window.

    Args:
        heatmap: (B, H, W).
        size: odd side of the window, in pixels.

    Returns:
        (B, H, W) bool.

    Raises:
        ValueError: if ``size`` is even or below 1.
    """
    _check_window(size)
    if size == 1:
        return torch.ones_like(heatmap, dtype=torch.bool)
    height, width = heatmap.shape[-2:]
    half = size // 2
    values = heatmap.float()
    padded = F.pad(values, (half, half, half, half), value=-torch.inf)
    rows = along(padded, size, 2, torch.maximum)  # of each row of a window its maximum
    line = padded[:, half : half + height]
    above, below = (along(rows[:, i : i + height + half - 1], half, 1, torch.maximum) for i in (0, half + 1))
    left, right = (along(line[:, :, i : i + width + half - 1], half, 2, torch.maximum) for i in (0, half + 1))
    return (values > above) & (values > left) & (values >= right) & (values >= below)


def top_k_peaks(heatmap: Tensor, k: int, size: int = 5) -> Peaks:
    """E_K: the K highest local maxima (MIST, section 4.1).

    If a map has fewer than K local maxima (a flat one has one), its highest other pixels fill up, after the maxima and
    marked not valid; all K places are distinct. Equal peaks come in no particular order. No gradient goes through.

    Args:
        heatmap: (B, H, W).
        k: how many, from 1 to H·W.
        size: odd side of the suppression window, in pixels.

    Raises:
        ValueError: if ``k`` is not in 1…H·W, or ``size`` is even or below 1.
    """
    height, width = heatmap.shape[-2:]
    if not 1 <= k <= height * width:
        raise ValueError(f"k is {k}, but a heatmap of {height}×{width} pixels has 1 to {height * width} peaks.")
    heatmap = heatmap.detach().float()
    peak = suppress_non_maxima(heatmap, size)
    values = heatmap.flatten(1)
    low, high = values.double().aminmax(dim=1, keepdim=True)
    drop = (high - low) + low.abs() + high.abs()  # takes the highest filler below the lowest peak, at any magnitude
    drop = drop.clamp_min(torch.finfo(torch.float32).tiny)  # of a map of zeros too
    ranking = torch.where(peak.flatten(1), values, values - drop)  # in float64, in which fillers keep their order
    index = ranking.topk(k, dim=1).indices
    centers = torch.stack((index % width, index // width), dim=-1).to(heatmap.dtype)
    return Peaks(centers, values.gather(1, index), peak.flatten(1).gather(1, index))


def soft_argmax(heatmap: Tensor, centers: Tensor, size: int = 5) -> Tensor:
    """First moment of the heatmap in the window around each point: its place between the pixels.

    Args:
        heatmap: (B, H, W), not negative.
        centers: (B, K, 2) x and y; the window lies around the nearest pixel.
        size: odd side of the window, in pixels; cut off at the border.

    Returns:
        (B, K, 2), with a gradient to the heatmap. A window that is zero everywhere gives the point itself.

    Raises:
        ValueError: if ``size`` is even or below 1.
    """
    _check_window(size)
    height, width = heatmap.shape[-2:]
    step = torch.arange(size, device=heatmap.device) - size // 2
    nearest = centers.round()
    x = nearest[..., 0].long().unsqueeze(-1) + step  # (B, K, size)
    y = nearest[..., 1].long().unsqueeze(-1) + step
    inside = ((y >= 0) & (y < height)).unsqueeze(-1) & ((x >= 0) & (x < width)).unsqueeze(-2)  # (B, K, size, size)
    index = y.clamp(0, height - 1).unsqueeze(-1) * width + x.clamp(0, width - 1).unsqueeze(-2)
    weight = heatmap.flatten(1).gather(1, index.flatten(1)).view(index.shape) * inside
    total = weight.sum((-2, -1)).unsqueeze(-1)
    moment = torch.stack((weight.sum(-2).mul(step).sum(-1), weight.sum(-1).mul(step).sum(-1)), dim=-1)
    found = total > 0
    return torch.where(found, nearest + moment / torch.where(found, total, 1.0), centers)


def highest_near(heatmap: Tensor, reach: int) -> Tensor:
    """The highest value within ``reach`` pixels along x and y: (B, H, W) to (B, H, W)."""
    for dim in (1, 2):
        padding = (0, 0, reach, reach) if dim == 1 else (reach, reach)
        heatmap = along(F.pad(heatmap, padding, value=-torch.inf), 2 * reach + 1, dim, torch.maximum)
    return heatmap


def peak_scales(heatmap: Tensor, centers: Tensor, scales: Tensor) -> Tensor:
    """Scale of each peak, the first moment over the scales: s_k = Σ_s h_s(x_k)·s / Σ_s h_s(x_k) (MIST, section 4.1).

    Args:
        heatmap: (B, S, H, W), not negative, before :func:`pool_scales`.
        centers: (B, K, 2) x and y; the nearest pixel counts, at the border for a point outside.
        scales: (S,) what each scale stands for, say a size in pixels.

    Returns:
        (B, K) in the unit of ``scales``, with a gradient to the heatmap. Where all responses are zero, the mean scale.

    Raises:
        ValueError: if there are not as many ``scales`` as the heatmap has.
    """
    batch, number, height, width = heatmap.shape
    if scales.shape != (number,):
        raise ValueError(f"scales are one for each of the {number} heatmaps, not {tuple(scales.shape)}.")
    if number == 1:
        return scales.to(heatmap.dtype).expand(batch, centers.shape[1])
    x = centers[..., 0].round().long().clamp(0, width - 1)
    y = centers[..., 1].round().long().clamp(0, height - 1)
    index = (y * width + x).unsqueeze(1).expand(batch, number, -1)
    weight = heatmap.flatten(2).gather(2, index)  # (B, S, K)
    total = weight.sum(1)
    found = total > 0
    moment = (weight * scales.view(1, -1, 1)).sum(1)
    return torch.where(found, moment / torch.where(found, total, 1.0), scales.to(moment.dtype).mean())


def _check_window(size: int) -> None:
    if size < 1 or size % 2 == 0:
        raise ValueError(f"a window has an odd side of at least 1 pixel, not {size}.")

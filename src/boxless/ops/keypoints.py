"""Keypoints: their places between the pixels, and what maps say there (TUSK, section 3.1 and supplement A.1).

Conventions
    Points are (x, y) in pixels, x right, y down, the centre of the top-left pixel at (0, 0); a grid is normalised with
    ``align_corners=True``.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from boxless.ops.heatmap import soft_argmax
from boxless.ops.precision import at_least_float32


def refine(scores: Tensor, peaks: Tensor, size: int, temperature: float = 0.2) -> Tensor:
    """Soft-argmax in the window around each peak (TUSK, eq. 5).

    L = Σ_c c · exp(S[c] / τ) / Σ_c exp(S[c] / τ) over the size×size pixels c around the peak. Pixels outside of the map
    count as those inside on which nothing responds, S = 0: else a keypoint at the border would be pushed inwards, away
    from a peak that is seen rightly. The result is kept within the map.

    Args:
        scores: (B, H, W) in [0, 1].
        peaks: (B, K, 2) x and y, whole pixels.
        size: odd side of the window, in pixels.
        temperature: τ, at least 0.02; the lower, the closer to the highest pixel.

    Returns:
        (B, K, 2) float32 at least, with a gradient to all pixels of the windows.

    Raises:
        ValueError: if ``size`` is even or below 1, or the temperature too low for the range of float32.
    """
    if temperature < 0.02:
        raise ValueError(f"the temperature of a soft-argmax is at least 0.02, not {temperature}.")
    scores = at_least_float32(scores)
    half = size // 2
    height, width = scores.shape[-2:]
    weights = torch.exp((F.pad(scores, (half,) * 4) - 1.0) / temperature)
    places = soft_argmax(weights, peaks.to(scores.dtype) + half, size) - half
    return torch.minimum(places.clamp_min(0.0), places.new_tensor([width - 1, height - 1]))


def sample_at(maps: Tensor, points: Tensor) -> Tensor:
    """What maps say at points between the pixels, bilinear; beyond the border it is the border's.

    Args:
        maps: (B, C, H, W).
        points: (B, K, 2) x and y.

    Returns:
        (B, K, C) float32 at least, with a gradient to maps and points.
    """
    maps = at_least_float32(maps)
    height, width = maps.shape[-2:]
    with torch.autocast(maps.device.type, enabled=False):
        last = points.new_tensor([max(1, width - 1), max(1, height - 1)])
        grid = (2 * points / last - 1).to(maps.dtype).unsqueeze(2)  # (B, K, 1, 2)
        values = F.grid_sample(maps, grid, mode="bilinear", padding_mode="border", align_corners=True)
    return values.squeeze(3).mT

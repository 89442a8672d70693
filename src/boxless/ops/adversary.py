"""Virtual adversarial training: the change of an image that is the least to be seen, and misleads the most.

Source: Miyato, Maeda, Koyama, Ishii: Virtual Adversarial Training. Hu, Miyato, Tokui, Matsumoto, Sugiyama (IMSAT) learn
clusters by it.
"""

import torch
from torch import Tensor

from boxless.ops.windows import window_sums

LEAST_SHARE = 1e-3  # of the largest of an image: where a slope is less yet, nothing is to be misled


def misleading(slope: Tensor, size: int, strength: float) -> Tensor:
    """What to add to images: along the slope of a loss, and as much of it in each window, so that each object is met.

    Args:
        slope: (B, C, H, W) of a loss, by the images.
        size: odd side of the window of an object, in pixels.
        strength: root mean square of what a window holds, of values as the images have them; at least 0.

    Returns:
        (B, C, H, W), without a gradient; zero where the whole slope of an image is.
    """
    slope = slope.detach().float()
    power = window_sums(slope.square().mean(dim=1, keepdim=True), size) / size**2
    least = LEAST_SHARE * power.amax((1, 2, 3), keepdim=True)
    return strength * slope / power.maximum(least).clamp_min(torch.finfo(slope.dtype).tiny).sqrt()

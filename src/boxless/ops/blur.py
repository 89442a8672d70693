"""Gaussian blur."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor


def gaussian_blur(images: Tensor, sigma: float) -> Tensor:
    """Convolve each channel with a Gaussian of sum 1, cut off at three standard deviations; zero lies outside.

    In the type of the images, whatever autocast says.

    Args:
        images: (B, C, H, W).
        sigma: standard deviation in pixels, above 0.

    Returns:
        (B, C, H, W).

    Raises:
        ValueError: if ``sigma`` is not above 0.
    """
    if not sigma > 0:
        raise ValueError(f"a Gaussian has a standard deviation above 0 pixels, not {sigma}.")
    reach = math.ceil(3 * sigma)
    steps = torch.arange(-reach, reach + 1, device=images.device, dtype=images.dtype)
    kernel = torch.exp(-0.5 * (steps / sigma).square())
    kernel = kernel / kernel.sum()
    batch, channels, height, width = images.shape
    planes = images.reshape(batch * channels, 1, height, width)
    with torch.autocast(images.device.type, enabled=False):
        planes = F.conv2d(planes, kernel.view(1, 1, -1, 1), padding=(reach, 0))
        planes = F.conv2d(planes, kernel.view(1, 1, 1, -1), padding=(0, reach))
    return planes.view(batch, channels, height, width)

"""Gaussian blur."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor


def gaussian_blur(images: Tensor, sigma: float) -> Tensor:
    """Convolve each channel with a Gaussian of sum 1, cut off at three standard deviations; zero lies outside.

    In the type of the images, whatever autocast says. Computed as two products with banded matrices: on a CPU the
    backward pass of a convolution of one channel takes ten times as long on 80 pixels, and four times on 1,000.

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
    rows, columns = (_band(kernel, length) for length in images.shape[2:])
    with torch.autocast(images.device.type, enabled=False):
        return rows @ images @ columns


def _band(kernel: Tensor, length: int) -> Tensor:
    """The convolution of a line of pixels with a symmetric kernel (2·reach + 1,) as a matrix (length, length)."""
    places = torch.arange(length, device=kernel.device)
    reach = len(kernel) // 2
    steps = (places[:, None] - places).clamp(-reach - 1, reach + 1)
    return F.pad(kernel, (1, 1))[steps + reach + 1]

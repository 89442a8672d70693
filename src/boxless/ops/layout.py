"""How images lie in memory."""

import torch
from torch import Tensor


def channels_last(images: Tensor) -> Tensor:
    """The same (B, C, H, W), the channels of a pixel side by side, as the fast convolutions of a CPU want them.

    Of one channel both layouts are the same, and torch goes on in its default; by its strides it is told otherwise.
    """
    batch, channels, height, width = images.shape
    if channels == 1:
        return images.reshape(batch, height, width, 1).permute(0, 3, 1, 2)
    return images.contiguous(memory_format=torch.channels_last)

"""Which pixels of a batch are image, and which only fill it up to the size of the largest."""

import torch
from torch import Tensor


def inside(extents: Tensor, border: int, like: Tensor) -> Tensor:
    """Pixels of the images that are no padding, and lie off their edges.

    Args:
        extents: (B, 2) height and width of each image; or (1, 2) of all.
        border: how many pixels from the edge; of an image too small for that its middle row or column stays.
        like: (…, H, W), of the size of the batch.

    Returns:
        (B, H, W) bool.
    """
    rows, columns = (torch.arange(length, device=like.device) for length in like.shape[-2:])
    height, width = extents.unbind(dim=1)
    return _span(rows, height, border).unsqueeze(2) & _span(columns, width, border).unsqueeze(1)


def repeat_edges(images: Tensor, extents: Tensor) -> Tensor:
    """The images with their last rows and columns repeated where they are padded, so that they end in no step.

    Args:
        images: (B, C, H, W).
        extents: (B, 2) height and width of the part of each image that is no padding.

    Returns:
        (B, C, H, W).
    """
    number, channels, height, width = images.shape
    last = extents.long() - 1
    rows = torch.arange(height, device=images.device).minimum(last[:, :1])  # (B, H)
    columns = torch.arange(width, device=images.device).minimum(last[:, 1:])
    images = images.gather(2, rows.view(number, 1, height, 1).expand(-1, channels, -1, width))
    return images.gather(3, columns.view(number, 1, 1, width).expand(-1, channels, height, -1))


def _span(places: Tensor, length: Tensor, border: int) -> Tensor:
    reach = torch.minimum(length.new_full((), border), (length - 1) // 2).unsqueeze(1)
    return (places >= reach) & (places < length.unsqueeze(1) - reach)

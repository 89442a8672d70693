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


def _span(places: Tensor, length: Tensor, border: int) -> Tensor:
    reach = torch.minimum(length.new_full((), border), (length - 1) // 2).unsqueeze(1)
    return (places >= reach) & (places < length.unsqueeze(1) - reach)

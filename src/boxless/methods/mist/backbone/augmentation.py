"""Augmentation of natural images: random horizontal flips, and a square mask of its own mean colour (section 5.2).

Both are keyed by the seed and the step, and by the place of an image in the batch of all processes.
"""

import torch
from torch import Tensor

from boxless.data.hashing import uniforms
from boxless.engine.ranks import places

SMALLEST, LARGEST = 0.15, 0.6  # side of the mask, as a share of the image's shorter side
STREAM = 0xF11B  # keeps its random numbers apart from others


def augmented(images: Tensor, extents: Tensor, seed: int, step: int) -> Tensor:
    """Flip half of the images, and mask a square of each.

    Args:
        images: (B, C, H, W).
        extents: (B, 2) height and width of the part of each image that is no padding; only that part changes.
        seed, step: of the training.

    Returns:
        (B, C, H, W).
    """
    numbers = uniforms((STREAM, seed, step), places(len(images)).to(images.device), 4).float()
    sides = (SMALLEST + (LARGEST - SMALLEST) * numbers[:, 1]) * extents.amin(dim=1)
    return masked(flipped(images, extents, numbers[:, 0] < 0.5), extents, sides, numbers[:, 2:])


def flipped(images: Tensor, extents: Tensor, chosen: Tensor) -> Tensor:
    """Mirror the chosen images, (B,) bool, left to right within their extents (B, 2)."""
    columns = torch.arange(images.shape[3], device=images.device)
    width = extents[:, 1:]
    mirrored = torch.where(chosen.unsqueeze(1) & (columns < width), width - 1 - columns, columns)
    return images.gather(3, mirrored[:, None, None, :].expand_as(images))


def masked(images: Tensor, extents: Tensor, sides: Tensor, shares: Tensor) -> Tensor:
    """Fill a square of each image with the mean colour of the square.

    Args:
        images: (B, C, H, W).
        extents: (B, 2) height and width.
        sides: (B,) of the squares in pixels, rounded; 1 at least, and at most the shorter side of the extent.
        shares: (B, 2) in [0, 1): of the square's corner, y and x, among all where it lies within the extent.

    Returns:
        (B, C, H, W).
    """
    lengths = torch.minimum(sides.round().long().clamp_min(1), extents.amin(dim=1)).unsqueeze(1)
    corners = (shares * (extents - lengths + 1)).long()
    rows, columns = (torch.arange(length, device=images.device) for length in images.shape[2:])
    top, left = corners[:, :1], corners[:, 1:]
    inside_rows = (rows >= top) & (rows < top + lengths)
    inside_columns = (columns >= left) & (columns < left + lengths)
    square = (inside_rows.unsqueeze(2) & inside_columns.unsqueeze(1)).unsqueeze(1)  # (B, 1, H, W)
    mean = (images * square).sum(dim=(2, 3), keepdim=True) / square.sum(dim=(2, 3), keepdim=True)
    return torch.where(square, mean, images)

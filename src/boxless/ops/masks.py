"""Masks of objects: who has which pixel, and the box around it.

Conventions
    Places are (x, y) in pixels, x right, y down, the centre of the top-left pixel at (0, 0).
"""

import torch
from torch import Tensor


def winners(alphas: Tensor, least: float = 0.5) -> Tensor:
    """The pixels in which a layer is more opaque than all others, and at least so much (TUSK, section 4.2).

    Args:
        alphas: (B, K, H, W) in [0, 1].
        least: opacity; below it a pixel is background.

    Returns:
        (B, K, H, W) bool; no pixel is two layers'. Of equal ones the first has it.
    """
    highest = alphas.argmax(dim=1, keepdim=True)
    own = torch.arange(alphas.shape[1], device=alphas.device).view(1, -1, 1, 1)
    return (own == highest) & (alphas >= least)


def mask_boxes(masks: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The tight box around each mask.

    Args:
        masks: (..., H, W) bool.

    Returns:
        centers (..., 2), x and y; sizes (..., 2), width and height; and whether there is a mask at all, (...) bool:
        centre and size of an empty one mean nothing.
    """
    spans = [_span(masks.any(dim=dim)) for dim in (-2, -1)]  # along x, along y
    first, last = (torch.stack(ends, dim=-1) for ends in zip(*spans, strict=True))
    return (first + last) / 2, last - first + 1, masks.flatten(-2).any(dim=-1)


def _span(present: Tensor) -> tuple[Tensor, Tensor]:
    """The first and the last place, (...) float32 each, of (..., L) bool."""
    whole = present.int()
    first = whole.argmax(dim=-1)
    return first.float(), (present.shape[-1] - 1 - whole.flip(-1).argmax(dim=-1)).float()

"""Images seen otherwise while MCMIL learns: warped, and in other colours. The paper does neither.

Both are keyed by the seed and the step, and by the place of an image in the batch of all processes.
"""

from itertools import permutations

import torch
from torch import Tensor

from boxless.data.hashing import uniforms
from boxless.engine.ranks import places
from boxless.ops.warp import WarpRange, random_warp, warp_images

WARPED, WARP, RECOLORED = 1, 2, 3  # keep their random numbers apart
WARPS = WarpRange(scale=1.05, scale_spread=0.1, rotation=0.12, jitter=0.06)  # what is near an edge hardly leaves


def warped(images: Tensor, share: float, of_photos: bool, seed: int, step: int) -> Tensor:
    """Some images turned, resized and bent a little.

    Args:
        images: (B, C, H, W).
        share: of the images that are.
        of_photos: what lies outside of an image is as its border is, else black.
        seed, step: of the training.

    Returns:
        (B, C, H, W).
    """
    own = places(len(images)).to(images.device)
    some = (uniforms((WARPED, seed, step), own, 1)[:, 0] < share).nonzero()[:, 0]
    draws = uniforms((WARP, seed, step), own[some], WARPS.draws)
    warp = random_warp(draws, WARPS, (images.shape[2], images.shape[3]))
    return images.index_copy(0, some, warp_images(images[some], warp, "border" if of_photos else "zeros"))


def recolored(images: Tensor, share: float, seed: int, step: int) -> Tensor:
    """Some images with their channels in another order, and half of these as their negative.

    Args:
        images: (B, C, H, W) in [0, 1].
        share: of the images that are.
        seed, step: of the training.

    Returns:
        (B, C, H, W).
    """
    draws = uniforms((RECOLORED, seed, step), places(len(images)).to(images.device), 3)
    some, negative = draws[:, 0] < share, draws[:, 1] < 0.5
    orders = torch.tensor(list(permutations(range(images.shape[1]))), device=images.device)
    order = orders[(draws[:, 2] * len(orders)).long()].where(some.unsqueeze(1), orders[0])
    ordered = images.gather(1, order[:, :, None, None].expand_as(images))
    return torch.where((some & negative)[:, None, None, None], 1.0 - ordered, ordered)

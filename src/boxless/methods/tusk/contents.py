"""Where the object of a keypoint lies: in the middle of what the keypoint draws.

No loss of TUSK ties a keypoint to the middle of its object. Any place will do that the decoder can draw the object
from, if only it is the same one for all: the lower end of a stroke, say, nine pixels off the middle of a digit. But
what a keypoint draws can be seen without labels: it is what the rebuilt image lacks without that keypoint.
"""

import torch
from torch import Tensor

from boxless.methods.tusk.model import Keypoints, Tusk


def content_sums(model: Tusk, found: Keypoints, size: tuple[int, int]) -> Tensor:
    """How much the keypoints of each prototype draw, and where, off the keypoint.

    Each keypoint is left out once. The squares of what the image then lacks are masses; those farther from the keypoint
    than an object's size, along x or y, are another's.

    Args:
        model: without masks.
        found: (B, K) keypoints; those that are not valid draw nothing.
        size: height and width of the images.

    Returns:
        (M, 3): the moments along x and along y, and the mass. They add up over images.
    """
    batch, k = found.scores.shape
    descriptors = model.described(found.features)
    rebuilt = model.decode(found, descriptors, size).image
    left_out = Keypoints(
        found.centers.repeat_interleave(k, dim=0),
        (found.scores.unsqueeze(1) * (1 - torch.eye(k, device=found.scores.device))).flatten(0, 1),
        found.features.repeat_interleave(k, dim=0),
        found.valid.repeat_interleave(k, dim=0),
    )
    without = model.decode(left_out, descriptors.repeat_interleave(k, dim=0), size).image.unflatten(0, (batch, k))
    mass = (rebuilt.unsqueeze(1) - without).square().sum(dim=2) * found.valid[..., None, None]  # (B, K, H, W)
    rows, columns = (torch.arange(length, device=mass.device) for length in size)
    x, y = columns - found.centers[..., :1], rows - found.centers[..., 1:]  # (B, K, W) and (B, K, H)
    reach = model.config.object_size
    mass = mass * (x.abs() <= reach).unsqueeze(2) * (y.abs() <= reach).unsqueeze(3)
    moments = (mass.sum(dim=2) * x).sum(-1), (mass.sum(dim=3) * y).sum(-1)
    sums = torch.stack((*moments, mass.sum((2, 3))), dim=-1)
    number = model.nearest(descriptors).flatten()
    return sums.new_zeros(model.config.prototypes, 3).index_add(0, number, sums.flatten(0, 1))


def offsets_of(sums: Tensor) -> Tensor:
    """From a keypoint to the middle of what those of its prototype draw, x and y in pixels.

    Args:
        sums: (M, 3) of :func:`content_sums`.

    Returns:
        (M, 2); of a prototype that draws nothing that of all, and zero where nothing is drawn at all.
    """
    sums = torch.where(sums[:, 2:] > 0, sums, sums.sum(dim=0))
    return sums[:, :2] / sums[:, 2:].clamp_min(1e-12)

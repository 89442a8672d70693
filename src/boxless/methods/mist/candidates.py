"""Which peaks beside the K are worth a look: those with the most content that no box of the K covers.

By height alone they would be of flat background, which stands higher in a local softmax than a weak peak beside a
strong one.
"""

import torch
from torch import Tensor

from boxless.methods.mist.model import Keypoints
from boxless.ops.patches import crop

SAMPLES = 10  # along each side of a box


def most_overlooked(foreground: Tensor, keypoints: Keypoints, chosen: int, more: int) -> Keypoints:
    """The first ``chosen`` keypoints, and of the others the ``more`` that hold most of what those leave uncovered.

    Args:
        foreground: (B, C, H, W), images less their background.
        keypoints: N of each image, at least ``chosen``.
        chosen: how many are kept anyway.
        more: how many are added; all of the others where they are fewer.
    """
    left = foreground.square().sum(1, keepdim=True) * ~_covered(keypoints.first(chosen), foreground)
    others = Keypoints(keypoints.centers[:, chosen:], keypoints.sides[:, chosen:])
    content = crop(left, others.centers, others.sizes, SAMPLES).mean((2, 3, 4)) * others.sides.square()
    best = content.topk(min(more, content.shape[1]), dim=1).indices
    added = Keypoints(others.centers.gather(1, best.unsqueeze(-1).expand(-1, -1, 2)), others.sides.gather(1, best))
    kept = keypoints.first(chosen)
    return Keypoints(torch.cat((kept.centers, added.centers), dim=1), torch.cat((kept.sides, added.sides), dim=1))


def _covered(keypoints: Keypoints, like: Tensor) -> Tensor:
    """(B, 1, H, W) bool: pixels in any of the boxes."""
    reach = keypoints.sides.unsqueeze(-1) / 2
    columns, rows = (
        ((torch.arange(length, device=like.device) - keypoints.centers[..., axis, None]).abs() < reach).float()
        for axis, length in ((0, like.shape[-1]), (1, like.shape[-2]))
    )
    return (torch.einsum("bkh,bkw->bhw", rows, columns) > 0).unsqueeze(1)

"""Which peaks beside the K are worth a look: those with the most content that no box of the K covers.

They are peaks of the soft responses in windows half as wide: an object close to a stronger one is none of the sharp
ones, and would never be learned. By height alone they would be of flat background, which stands higher in a local
softmax than a weak peak beside a strong one.
"""

import torch
from torch import Tensor

from boxless.methods.mist.model import Extracted, Keypoints, MistModel, Responses
from boxless.ops.patches import crop

SAMPLES = 10  # along each side of a box
PEAKS_A_CANDIDATE = 4  # of which one becomes a candidate


def faint_peaks(model: MistModel, responses: Responses, chosen: int, more: int) -> Extracted:
    """The highest peaks of the soft responses, those that are chosen most likely among them.

    Args:
        model: whose responses these are.
        responses: of a batch.
        chosen: how many peaks are chosen.
        more: how many candidates beside them will be.
    """
    window = 2 * (model.config.suppression_size // 4) + 1
    number = min(chosen + PEAKS_A_CANDIDATE * more, responses.soft[0, 0].numel())
    return model.extract(responses, number, window)


def most_overlooked(foreground: Tensor, chosen: Keypoints, others: Keypoints, more: int) -> Tensor:
    """Which of the others hold most of what the chosen leave uncovered.

    Args:
        foreground: (B, C, H, W), images less their background.
        chosen: K of each image.
        others: N of each image.
        more: how many to take; all of the others where they are fewer.

    Returns:
        (B, min(N, ``more``)) their indices.
    """
    left = foreground.square().sum(1, keepdim=True) * ~_covered(chosen, foreground)
    content = crop(left, others.centers, others.sizes, SAMPLES).mean((2, 3, 4)) * others.sides.square()
    return content.topk(min(more, content.shape[1]), dim=1).indices


def _covered(keypoints: Keypoints, like: Tensor) -> Tensor:
    """(B, 1, H, W) bool: pixels in any of the boxes."""
    reach = keypoints.sides.unsqueeze(-1) / 2
    columns, rows = (
        ((torch.arange(length, device=like.device) - keypoints.centers[..., axis, None]).abs() < reach).float()
        for axis, length in ((0, like.shape[-1]), (1, like.shape[-2]))
    )
    return (torch.einsum("bkh,bkw->bhw", rows, columns) > 0).unsqueeze(1)

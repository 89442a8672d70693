"""Which predictions of an image are right, which are not, and what was missed: what the pictures show in colour."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from boxless.instances import Instances
from boxless.metrics.matching import instance_iou, match_by_center, match_by_iou, same_class
from boxless.metrics.pairing import image_pairs

Integers = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Verdicts:
    """Every prediction stands in one of the first three, every true instance in one of the others and ``missed``.

    Attributes:
        right: (P, 2) index of the prediction, of the truth: at its place, of its class.
        mistaken: (P, 2) the same: at its place, of a wrong class.
        false: (P,) indices of predictions at a place where there is nothing, or nothing left.
        missed: (P,) indices of true instances without a prediction at their place.
    """

    right: Integers
    mistaken: Integers
    false: Integers
    missed: Integers


def judge(predicted: Instances, true: Instances, threshold: float = 0.5) -> Verdicts:
    """Match by IoU: first among equal classes, as the score *both* does, then what is left whatever its class.

    Args:
        predicted: the predictions of an image.
        true: its truth.
        threshold: the IoU that a match must exceed.

    Raises:
        BoxlessError: the two name their classes differently.
    """
    found, truth = next(image_pairs([predicted], [true]))
    iou = instance_iou(found, truth)
    right = match_by_iou(iou, threshold, allowed=same_class(found, truth))
    free = np.ones(iou.shape, np.bool_)
    free[right[:, 0]] = False
    free[:, right[:, 1]] = False
    mistaken = match_by_iou(iou, threshold, allowed=free)
    matched = np.concatenate([right, mistaken])
    return Verdicts(
        right=right,
        mistaken=mistaken,
        false=np.setdiff1d(np.arange(len(found)), matched[:, 0]),
        missed=np.setdiff1d(np.arange(len(truth)), matched[:, 1]),
    )


def judge_centers(predicted: Instances, true: Instances) -> Verdicts:
    """Match by centres: right lies within half a size of a true one, one to one, the nearest first; no class counts.

    Args:
        predicted: the predictions of an image.
        true: its truth; of a box that is no square the shorter side counts.
    """
    away = np.linalg.norm(predicted.centers[:, None].astype(np.float64) - true.centers[None], axis=-1)
    near = away <= true.sizes.min(axis=1, initial=np.inf) / 2
    right = match_by_center(predicted, true, allowed=near)
    return Verdicts(
        right=right,
        mistaken=np.zeros((0, 2), np.int64),
        false=np.setdiff1d(np.arange(len(predicted)), right[:, 0]),
        missed=np.setdiff1d(np.arange(len(true)), right[:, 1]),
    )


def verdicts_of(predicted: Instances, true: Instances) -> Verdicts:
    """By IoU, or by centres where boxes would not be drawn (see ``is_texture``)."""
    return judge_centers(predicted, true) if is_texture(predicted, true) else judge(predicted, true)


def is_texture(predicted: Instances, true: Instances | None = None) -> bool:
    """Whether boxes of one class overlap so much that together they are larger than the image, which they would hide.

    Args:
        predicted: the predictions of an image; without ``image_size`` it is no texture.
        true: its truth, whose boxes count where it is known.
    """
    if predicted.image_size is None or names_tell(predicted):
        return False
    sizes = (predicted if true is None else true).sizes
    return float(sizes.prod(axis=1).sum()) > predicted.image_size[0] * predicted.image_size[1]


def names_tell(instances: Instances) -> bool:
    """Whether class names tell anything: where there is one class, they do not."""
    return instances.class_names is None or len(instances.class_names) > 1

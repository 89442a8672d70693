"""Average precision at IoU 0.5, with and without regard to the class ("IOU 50 AP", MIST table 5)."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from boxless.instances import Instances
from boxless.metrics.matching import instance_iou, same_class
from boxless.metrics.pairing import image_pairs

Floats = NDArray[np.float64]
Labels = NDArray[np.int64]


@dataclass
class AveragePrecision:
    """Areas under precision over recall, in [0, 1]; nan where there is no true instance.

    Attributes:
        class_agnostic: of all predictions, their classes not looked at.
        mean: over the classes of which there is a true instance.
        by_class: of each of these classes, by its label.
    """

    class_agnostic: float
    mean: float
    by_class: dict[int, float]


def average_precision(
    predicted: Sequence[Instances], true: Sequence[Instances], threshold: float = 0.5
) -> AveragePrecision:
    """Average precision over a whole set, all-point interpolation (PASCAL VOC 2010 and later).

    In an image the predictions choose in the order of their scores, each the free true instance of highest IoU over
    the threshold (COCO's matching). All predictions of the set are then ranked by score; predictions of equal score
    enter together, so the order of the images does not count.

    Args:
        predicted: the predictions of each image.
        true: the truth of each image.
        threshold: the IoU that a match must exceed.

    Raises:
        BoxlessError: the lists differ in length, or in the names of the classes.
    """
    return average_precision_of(judged_predictions(predicted, true, threshold), true_labels(true))


def judged_predictions(
    predicted: Sequence[Instances], true: Sequence[Instances], threshold: float = 0.5
) -> NDArray[np.float64]:
    """(D, 4) for each prediction its score, its label, whether it is a hit at all, and a hit of its class (0 or 1).

    The rows of batches may be put together in any order.
    """
    tables = [np.zeros((0, 4))]
    for unsorted, truth in image_pairs(predicted, true):
        found = unsorted.sorted_by_score()
        iou = instance_iou(found, truth)
        of_class = np.where(same_class(found, truth), iou, 0.0)
        tables.append(np.stack([found.scores, found.labels, _hits(iou, threshold), _hits(of_class, threshold)], axis=1))
    return np.concatenate(tables)


def true_labels(true: Sequence[Instances]) -> Labels:
    """(T,) the labels of the true instances of all images."""
    return np.concatenate([np.zeros(0, np.int64), *(truth.labels for truth in true)])


def average_precision_of(judged: Floats, labels: Labels) -> AveragePrecision:
    """The average precision of ``judged_predictions`` against ``true_labels``, both of all batches."""
    scores, predicted_labels, hits, hits_of_class = judged.T
    by_class = {}
    for label, instances in zip(*(part.tolist() for part in np.unique(labels, return_counts=True)), strict=True):
        mine = predicted_labels == label
        by_class[label] = area_under_curve(scores[mine], hits_of_class[mine], instances)
    return AveragePrecision(
        class_agnostic=area_under_curve(scores, hits, len(labels)),
        mean=float(np.mean(list(by_class.values()))) if by_class else float("nan"),
        by_class=by_class,
    )


def area_under_curve(scores: Floats, hits: Floats, instances: int) -> float:
    """The sum over ranks of the gain in recall times the best precision at that recall or more.

    Args:
        scores: (D,) of the predictions, in any order.
        hits: (D,) 1 for a prediction that is a hit, else 0.
        instances: how many hits there could be; nan comes back for 0.
    """
    if instances == 0:
        return float("nan")
    order = np.argsort(-scores, kind="stable")
    last_of_score = np.nonzero(np.diff(scores[order], append=-np.inf))[0]
    found = np.cumsum(hits[order])[last_of_score]
    precision = found / (last_of_score + 1)
    best_precision = np.maximum.accumulate(precision[::-1])[::-1]
    return float((np.diff(found / instances, prepend=0.0) * best_precision).sum())


def _hits(iou: Floats, threshold: float) -> Floats:
    """(N,) 1 where prediction n, choosing after those before it, finds a free truth of IoU over the threshold."""
    hits = np.zeros(len(iou))
    free = iou.copy()
    for index in np.nonzero((iou > threshold).any(axis=1))[0]:
        best = free[index].argmax()
        if free[index, best] > threshold:
            hits[index] = 1
            free[:, best] = -1
    return hits

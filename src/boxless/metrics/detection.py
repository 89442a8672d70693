"""The three numbers of MIST and TUSK for places and classes: localization, classification, both (PROTOCOL 2)."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from boxless.instances import Instances
from boxless.metrics.matching import instance_iou, match_by_iou, same_class
from boxless.metrics.pairing import image_pairs, share


@dataclass
class DetectionScores:
    """Shares of the true instances, in [0, 1]; nan where there are none. both <= localization, classification.

    Attributes:
        localization: found, by a box of any class, at IoU > 0.5 ("IOU 50%" in MIST).
        classification: whose class the predictions of the image account for, wherever they lie.
        both: localized, and with a prediction of the right class at IoU > 0.5.
        instances: the number of true instances.
    """

    localization: float
    classification: float
    both: float
    instances: int


def detection_scores(
    predicted: Sequence[Instances], true: Sequence[Instances], threshold: float = 0.5
) -> DetectionScores:
    """Localization, classification and both of MIST (section 5.2) and TUSK (section 4.1), in one pass.

    * localization matches one prediction to one instance by falling IoU, whatever their classes.
    * classification is sum_c min(predicted, true) / sum_c true, the counts of class c taken in each image.
    * both matches once more, among the pairs of equal class alone, so that a prediction of a wrong class on the same
      object takes nothing from a right one. An instance counts if it is matched in this and in the localization:
      greedy matching of fewer pairs can match more instances, and both would else exceed localization.

    Args:
        predicted: the predictions of each image.
        true: the truth of each image.
        threshold: the IoU that a match must exceed.

    Raises:
        BoxlessError: the lists differ in length, or in the names of the classes.
    """
    return detection_scores_of(detection_counts(predicted, true, threshold))


def detection_counts(
    predicted: Sequence[Instances], true: Sequence[Instances], threshold: float = 0.5
) -> NDArray[np.int64]:
    """(4,) the numbers of instances localized, classified, both, and of all: they add up over batches."""
    counts = np.zeros(4, np.int64)
    for found, truth in image_pairs(predicted, true):
        iou = instance_iou(found, truth)
        localized = match_by_iou(iou, threshold)[:, 1]
        right_class = match_by_iou(iou, threshold, allowed=same_class(found, truth))[:, 1]
        both = np.intersect1d(localized, right_class, assume_unique=True)
        counts += (len(localized), _accounted_for(found, truth), len(both), len(truth))
    return counts


def detection_scores_of(counts: NDArray[np.int64]) -> DetectionScores:
    """The scores of summed ``detection_counts``."""
    localized, classified, both, instances = counts.tolist()
    return DetectionScores(share(localized, instances), share(classified, instances), share(both, instances), instances)


def _accounted_for(predicted: Instances, true: Instances) -> int:
    classes = 1 + max(predicted.labels.max(initial=-1), true.labels.max(initial=-1))
    found, wanted = (np.bincount(one.labels, minlength=classes) for one in (predicted, true))
    return int(np.minimum(found, wanted).sum())

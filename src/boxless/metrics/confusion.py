"""The confusion matrix of a detector: which class is taken for which, what is missed, what is invented."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from boxless.errors import BoxlessError
from boxless.instances import Instances
from boxless.metrics.matching import matches
from boxless.metrics.pairing import image_pairs


def confusion_matrix(
    predicted: Sequence[Instances], true: Sequence[Instances], classes: int, threshold: float | None = 0.5
) -> NDArray[np.int64]:
    """Count pairs of true and predicted class, predictions matched to truth by IoU whatever their class.

    Args:
        predicted: the predictions of each image.
        true: the truth of each image.
        classes: the number C of classes.
        threshold: the IoU that a match must exceed; None matches centres instead, see ``match_by_center``.

    Returns:
        (C + 1, C + 1): the row is the true class, the last row "no object" (false detections); the column is the
        predicted class, the last column "missed". The last element of both is 0. Matrices add up over batches.

    Raises:
        BoxlessError: the lists differ in length or in the names of the classes, or a label is not under ``classes``.
    """
    matrix = np.zeros((classes + 1, classes + 1), np.int64)
    for found, truth in image_pairs(predicted, true):
        highest = max(found.labels.max(initial=-1), truth.labels.max(initial=-1))
        if highest >= classes:
            raise BoxlessError(f"label {highest} is too high for {classes} classes, which count from 0.")
        of_prediction, of_truth = matches(found, truth, threshold).T
        invented, missed = np.delete(found.labels, of_prediction), np.delete(truth.labels, of_truth)
        rows = np.concatenate([truth.labels[of_truth], np.full_like(invented, classes), missed])
        columns = np.concatenate([found.labels[of_prediction], invented, np.full_like(missed, classes)])
        np.add.at(matrix, (rows, columns), 1)
    return matrix

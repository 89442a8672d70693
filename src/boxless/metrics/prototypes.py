"""Prototypes of an unsupervised method get the names of classes, once, on training scenes (PROTOCOL 2)."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import linear_sum_assignment

from boxless.errors import BoxlessError
from boxless.instances import Instances
from boxless.metrics.matching import matches
from boxless.metrics.pairing import image_pairs


def prototype_contingency(
    predicted: Sequence[Instances],
    true: Sequence[Instances],
    prototypes: int,
    classes: int,
    threshold: float | None = 0.5,
) -> NDArray[np.int64]:
    """How often each prototype lies on an instance of each class.

    Args:
        predicted: the predictions of each image, whose labels are ids of prototypes.
        true: the truth of each image, whose labels are classes.
        prototypes: the number P of prototypes.
        classes: the number C of classes.
        threshold: the IoU that a prediction and its instance must exceed, matched one to one whatever the labels; None
            matches centres instead, see ``match_by_center``.

    Returns:
        (P, C) counts, which add up over batches.

    Raises:
        BoxlessError: the lists differ in length, or a label is too high.
    """
    table = np.zeros((prototypes, classes), np.int64)
    for found, truth in image_pairs(predicted, true):
        if found.labels.max(initial=-1) >= prototypes or truth.labels.max(initial=-1) >= classes:
            raise BoxlessError(f"a label is too high for {prototypes} prototypes and {classes} classes, from 0 on.")
        of_prediction, of_truth = matches(found, truth, threshold).T
        np.add.at(table, (found.labels[of_prediction], truth.labels[of_truth]), 1)
    return table


def count_covariance(prototypes: ArrayLike, classes: ArrayLike) -> NDArray[np.float64]:
    """How the number of keypoints of each prototype in an image goes with that of the objects of each class.

    It stands for :func:`prototype_contingency` where the places of the objects are not known.

    Args:
        prototypes: (B, P) how often each prototype is in each image.
        classes: (B, C) how often each class is.

    Returns:
        (P, C) covariances, summed over the images.

    Raises:
        BoxlessError: they are not tables of the same images.
    """
    found, true = np.asarray(prototypes, np.float64), np.asarray(classes, np.float64)
    if found.ndim != 2 or true.ndim != 2 or len(found) != len(true) or not len(found):
        raise BoxlessError(f"counts are (B, P) and (B, C) of the same images, not {found.shape} and {true.shape}.")
    covariance: NDArray[np.float64] = (found - found.mean(axis=0)).T @ (true - true.mean(axis=0))
    return covariance


def assign_prototypes(
    contingency: NDArray[np.int64] | NDArray[np.float64], one_to_one: bool = True
) -> NDArray[np.int64]:
    """The class of each prototype: one prototype to one class so that the most instances agree (Hungarian).

    Where there are more prototypes than classes, each that is left over takes the class it meets most often, as TUSK
    (section 4.2) names the prototypes of CLEVR, or the most frequent class if it never met any. Where there are fewer,
    some classes get none.

    Args:
        contingency: (P, C) how often prototype p lay on class c, or how well the two go together, with at least one
            class.
        one_to_one: otherwise every prototype takes the class it meets most often.

    Returns:
        (P,) labels of classes. To be found on training scenes, and frozen.

    Raises:
        BoxlessError: there is no class, or the counts are not a table.
    """
    table = np.asarray(contingency)
    if table.ndim != 2 or table.shape[1] == 0:
        raise BoxlessError(f"the counts of prototypes on classes must be (P, C) with a class, not {table.shape}.")
    mapping: NDArray[np.int64] = np.where(table.any(axis=1), table.argmax(axis=1), table.sum(axis=0).argmax())
    if one_to_one:
        matched, classes = linear_sum_assignment(table, maximize=True)
        mapping[matched] = classes
    return mapping

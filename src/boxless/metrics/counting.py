"""How well an image's instances are counted, in total and of each class, positions ignored."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from boxless.errors import BoxlessError
from boxless.instances import Instances
from boxless.metrics.pairing import class_count, image_pairs, share

# What stands before the error of each class in the summed counts.
HEAD = 5


@dataclass
class CountingScores:
    """Means over images; nan where there are none.

    Attributes:
        total_error: mean absolute error of the number of all instances.
        error_by_class: mean absolute error of the number of each class, by label; classes that never occur have 0.
        class_error: the mean of ``error_by_class``.
        exact_total: share of images with the right number of instances.
        exact_multiset: share of images with the right number of every class.
        exact_set: share of images with the right set of classes, how many of each ignored.
        images: the number of images.
    """

    total_error: float
    error_by_class: tuple[float, ...]
    class_error: float
    exact_total: float
    exact_multiset: float
    exact_set: float
    images: int


def counting_scores(
    predicted: Sequence[Instances], true: Sequence[Instances], classes: int | None = None
) -> CountingScores:
    """Compare the counts of each image.

    Args:
        predicted: the predictions of each image.
        true: the truth of each image.
        classes: the number of classes; that of the names, or one more than the highest label, where None.

    Raises:
        BoxlessError: the lists differ in length or in the names of the classes, or a label is not under ``classes``.
    """
    return counting_scores_of(
        counting_sums(predicted, true, class_count(predicted, true) if classes is None else classes)
    )


def counting_sums(predicted: Sequence[Instances], true: Sequence[Instances], classes: int) -> NDArray[np.int64]:
    """(5 + classes,) images, those of exact total, multiset and set, and the absolute errors in total and by class.

    They add up over batches.
    """
    sums = np.zeros(HEAD + classes, np.int64)
    for found, truth in image_pairs(predicted, true):
        counts, wanted = _counts(found, classes), _counts(truth, classes)
        errors = np.abs(counts - wanted)
        sums[:HEAD] += (
            1,
            len(found) == len(truth),
            not errors.any(),
            np.array_equal(counts > 0, wanted > 0),
            abs(len(found) - len(truth)),
        )
        sums[HEAD:] += errors
    return sums


def counting_scores_of(sums: NDArray[np.int64]) -> CountingScores:
    """The scores of summed ``counting_sums``."""
    images, exact_total, exact_multiset, exact_set, total_error = sums[:HEAD].tolist()
    by_class = tuple(share(error, images) for error in sums[HEAD:].tolist())
    return CountingScores(
        total_error=share(total_error, images),
        error_by_class=by_class,
        class_error=share(sum(by_class), len(by_class)),
        exact_total=share(exact_total, images),
        exact_multiset=share(exact_multiset, images),
        exact_set=share(exact_set, images),
        images=images,
    )


def _counts(instances: Instances, classes: int) -> NDArray[np.int64]:
    if len(instances) and instances.labels.max() >= classes:
        raise BoxlessError(f"label {instances.labels.max()} is too high for {classes} classes, which count from 0.")
    return np.bincount(instances.labels, minlength=classes)

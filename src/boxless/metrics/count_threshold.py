"""The score from which candidates count as objects, so that their number comes nearest to the true one."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from boxless.errors import BoxlessError
from boxless.instances import Instances


@dataclass(frozen=True)
class CountThreshold:
    """A threshold, and what it reaches on the images that it was chosen by.

    Attributes:
        threshold: a score in [0, 1]; what scores at least this is counted.
        error: absolute error of the counts, summed over the classes, as a mean over the images.
    """

    threshold: float
    error: float


def best_count_threshold(candidates: Sequence[Instances], counts: ArrayLike) -> CountThreshold:
    """The threshold with the least error of the counts; places are not looked at.

    Between two neighbouring scores the error does not change: of the gaps with the least error the widest is taken,
    and the middle of it.

    The threshold goes down from above all scores, and lets in one candidate after another. The n-th of a class in an
    image brings that count nearer to a true one of n or more, and takes it further from a smaller one: the error is a
    running sum of −1 and +1, and no threshold is tried.

    Args:
        candidates: all that may be an object, of each image, with their scores and labels.
        counts: (images, classes) whole numbers: how many objects of each class each image holds.

    Raises:
        BoxlessError: there is no image, the lists differ in length, or a label is not under the number of classes.
    """
    true = np.asarray(counts, np.int64)
    if true.ndim != 2 or len(true) != len(candidates) or len(true) == 0:
        raise BoxlessError(f"counts are ({len(candidates)}, classes), one row an image and not none, not {true.shape}.")
    scores, cells = _scores_and_cells(candidates, true.shape[1])
    order = np.lexsort((-scores, cells))
    scores, cells = scores[order], cells[order]
    rank = np.arange(len(cells)) - np.searchsorted(cells, cells)  # from 0, within its class of its image
    change = np.where(rank < true.reshape(-1)[cells], -1, 1)
    falling = np.argsort(-scores, kind="stable")
    errors = true.sum() + np.concatenate(([0], np.cumsum(change[falling])))  # with the first 0, 1, 2, ... let in
    edges = np.concatenate(([1.0], scores[falling], [0.0]))
    widths = edges[:-1] - edges[1:]  # none between equal scores, which come in together
    least = errors[widths > 0].min()
    chosen = int(np.argmax(np.where(errors == least, widths, -1.0)))
    return CountThreshold(float((edges[chosen] + edges[chosen + 1]) / 2), float(least / len(true)))


def _scores_and_cells(candidates: Sequence[Instances], classes: int) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """(N,) the scores of all candidates, and the place of the image and class of each among (images · classes)."""
    labels = np.concatenate([one.labels for one in candidates])
    if len(labels) and labels.max() >= classes:
        raise BoxlessError(f"label {labels.max()} is too high for {classes} classes, which count from 0.")
    images = np.repeat(np.arange(len(candidates)), [len(one) for one in candidates])
    return np.concatenate([one.scores for one in candidates]).astype(np.float64), images * classes + labels

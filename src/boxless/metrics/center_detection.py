"""Precision, recall and F1 by centres: the measure of MIST on PASCAL+COCO (PROTOCOL 2)."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from boxless.instances import Instances
from boxless.metrics.matching import match_by_center, same_class
from boxless.metrics.pairing import image_pairs, share


@dataclass
class CenterScores:
    """Shares in [0, 1]; nan where a share is of nothing.

    Attributes:
        precision: matched / predicted.
        recall: matched / true.
        f1: 2 matched / (predicted + true), the harmonic mean of both.
        matched: the number of pairs.
        predicted: the number of predictions, those of the background left out.
        true: the number of true instances.
    """

    precision: float
    recall: float
    f1: float
    matched: int
    predicted: int
    true: int


def center_scores(
    predicted: Sequence[Instances], true: Sequence[Instances], background: int | None = None
) -> CenterScores:
    """A prediction is right if its centre lies within the box of a true instance of its class, one to one.

    Where several could be paired, the nearest centres are paired first (MIST, section 5.3, leaves this open).

    Args:
        predicted: the predictions of each image.
        true: the truth of each image.
        background: the label whose predictions are left out; None where no label means background.

    Raises:
        BoxlessError: the lists differ in length, or in the names of the classes.
    """
    return center_scores_of(center_counts(predicted, true, background))


def center_counts(
    predicted: Sequence[Instances], true: Sequence[Instances], background: int | None = None
) -> NDArray[np.int64]:
    """(3,) the numbers of pairs, of predictions and of true instances: they add up over batches."""
    counts = np.zeros(3, np.int64)
    for found, truth in image_pairs(predicted, true):
        kept = found if background is None else found[found.labels != background]
        pairs = match_by_center(kept, truth, allowed=same_class(kept, truth))
        counts += (len(pairs), len(kept), len(truth))
    return counts


def center_scores_of(counts: NDArray[np.int64]) -> CenterScores:
    """The scores of summed ``center_counts``."""
    matched, predicted, true = counts.tolist()
    return CenterScores(
        precision=share(matched, predicted),
        recall=share(matched, true),
        f1=share(2 * matched, predicted + true),
        matched=matched,
        predicted=predicted,
        true=true,
    )

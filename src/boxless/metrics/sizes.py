"""How large predictions are beside the truth: what a detector makes of scale (MIST, supplements A and B)."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from boxless.instances import Instances
from boxless.metrics.matching import match_by_center
from boxless.metrics.pairing import image_pairs


@dataclass
class SizeStatistics:
    """Of the ratios of predicted to true side, a side being the square root of a box's area; nan without a pair.

    Attributes:
        median_error: median of |ratio − 1|.
        median_ratio: above 1 where boxes come out too large.
        pairs: the number of pairs.
    """

    median_error: float
    median_ratio: float
    pairs: int


def size_statistics(predicted: Sequence[Instances], true: Sequence[Instances]) -> SizeStatistics:
    """Sizes of predictions whose centre lies in a true box, one to one, the nearest first, classes not looked at.

    Raises:
        BoxlessError: the lists differ in length, or in the names of the classes.
    """
    return size_statistics_of(size_ratios(predicted, true))


def size_ratios(predicted: Sequence[Instances], true: Sequence[Instances]) -> NDArray[np.float64]:
    """(P,) predicted over true side of each pair whose true box has an area; batches may be put together."""
    ratios = [np.zeros(0)]
    for found, truth in image_pairs(predicted, true):
        of_prediction, of_truth = match_by_center(found, truth).T
        areas, true_areas = (
            one.sizes.astype(np.float64)[own].prod(axis=1) for one, own in ((found, of_prediction), (truth, of_truth))
        )
        seen = true_areas > 0
        ratios.append(np.sqrt(areas[seen] / true_areas[seen]))
    return np.concatenate(ratios)


def size_statistics_of(ratios: NDArray[np.float64]) -> SizeStatistics:
    """The statistics of ``size_ratios`` of all batches."""
    if len(ratios) == 0:
        return SizeStatistics(float("nan"), float("nan"), 0)
    return SizeStatistics(float(np.median(np.abs(ratios - 1))), float(np.median(ratios)), len(ratios))

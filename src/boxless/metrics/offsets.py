"""Where predictions lie beside the truth: the drift that nothing in counts alone holds back (PROTOCOL 5)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from boxless.instances import Instances
from boxless.metrics.matching import match_by_center
from boxless.metrics.pairing import image_pairs


@dataclass
class OffsetStatistics:
    """Predicted centre minus true centre, in pixels, x right and y down; nan where there is no pair.

    Attributes:
        mean: (dx, dy), the drift.
        spread: standard deviation of dx and of dy (of the population: 0 for one pair).
        median_distance: median length of the offset.
        pairs: the number of pairs.
        by_class: the same for each true class that has a pair, by label; empty in these themselves.
    """

    mean: tuple[float, float]
    spread: tuple[float, float]
    median_distance: float
    pairs: int
    by_class: dict[int, OffsetStatistics] = field(default_factory=dict)


def offset_statistics(predicted: Sequence[Instances], true: Sequence[Instances]) -> OffsetStatistics:
    """Offsets of predictions whose centre lies in a true box, one to one, the nearest first, classes not looked at.

    Raises:
        BoxlessError: the lists differ in length, or in the names of the classes.
    """
    return offset_statistics_of(center_offsets(predicted, true))


def center_offsets(predicted: Sequence[Instances], true: Sequence[Instances]) -> NDArray[np.float64]:
    """(P, 3) dx, dy and true label of each pair; the rows of batches may be put together in any order."""
    tables = [np.zeros((0, 3))]
    for found, truth in image_pairs(predicted, true):
        of_prediction, of_truth = match_by_center(found, truth).T
        offsets = found.centers[of_prediction].astype(np.float64) - truth.centers[of_truth]
        tables.append(np.column_stack([offsets, truth.labels[of_truth]]))
    return np.concatenate(tables)


def offset_statistics_of(table: NDArray[np.float64]) -> OffsetStatistics:
    """The statistics of ``center_offsets`` of all batches."""
    labels = table[:, 2].astype(np.int64)
    statistics = _summary(table[:, :2])
    statistics.by_class = {label: _summary(table[labels == label, :2]) for label in np.unique(labels).tolist()}
    return statistics


def _summary(offsets: NDArray[np.float64]) -> OffsetStatistics:
    if len(offsets) == 0:
        nan = float("nan")
        return OffsetStatistics((nan, nan), (nan, nan), nan, 0)
    (mean_x, mean_y), (spread_x, spread_y) = offsets.mean(axis=0).tolist(), offsets.std(axis=0).tolist()
    median = float(np.median(np.hypot(offsets[:, 0], offsets[:, 1])))
    return OffsetStatistics((mean_x, mean_y), (spread_x, spread_y), median, len(offsets))

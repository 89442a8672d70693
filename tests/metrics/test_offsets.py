import math
import statistics

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from boxless.instances import Instances
from boxless.metrics.offsets import OffsetStatistics, offset_statistics

from .random_scenes import CLASSES, scenes, slow_center_pairs


def check(result: OffsetStatistics, offsets: list[tuple[float, float]]) -> None:
    assert result.pairs == len(offsets)
    if offsets:
        dx, dy = zip(*offsets, strict=True)
        assert result.mean == pytest.approx((statistics.fmean(dx), statistics.fmean(dy)), abs=1e-9)
        assert result.spread == pytest.approx((statistics.pstdev(dx), statistics.pstdev(dy)), abs=1e-9)
        assert result.median_distance == pytest.approx(statistics.median(math.hypot(*offset) for offset in offsets))


@given(st.integers(0, 10_000))
def test_statistics_are_those_of_plain_loops(seed: int) -> None:
    predicted, true = scenes(seed, 5)
    rows = []
    for found, truth in zip(predicted, true, strict=True):
        for i, j in slow_center_pairs(found, truth):
            (x, y), (true_x, true_y) = found.centers[i].tolist(), truth.centers[j].tolist()
            rows.append((int(truth.labels[j]), (x - true_x, y - true_y)))
    result = offset_statistics(predicted, true)
    check(result, [offset for _, offset in rows])
    assert sorted(result.by_class) == sorted({label for label, _ in rows})
    for label in range(CLASSES):
        if label in result.by_class:
            check(result.by_class[label], [offset for other, offset in rows if other == label])


def test_a_drift_to_the_right_and_up_is_positive_in_x_and_negative_in_y() -> None:
    true = Instances([[10, 20], [50, 30]], [[20, 10], [20, 10]], labels=[0, 1])
    predicted = Instances(true.centers + np.array([3, -4]), true.sizes, labels=[1, 1])
    result = offset_statistics([predicted], [true])
    assert (result.mean, result.spread, result.median_distance) == ((3, -4), (0, 0), 5)


def test_classes_are_those_of_the_truth() -> None:
    true = Instances([[10, 20]], [[20, 10]], labels=[2])
    predicted = Instances([[11, 20]], [[20, 10]], labels=[0])
    assert list(offset_statistics([predicted], [true]).by_class) == [2]


def test_a_prediction_outside_every_box_is_left_out() -> None:
    true = Instances([[10, 20]], [[20, 10]])
    predicted = Instances([[10, 25.5], [10, 22]], [[20, 10], [20, 10]])
    result = offset_statistics([predicted], [true])
    assert (result.pairs, result.mean) == (1, (0, 2))


def test_without_a_pair_everything_is_nan() -> None:
    result = offset_statistics([Instances([], [])], [Instances([[1, 1]], [[2, 2]])])
    assert result.pairs == 0
    assert all(math.isnan(value) for value in (*result.mean, *result.spread, result.median_distance))
    assert result.by_class == {}

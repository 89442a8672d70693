import math
import statistics

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from boxless.instances import Instances
from boxless.metrics.sizes import size_statistics

from .random_scenes import scenes, slow_center_pairs


@given(st.integers(0, 10_000))
def test_statistics_are_those_of_plain_loops(seed: int) -> None:
    predicted, true = scenes(seed, 5)
    ratios = []
    for found, truth in zip(predicted, true, strict=True):
        for i, j in slow_center_pairs(found, truth):
            ratios.append(math.sqrt(math.prod(found.sizes[i].tolist()) / math.prod(truth.sizes[j].tolist())))
    result = size_statistics(predicted, true)
    assert result.pairs == len(ratios)
    if ratios:
        assert result.median_ratio == pytest.approx(statistics.median(ratios))
        assert result.median_error == pytest.approx(statistics.median(abs(ratio - 1) for ratio in ratios))


def test_a_box_of_twice_the_width_and_half_the_height_is_as_large() -> None:
    true = Instances([[10, 20]], [[20, 10]])
    result = size_statistics([Instances(true.centers, [[40, 5]])], [true])
    assert (result.median_error, result.median_ratio, result.pairs) == (0, 1, 1)


def test_boxes_a_fifth_too_large_are_off_by_a_fifth() -> None:
    true = Instances([[10, 20], [80, 90]], [[20, 20], [30, 30]])
    result = size_statistics([Instances(true.centers, true.sizes * 1.2)], [true])
    assert result.median_error == pytest.approx(0.2)
    assert result.median_ratio == pytest.approx(1.2)


def test_a_true_box_without_area_has_no_ratio() -> None:
    true = Instances([[10, 20]], [[0, 0]])
    result = size_statistics([Instances(true.centers, [[4, 4]])], [true])
    assert result.pairs == 0
    assert np.isnan(result.median_error)
    assert np.isnan(result.median_ratio)

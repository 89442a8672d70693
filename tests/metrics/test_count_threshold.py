"""The threshold that counts best, beside a search through all thresholds."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from boxless.errors import BoxlessError
from boxless.instances import Instances
from boxless.metrics.count_threshold import best_count_threshold
from boxless.metrics.counting import counting_scores

from .random_scenes import CLASSES, scenes


def candidates(*scores: float, label: int = 0) -> Instances:
    places = [(0, 0)] * len(scores)
    return Instances(places, places, scores=scores, labels=[label] * len(scores))


def counts_of(true: list[Instances]) -> list[list[int]]:
    return [np.bincount(one.labels, minlength=CLASSES).tolist() for one in true]


def error_at(threshold: float, predicted: list[Instances], true: list[Instances]) -> float:
    scores = counting_scores([one.above(threshold) for one in predicted], true, CLASSES)
    return sum(scores.error_by_class)


@given(st.integers(0, 10_000), st.integers(1, 6))
def test_no_other_threshold_counts_better(seed: int, images: int) -> None:
    """Scores are tenths, many of them equal: every twentieth is a threshold at, above and below all of them."""
    predicted, true = scenes(seed, images)
    found = best_count_threshold(predicted, counts_of(true))
    tried = {step / 20: error_at(step / 20, predicted, true) for step in range(1, 21)}
    assert found.error == pytest.approx(min(tried.values()))
    assert found.error == pytest.approx(error_at(found.threshold, predicted, true))


@given(st.integers(0, 10_000))
def test_it_is_the_middle_of_the_widest_gap_of_those_that_count_best(seed: int) -> None:
    predicted, true = scenes(seed, 4)
    edges = sorted({0.0, 1.0, *(float(score) for one in predicted for score in one.scores)})
    gaps = [(high - low, (low + high) / 2) for low, high in pairwise(edges)]
    errors = [error_at(middle, predicted, true) for _, middle in gaps]
    best = [gap for gap, error in zip(gaps, errors, strict=True) if error == min(errors)]
    found = best_count_threshold(predicted, counts_of(true)).threshold
    assert any(found == pytest.approx(middle) and width == pytest.approx(max(best)[0]) for width, middle in best)


def test_counted_by_hand() -> None:
    """Two and one objects among five candidates: at 0.6 all counts are right, at 0.35 one is not."""
    found = best_count_threshold([candidates(0.9, 0.7, 0.3), candidates(0.8, 0.4)], [[2], [1]])
    assert found.threshold == pytest.approx((0.4 + 0.7) / 2)
    assert found.error == 0.0


def test_a_count_of_the_wrong_class_is_two_errors() -> None:
    found = best_count_threshold([candidates(0.8, label=1)], [[1, 0]])
    assert found.error == 1.0  # nothing counted, where counting it made two of it
    assert found.threshold > 0.8


def test_images_without_candidates_leave_the_middle() -> None:
    assert best_count_threshold([candidates(), candidates()], [[1], [2]]).threshold == 0.5
    assert best_count_threshold([candidates(), candidates()], [[1], [2]]).error == 1.5


def test_what_does_not_fit_together_is_refused() -> None:
    with pytest.raises(BoxlessError, match=r"counts are \(1, classes\)"):
        best_count_threshold([candidates(0.5)], [[1], [2]])
    with pytest.raises(BoxlessError, match="counts are"):
        best_count_threshold([], np.zeros((0, 2)))
    with pytest.raises(BoxlessError, match="label 2 is too high for 2 classes"):
        best_count_threshold([candidates(0.5, label=2)], [[1, 0]])

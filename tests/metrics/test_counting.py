import math
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from boxless.errors import BoxlessError
from boxless.instances import Instances
from boxless.metrics.counting import counting_scores

from .random_scenes import CLASSES, scenes


@given(st.integers(0, 10_000))
def test_scores_are_those_of_counters(seed: int) -> None:
    predicted, true = scenes(seed, 5)
    counters = [
        (Counter(found.labels.tolist()), Counter(truth.labels.tolist()))
        for found, truth in zip(predicted, true, strict=True)
    ]
    scores = counting_scores(predicted, true, CLASSES)
    assert scores.total_error == sum(abs(a.total() - b.total()) for a, b in counters) / 5
    assert scores.error_by_class == tuple(sum(abs(a[c] - b[c]) for a, b in counters) / 5 for c in range(CLASSES))
    assert scores.class_error == pytest.approx(sum(scores.error_by_class) / CLASSES)
    assert scores.exact_total == sum(a.total() == b.total() for a, b in counters) / 5
    assert scores.exact_multiset == sum(a == b for a, b in counters) / 5
    assert scores.exact_set == sum(set(a) == set(b) for a, b in counters) / 5
    assert scores.images == 5


def test_the_number_of_classes_is_found_from_the_labels() -> None:
    one = Instances([[0, 0]], [[1, 1]], labels=[2])
    assert counting_scores([one], [one]).error_by_class == (0, 0, 0)


def test_finding_nothing_where_nothing_is_is_exact() -> None:
    nothing = Instances([], [])
    scores = counting_scores([nothing], [nothing], classes=1)
    assert (scores.total_error, scores.exact_total, scores.exact_multiset, scores.exact_set) == (0, 1, 1, 1)


def test_no_images_give_nan() -> None:
    scores = counting_scores([], [], classes=2)
    assert math.isnan(scores.total_error)
    assert math.isnan(scores.exact_set)
    assert scores.images == 0


def test_a_label_past_the_classes_is_refused() -> None:
    one = Instances([[0, 0]], [[1, 1]], labels=[2])
    with pytest.raises(BoxlessError, match="label 2"):
        counting_scores([one], [one], classes=2)

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from boxless.instances import Instances
from boxless.metrics.center_detection import center_scores

from .random_scenes import scenes, slow_center_pairs

NOTHING = Instances([], [])
ONE = Instances([[10, 5]], [[30, 4]], labels=[1])


@given(st.integers(0, 10_000))
def test_scores_are_those_of_plain_loops(seed: int) -> None:
    predicted, true = scenes(seed, 4)
    # Label 0 stands for the background: its predictions are taken out by hand.
    kept = [found[[i for i, label in enumerate(found.labels.tolist()) if label != 0]] for found in predicted]
    matched = sum(len(slow_center_pairs(f, t, same_class=True)) for f, t in zip(kept, true, strict=True))
    found, wanted = sum(map(len, kept)), sum(map(len, true))
    scores = center_scores(predicted, true, background=0)
    assert (scores.matched, scores.predicted, scores.true) == (matched, found, wanted)
    if matched:
        precision, recall = matched / found, matched / wanted
        assert (scores.precision, scores.recall) == (precision, recall)
        assert scores.f1 == pytest.approx(2 / (1 / precision + 1 / recall))


def test_the_box_of_the_prediction_does_not_count() -> None:
    far_too_small = Instances([[24, 6]], [[0, 0]], labels=[1])
    assert center_scores([far_too_small], [ONE]).f1 == 1


def test_a_wrong_class_in_the_box_is_no_match() -> None:
    assert center_scores([Instances([[10, 5]], [[30, 4]], labels=[2])], [ONE]).f1 == 0


def test_a_second_prediction_in_the_box_is_false() -> None:
    twice = Instances([[10, 5], [11, 5]], [[30, 4], [30, 4]], labels=[1, 1])
    scores = center_scores([twice], [ONE])
    assert (scores.precision, scores.recall) == (0.5, 1)


def test_without_predictions_the_precision_is_nan_and_the_rest_zero() -> None:
    scores = center_scores([NOTHING], [ONE])
    assert math.isnan(scores.precision)
    assert (scores.recall, scores.f1) == (0, 0)


def test_without_truth_the_recall_is_nan_and_the_rest_zero() -> None:
    scores = center_scores([ONE], [NOTHING])
    assert math.isnan(scores.recall)
    assert (scores.precision, scores.f1) == (0, 0)


def test_of_nothing_at_all_every_share_is_nan() -> None:
    scores = center_scores([NOTHING], [NOTHING])
    assert all(math.isnan(value) for value in (scores.precision, scores.recall, scores.f1))

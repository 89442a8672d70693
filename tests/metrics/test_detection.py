import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from boxless.instances import Instances
from boxless.metrics.detection import detection_scores

from .random_scenes import scenes, slow_iou_pairs

SEEDS = st.integers(0, 10_000)
NOTHING = Instances([], [])


@given(SEEDS)
def test_scores_are_those_of_plain_loops(seed: int) -> None:
    predicted, true = scenes(seed, 4)
    localized = classified = both = total = 0
    for found, truth in zip(predicted, true, strict=True):
        any_class = {j for _, j in slow_iou_pairs(found, truth)}
        right_class = {j for _, j in slow_iou_pairs(found, truth, same_class=True)}
        localized += len(any_class)
        both += len(any_class & right_class)
        classified += (Counter(found.labels.tolist()) & Counter(truth.labels.tolist())).total()
        total += len(truth)
    scores = detection_scores(predicted, true)
    assert scores.instances == total
    if total:
        expected = (localized / total, classified / total, both / total)
        assert (scores.localization, scores.classification, scores.both) == pytest.approx(expected)


@given(SEEDS)
def test_both_exceeds_neither_localization_nor_classification(seed: int) -> None:
    predicted, true = scenes(seed, 1)
    scores = detection_scores(predicted, true)
    if scores.instances:
        assert scores.both <= min(scores.localization, scores.classification)


def test_both_does_not_exceed_localization_where_greedy_matching_finds_fewer() -> None:
    # By IoU the middle pair goes first, of different classes, and leaves the outer two without; by class both match.
    true = Instances([[0, 0], [7, 0]], [[20, 20], [20, 20]], labels=[0, 1])
    predicted = Instances([[6, 0], [13, 0]], [[20, 20], [20, 20]], labels=[0, 1])
    scores = detection_scores([predicted], [true])
    assert (scores.localization, scores.classification, scores.both) == (0.5, 1, 0.5)


@given(SEEDS)
def test_the_truth_itself_scores_one(seed: int) -> None:
    _, true = scenes(seed, 3)
    scores = detection_scores(true, true)
    if scores.instances:
        assert (scores.localization, scores.classification, scores.both) == (1, 1, 1)


def test_a_nearer_box_of_a_wrong_class_takes_nothing_from_the_right_one() -> None:
    true = Instances([[10, 10]], [[20, 20]], labels=[1])
    predicted = Instances([[10, 10], [12, 10]], [[20, 20], [20, 20]], labels=[0, 1])
    assert detection_scores([predicted], [true]).both == 1


def test_classification_does_not_look_at_places() -> None:
    true = Instances([[10, 10], [50, 10], [10, 50]], np.full((3, 2), 20), labels=[1, 1, 2])
    predicted = Instances([[90, 90], [91, 91], [92, 92]], np.full((3, 2), 20), labels=[2, 2, 1])
    scores = detection_scores([predicted], [true])
    assert (scores.localization, scores.classification, scores.both) == (0, pytest.approx(2 / 3), 0)


def test_classification_counts_within_each_image() -> None:
    ones, twos = (Instances([[5, 5]], [[4, 4]], labels=[label]) for label in (1, 2))
    assert detection_scores([ones, twos], [twos, ones]).classification == 0


def test_no_prediction_scores_zero() -> None:
    scores = detection_scores([NOTHING], [Instances([[5, 5]], [[4, 4]])])
    assert (scores.localization, scores.classification, scores.both) == (0, 0, 0)


def test_scores_without_truth_are_nan() -> None:
    scores = detection_scores([Instances([[5, 5]], [[4, 4]])], [NOTHING])
    assert all(math.isnan(value) for value in (scores.localization, scores.classification, scores.both))
    assert scores.instances == 0

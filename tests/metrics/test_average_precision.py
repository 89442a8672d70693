import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from boxless.instances import Instances
from boxless.metrics.average_precision import area_under_curve, average_precision

from .random_scenes import CLASSES, box, scenes, slow_iou

SEEDS = st.integers(0, 10_000)


def slow_hits(predicted: Instances, true: Instances) -> int:
    """Predictions by falling score, each to the free truth of highest IoU over 0.5."""
    free, hits = set(range(len(true))), 0
    for i in sorted(range(len(predicted)), key=lambda i: -predicted.scores[i]):
        over = {j: slow_iou(box(predicted, i), box(true, j)) for j in free}
        over = {j: iou for j, iou in over.items() if iou > 0.5}
        if over:
            free.remove(max(over, key=lambda j: over[j]))
            hits += 1
    return hits


def slow_average_precision(predicted: list[Instances], true: list[Instances]) -> float:
    """Precision and recall at every threshold from scratch, then the area under the best precision at each recall."""
    total = sum(map(len, true))
    if total == 0:
        return float("nan")
    points = []
    for threshold in {score for found in predicted for score in found.scores.tolist()}:
        kept = [found.above(threshold) for found in predicted]
        hits = sum(slow_hits(found, truth) for found, truth in zip(kept, true, strict=True))
        points.append((hits / total, hits / sum(map(len, kept))))
    area, reached = 0.0, 0.0
    for recall in sorted({recall for recall, _ in points}):
        area += (recall - reached) * max(precision for other, precision in points if other >= recall)
        reached = recall
    return area


@given(SEEDS)
def test_class_agnostic_is_that_of_every_threshold_from_scratch(seed: int) -> None:
    predicted, true = scenes(seed, 4)
    expected = slow_average_precision(predicted, true)
    assert average_precision(predicted, true).class_agnostic == pytest.approx(expected, nan_ok=True)


@given(SEEDS)
def test_by_class_is_that_of_the_class_alone(seed: int) -> None:
    predicted, true = scenes(seed, 4)
    slow = {
        label: slow_average_precision([p.of_class(label) for p in predicted], [t.of_class(label) for t in true])
        for label in range(CLASSES)
    }
    expected = {label: value for label, value in slow.items() if not math.isnan(value)}
    result = average_precision(predicted, true)
    assert result.by_class == pytest.approx(expected)
    if expected:
        assert result.mean == pytest.approx(sum(expected.values()) / len(expected))


@given(SEEDS)
def test_the_order_of_the_images_does_not_count(seed: int) -> None:
    predicted, true = scenes(seed, 4)
    forward, backward = average_precision(predicted, true), average_precision(predicted[::-1], true[::-1])
    assert forward.class_agnostic == pytest.approx(backward.class_agnostic, nan_ok=True)


def test_interpolation_takes_the_best_precision_to_the_right() -> None:
    # Ranks: miss, hit, hit of 4 instances. Precision 0, 1/2, 2/3; the first hit counts with 2/3 too.
    assert area_under_curve(np.array([0.9, 0.8, 0.7]), np.array([0.0, 1, 1]), 4) == pytest.approx(2 * (1 / 4) * (2 / 3))


def test_equal_scores_enter_together() -> None:
    hits = np.array([1.0, 0.0])
    same = np.array([0.5, 0.5])
    assert area_under_curve(same, hits, 1) == area_under_curve(same, hits[::-1], 1) == 0.5


def test_a_prediction_chooses_before_those_of_lower_score() -> None:
    # Both lie over the first instance; the worse placed one has the higher score and takes it.
    true = Instances([[10, 10]], [[20, 20]])
    predicted = Instances([[10, 10], [12, 10]], [[20, 20]] * 2, scores=[0.4, 0.9])
    assert average_precision([predicted], [true]).class_agnostic == 1


def test_no_prediction_is_zero_and_no_truth_is_nan() -> None:
    one, nothing = Instances([[5, 5]], [[4, 4]]), Instances([], [])
    assert average_precision([nothing], [one]).mean == average_precision([nothing], [one]).class_agnostic == 0
    without_truth = average_precision([one], [nothing])
    assert math.isnan(without_truth.class_agnostic)
    assert math.isnan(without_truth.mean)
    assert without_truth.by_class == {}

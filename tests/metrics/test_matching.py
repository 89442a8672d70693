import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from boxless.instances import Instances
from boxless.metrics.matching import instance_iou, iou_matrix, match_by_center, match_by_iou, same_class

from .random_scenes import box, scene, slow_center_pairs, slow_iou, slow_iou_pairs

SEEDS = st.integers(0, 100_000)


def on_grid(rng: np.random.Generator, count: int) -> np.ndarray:
    """Boxes with integer corners in a 12 by 7 grid, so that areas can be counted in cells."""
    lefts, tops = rng.integers(0, 11, count), rng.integers(0, 6, count)
    return np.stack([lefts, tops, rng.integers(lefts + 1, 13), rng.integers(tops + 1, 8)], axis=1)


@given(SEEDS)
def test_iou_is_that_of_counted_cells(seed: int) -> None:
    rng = np.random.default_rng(seed)
    first, second = on_grid(rng, 3), on_grid(rng, 4)
    x, y = np.meshgrid(np.arange(12), np.arange(7))
    cells = [
        [(x >= left) & (x < right) & (y >= top) & (y < bottom) for left, top, right, bottom in boxes]
        for boxes in (first, second)
    ]
    counted = [[(a & b).sum() / (a | b).sum() for b in cells[1]] for a in cells[0]]
    np.testing.assert_allclose(iou_matrix(first, second), counted, atol=1e-12)


def test_iou_of_boxes_without_area_is_zero() -> None:
    assert iou_matrix(np.array([[1, 1, 1, 1]]), np.array([[1, 1, 1, 1], [0, 0, 2, 2]])).tolist() == [[0, 0]]


@given(SEEDS)
def test_iou_does_not_change_when_x_and_y_are_swapped(seed: int) -> None:
    predicted, true = scene(seed)
    swapped = [Instances(one.centers[:, ::-1], one.sizes[:, ::-1]) for one in (predicted, true)]
    np.testing.assert_allclose(instance_iou(*swapped), instance_iou(predicted, true), rtol=1e-12)


@given(SEEDS)
def test_iou_of_instances_is_that_of_their_boxes(seed: int) -> None:
    predicted, true = scene(seed)
    slow = [[slow_iou(box(predicted, i), box(true, j)) for j in range(len(true))] for i in range(len(predicted))]
    np.testing.assert_allclose(instance_iou(predicted, true), np.reshape(slow, (len(predicted), len(true))), rtol=1e-9)


@pytest.mark.parametrize(("shift", "matched"), [(9.5, 1), (10.0, 0), (10.5, 0)])
@pytest.mark.parametrize("axis", [0, 1])
def test_half_a_pixel_decides_at_an_iou_of_one_half(shift: float, matched: int, axis: int) -> None:
    # 30 long, 20 across: 10 px along leave 20 / 40, exactly the threshold, which is not over it.
    size, center = np.array([30.0, 20.0]), np.array([40.5, 17.5])
    if axis == 1:
        size, center = size[::-1], center[::-1]
    moved = center + shift * np.eye(2)[axis]
    iou = instance_iou(Instances([moved], [size]), Instances([center], [size]))
    assert len(match_by_iou(iou)) == matched


@given(SEEDS, st.booleans())
def test_matching_by_iou_takes_the_best_pair_again_and_again(seed: int, by_class: bool) -> None:
    predicted, true = scene(seed)
    allowed = same_class(predicted, true) if by_class else None
    pairs = match_by_iou(instance_iou(predicted, true), allowed=allowed)
    assert [tuple(pair) for pair in pairs.tolist()] == slow_iou_pairs(predicted, true, by_class)


def test_one_prediction_over_two_instances_matches_the_nearer_alone() -> None:
    true = Instances([[10, 10], [13, 10]], [[20, 20], [20, 20]])
    predicted = Instances([[12, 10]], [[20, 20]])
    assert match_by_iou(instance_iou(predicted, true)).tolist() == [[0, 1]]


def test_two_predictions_on_one_instance_match_once() -> None:
    true = Instances([[10, 10]], [[20, 20]])
    predicted = Instances([[12, 10], [11, 10]], [[20, 20], [20, 20]])
    assert match_by_iou(instance_iou(predicted, true)).tolist() == [[1, 0]]


@given(SEEDS, st.booleans())
def test_matching_by_centre_takes_the_nearest_pair_again_and_again(seed: int, by_class: bool) -> None:
    predicted, true = scene(seed)
    allowed = same_class(predicted, true) if by_class else None
    pairs = match_by_center(predicted, true, allowed)
    assert [tuple(pair) for pair in pairs.tolist()] == slow_center_pairs(predicted, true, by_class)


@pytest.mark.parametrize(("center", "matched"), [((25, 7), 1), ((25.5, 7), 0), ((25, 7.5), 0), ((7, 25), 0)])
def test_a_centre_on_the_border_of_a_flat_box_is_within(center: tuple[float, float], matched: int) -> None:
    true = Instances([[10, 5]], [[30, 4]])
    assert len(match_by_center(Instances([center], [[1, 1]]), true)) == matched

import math
from itertools import combinations

import numpy as np
import pytest

from boxless.errors import BoxlessError
from boxless.metrics.segmentation import foreground_ari


def slow_ari(ours: list[int], truth: list[int]) -> float:
    """From its definition: pairs of pixels that both partitions, or either, hold together."""
    pairs = list(combinations(range(len(truth)), 2))
    together = sum(ours[i] == ours[j] and truth[i] == truth[j] for i, j in pairs)
    in_ours, in_truth = (sum(part[i] == part[j] for i, j in pairs) for part in (ours, truth))
    expected = in_ours * in_truth / len(pairs)
    return (together - expected) / ((in_ours + in_truth) / 2 - expected)


def test_it_is_the_mean_of_the_definition_over_foreground_pixels() -> None:
    rng = np.random.default_rng(1)
    true, ours = rng.integers(0, 4, (3, 4, 6)), rng.integers(0, 3, (3, 4, 6))
    slow = [slow_ari(ours[i][true[i] != 0].tolist(), true[i][true[i] != 0].tolist()) for i in range(3)]
    assert foreground_ari(ours, true) == pytest.approx(np.mean(slow))


def test_what_is_said_of_background_pixels_does_not_count() -> None:
    true = np.array([[[0, 0, 1, 1, 2, 2]]])
    assert foreground_ari(np.array([[[5, 6, 7, 7, 8, 8]]]), true) == 1


def test_the_number_of_the_background_can_be_told() -> None:
    true = np.array([[[9, 9, 0, 0, 2, 2]]])
    assert foreground_ari(np.array([[[5, 6, 7, 7, 8, 8]]]), true, background=9) == 1


def test_the_numbers_of_the_segments_do_not_count() -> None:
    true = np.array([[[1, 1, 2, 2, 3, 3]]])
    assert foreground_ari(np.array([[[3, 3, 1, 1, 7, 7]]]), true) == 1


def test_an_image_without_foreground_is_left_out() -> None:
    true = np.array([[[0, 0, 0, 0]], [[1, 1, 2, 2]]])
    assert foreground_ari(np.array([[[1, 2, 3, 4]], [[1, 1, 2, 2]]]), true) == 1
    assert math.isnan(foreground_ari(true[:1], true[:1]))


def test_shapes_must_be_those_of_a_batch() -> None:
    with pytest.raises(BoxlessError, match=r"\(B, H, W\)"):
        foreground_ari(np.zeros((4, 6), int), np.zeros((4, 6), int))

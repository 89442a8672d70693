import math

import numpy as np
import pytest

from boxless.errors import BoxlessError
from boxless.metrics.reconstruction import reconstruction_rmse


def test_it_is_the_root_of_the_mean_over_all_values() -> None:
    rng = np.random.default_rng(0)
    images, ours = rng.random((2, 3, 4, 5)), rng.random((2, 3, 4, 5))
    slow = sum((a - b) ** 2 for a, b in zip(images.ravel().tolist(), ours.ravel().tolist(), strict=True)) / images.size
    assert reconstruction_rmse(ours, images) == pytest.approx(math.sqrt(slow))


def test_a_constant_error_is_itself() -> None:
    assert reconstruction_rmse(np.full((2, 1, 4, 6), 1.25), np.ones((2, 1, 4, 6))) == pytest.approx(0.25)


def test_images_are_pooled_before_the_root() -> None:
    # One perfect image and one with error 1: sqrt(1/2), not the mean 1/2 of the two roots.
    assert reconstruction_rmse(np.array([[0.0], [0.0]]), np.array([[0.0], [1.0]])) == pytest.approx(math.sqrt(0.5))


def test_images_of_0_to_255_are_refused() -> None:
    with pytest.raises(BoxlessError, match="255"):
        reconstruction_rmse(np.zeros(3), np.array([0, 100, 255]))


def test_shapes_that_would_broadcast_are_refused() -> None:
    with pytest.raises(BoxlessError, match="do not fit"):
        reconstruction_rmse(np.zeros((2, 1, 3)), np.zeros((2, 3)))


def test_no_images_give_nan() -> None:
    assert math.isnan(reconstruction_rmse(np.zeros((0, 1, 3, 3)), np.zeros((0, 1, 3, 3))))

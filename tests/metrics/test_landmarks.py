import math

import numpy as np
import pytest

from boxless.errors import BoxlessError
from boxless.metrics.landmarks import inter_ocular_distance, landmark_error

# Two faces of three landmarks, the first two the eyes: 5 px and 10 px apart.
TRUE = np.array([[[0, 0], [3, 4], [10, 10]], [[0, 0], [10, 0], [20, 5]]], float)


def test_by_the_eyes_each_face_has_its_own_scale() -> None:
    predicted = TRUE.copy()
    predicted[0, 2] += (0, 1)
    predicted[1, 0] += (6, -8)
    expected = (1 / 5 + 10 / 10) / 6
    assert landmark_error(predicted, TRUE, inter_ocular_distance(TRUE)) == pytest.approx(expected)


def test_by_the_image_one_number_scales_all() -> None:
    assert landmark_error(TRUE + np.array([3, 4]), TRUE, scale=128) == pytest.approx(5 / 128)


def test_the_eyes_can_be_told() -> None:
    assert inter_ocular_distance(TRUE, left_eye=1, right_eye=2).tolist() == pytest.approx([math.hypot(7, 6), 125**0.5])


@pytest.mark.parametrize(
    ("predicted", "scale", "says"),
    [
        (TRUE[:, :2], 1, "K, 2"),
        (TRUE, np.ones(3), "each of 2 images"),
        (TRUE, np.array([1.0, 0.0]), "positive"),
        (TRUE, float("nan"), "positive"),
    ],
)
def test_what_does_not_fit_is_refused(predicted: np.ndarray, scale: float, says: str) -> None:
    with pytest.raises(BoxlessError, match=says):
        landmark_error(predicted, TRUE, scale)


def test_no_faces_give_nan() -> None:
    assert math.isnan(landmark_error(TRUE[:0], TRUE[:0], 1))

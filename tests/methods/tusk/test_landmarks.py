"""Landmarks regressed from keypoints that lie on bright spots."""

import io
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from boxless.data.landmarks import Marked, write_landmarks
from boxless.errors import BoxlessError
from boxless.methods.detector import Detector
from boxless.methods.tusk.landmarks import evaluate_landmarks
from boxless.methods.tusk.model import Tusk
from tests.methods.tusk.small import spotting_model

SIZE = (48, 40)  # width and height


def spots(number: int, seed: int) -> np.ndarray:
    """(N, 2, 2) whole pixels, the first spot in the left half and brighter than the second one in the right."""
    rng = np.random.default_rng(seed)
    columns = np.stack([rng.integers(8, 18, number), rng.integers(30, 40, number)], axis=1)
    return np.stack([columns, rng.integers(8, 32, (number, 2))], axis=-1).astype(float)


def folder(root: Path, places: np.ndarray, landmarks: np.ndarray, scale: float = 10.0) -> Path:
    """An image of two spots each, with these landmarks."""
    images = []
    for number, (spot, points) in enumerate(zip(places, landmarks, strict=True)):
        columns, rows = np.meshgrid(np.arange(SIZE[0]), np.arange(SIZE[1]))
        grey = sum(
            height * np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / 8)
            for height, (x, y) in zip((255, 150), spot, strict=True)
        )
        data = io.BytesIO()
        Image.fromarray(np.asarray(grey).clip(0, 255).astype(np.uint8)).save(data, format="PNG")
        images.append(Marked(f"{number}.png", data.getvalue(), points, scale))
    write_landmarks(root, images)
    return root


def model() -> Tusk:
    """Two keypoints, on the spots; which prototype each has depends on its brightness alone."""
    return spotting_model(instances=2, prototypes=2, kernel_size=7, varying=False)


class Other(Detector):
    method = "other"


def corners(places: np.ndarray) -> np.ndarray:
    """Landmarks that the keypoints tell: the middle of the spots, and a corner of the box around them."""
    return np.stack([places.mean(axis=1), places.min(axis=1)], axis=1)


def test_landmarks_that_are_linear_in_the_keypoints_are_found_and_the_mean_is_not_as_good(tmp_path: Path) -> None:
    known, test = spots(40, seed=0), spots(12, seed=1)
    middles = [places.mean(axis=1, keepdims=True) for places in (known, test)]
    parts = folder(tmp_path / "a", known, middles[0]), folder(tmp_path / "b", test, middles[1])
    found = evaluate_landmarks(model(), *parts)
    assert found.error < 0.05  # half a pixel
    expected = np.linalg.norm(middles[1] - middles[0].mean(axis=0), axis=-1).mean() / 10
    assert found.mean_error == pytest.approx(expected, rel=1e-5)
    assert found.error < 0.3 * found.mean_error
    assert (found.fitted_on, found.metrics()["landmark_images"]) == (40, 12)


def test_the_test_images_and_their_order_are_those_that_are_told(tmp_path: Path) -> None:
    known, test = spots(40, seed=0), spots(5, seed=1)
    parts = folder(tmp_path / "a", known, corners(known)), folder(tmp_path / "b", test, corners(test))
    found = evaluate_landmarks(model(), *parts)
    assert [path.name for path in found.tested.paths] == [f"{number}.png" for number in range(5)]
    assert found.predicted.shape == (5, 2, 2)
    assert np.abs(found.predicted[:, 0] - corners(test)[:, 0]).max() < 2
    for one, places in zip(found.found, test, strict=True):
        np.testing.assert_allclose(one.centers[one.centers[:, 0].argsort()], places, atol=0.6)


def test_the_untrained_network_is_another_and_always_the_same(tmp_path: Path) -> None:
    known, test = spots(20, seed=0), spots(6, seed=1)
    folders = folder(tmp_path / "a", known, corners(known)), folder(tmp_path / "b", test, corners(test))
    trained = model()
    state = torch.random.get_rng_state()
    first, again = (evaluate_landmarks(trained, *folders).untrained_error for _ in range(2))
    assert first == again
    assert torch.equal(torch.random.get_rng_state(), state)  # those who draw beside it draw the same


def test_folders_of_other_landmarks_and_models_of_other_methods_are_refused(tmp_path: Path) -> None:
    places = spots(4, seed=0)
    two = folder(tmp_path / "a", places, corners(places))
    one = folder(tmp_path / "b", places, corners(places)[:, :1])
    with pytest.raises(BoxlessError, match=r"2 landmarks an image and .* has 1"):
        evaluate_landmarks(model(), two, one)
    with pytest.raises(BoxlessError, match="not from those of other"):
        evaluate_landmarks(Other(), two, two)

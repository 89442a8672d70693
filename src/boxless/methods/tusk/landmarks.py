"""Landmarks regressed from the keypoints of a model that was trained without any (TUSK, section 4.3 and table 3)."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from boxless.data.landmarks import Landmarks, read_landmarks
from boxless.errors import BoxlessError
from boxless.instances import Instances
from boxless.methods.detector import Detector
from boxless.methods.tusk.model import Tusk
from boxless.methods.tusk.naming import with_prototypes
from boxless.methods.tusk.untrained import untrained
from boxless.metrics.landmarks import landmark_error
from boxless.ops.landmarks import keypoint_inputs, ridge_map

RIDGE = 0.01  # of coordinates in shares of the image's longer side: what few images tell counts for little less


@dataclass(frozen=True, eq=False)
class LandmarkEvaluation:
    """How far landmarks are off, over the scale of each image: 0.05 for 5 %.

    Attributes:
        error: of the regressor on the model's keypoints.
        mean_error: of the mean of the landmarks that it was fitted on, which is what one says who sees nothing.
        untrained_error: of a regressor on the keypoints of the same network before it learned.
        fitted_on: how many images the regressor had.
        tested: the images, with their landmarks.
        predicted: (N, T, 2) landmarks of the regressor, in pixels.
        found: the keypoints of each image; labels are prototypes.
        problems: a sentence for each image that was skipped.
    """

    error: float
    mean_error: float
    untrained_error: float
    fitted_on: int
    tested: Landmarks = field(repr=False)
    predicted: NDArray[np.float64] = field(repr=False)
    found: list[Instances] = field(repr=False)
    problems: list[str] = field(default_factory=list)

    def metrics(self) -> dict[str, float]:
        """The measures by name, as plain numbers."""
        return {
            "landmark_error": self.error,
            "mean_landmark_error": self.mean_error,
            "untrained_landmark_error": self.untrained_error,
            "landmark_images": len(self.tested),
            "landmark_images_fitted_on": self.fitted_on,
        }


def evaluate_landmarks(model: Detector, fitted_on: str | Path, tested_on: str | Path) -> LandmarkEvaluation:
    """Fit the regressor on the landmarks of one folder, and test it on those of another.

    Args:
        model: of TUSK.
        fitted_on, tested_on: folders with ``landmarks.csv``, see ``boxless.data.landmarks``.

    Raises:
        BoxlessError: the model is of another method, a folder is not usable, or they differ in the number of landmarks.
    """
    if not isinstance(model, Tusk):
        raise BoxlessError(f"Landmarks are regressed from the keypoints of tusk, not from those of {model.method}.")
    (known, problems), (test, more) = read_landmarks(fitted_on), read_landmarks(tested_on)
    if known.points.shape[1] != test.points.shape[1]:
        raise BoxlessError(
            f"{fitted_on} has {known.points.shape[1]} landmarks an image and {tested_on} has {test.points.shape[1]}; "
            "give folders of one set."
        )
    predicted, found = _regressed(model, known, test)
    by_chance, _ = _regressed(untrained(model, list(known.paths)), known, test)
    mean = np.broadcast_to(known.points.mean(axis=0), test.points.shape)
    error, untrained_error, mean_error = (
        landmark_error(points, test.points, test.scales) for points in (predicted, by_chance, mean)
    )
    return LandmarkEvaluation(
        error, mean_error, untrained_error, len(known), test, predicted, found, [*problems, *more]
    )


def _regressed(model: Tusk, known: Landmarks, test: Landmarks) -> tuple[NDArray[np.float64], list[Instances]]:
    """The landmarks of the test images (N, T, 2), by the regressor that the known ones give; the keypoints there."""
    (of_known, sides, _), (of_test, test_sides, found) = _inputs(model, known), _inputs(model, test)
    targets = torch.from_numpy(known.points).flatten(1) / sides
    regressed = of_test @ ridge_map(of_known, targets, RIDGE) * test_sides
    return regressed.view(test.points.shape).numpy(), found


def _inputs(model: Tusk, images: Landmarks) -> tuple[Tensor, Tensor, list[Instances]]:
    """What the regressor sees of N images, in shares of their longer sides; these (N, 1); and the keypoints."""
    k = model.config.instances
    found = with_prototypes(model, model.detect(list(images.paths), k=k))
    sides = torch.tensor([[float(max(one.image_size or (1, 1)))] for one in found], dtype=torch.float64)
    centers, kinds = torch.zeros(len(found), k, 2), torch.zeros(len(found), k, dtype=torch.int64)
    valid = torch.zeros(len(found), k, dtype=torch.bool)
    for row, one in enumerate(found):
        centers[row, : len(one)] = torch.from_numpy(one.centers)
        kinds[row, : len(one)] = torch.from_numpy(one.labels)
        valid[row, : len(one)] = True
    return keypoint_inputs(centers, kinds, valid, model.config.prototypes) / sides, sides, found

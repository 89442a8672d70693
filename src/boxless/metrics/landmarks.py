"""The error of landmarks, in shares of the distance between the eyes or of the image (TUSK table 3)."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from boxless.errors import BoxlessError
from boxless.metrics.pairing import share


def inter_ocular_distance(landmarks: ArrayLike, left_eye: int = 0, right_eye: int = 1) -> NDArray[np.float64]:
    """(B,) the distance between two landmarks of (B, K, 2) x and y; CelebA's first two are the eyes."""
    points = np.asarray(landmarks, np.float64)
    return np.asarray(np.linalg.norm(points[:, left_eye] - points[:, right_eye], axis=-1))


def landmark_error(predicted: ArrayLike, true: ArrayLike, scale: ArrayLike) -> float:
    """Mean over all landmarks of all images of the distance to the truth, over the scale of the image.

    Args:
        predicted: (B, K, 2) x and y in pixels.
        true: (B, K, 2), the same.
        scale: what counts as 1, in pixels: a number (the side of the image, as H36M is measured) or (B,) one for each
            image (``inter_ocular_distance`` of the truth, as CelebA is measured).

    Returns:
        The error, 0.05 for 5 %; nan for no landmarks.

    Raises:
        BoxlessError: the shapes do not fit, or a scale is not positive.
    """
    return mean_landmark_error_of(landmark_error_sums(predicted, true, scale))


def landmark_error_sums(predicted: ArrayLike, true: ArrayLike, scale: ArrayLike) -> NDArray[np.float64]:
    """(2,) the sum of scaled distances and the number of landmarks: they add up over batches."""
    ours, target, unit = (np.asarray(values, np.float64) for values in (predicted, true, scale))
    if ours.shape != target.shape or ours.ndim != 3 or ours.shape[-1] != 2:
        raise BoxlessError(f"landmarks {ours.shape} and their truth {target.shape} must both be (B, K, 2).")
    if unit.shape not in ((), (len(ours),)):
        raise BoxlessError(f"the scale must be one number or one for each of {len(ours)} images, not {unit.shape}.")
    if not (unit > 0).all():
        raise BoxlessError("the scale of a landmark error must be positive; leave out images whose eyes coincide.")
    distances = np.linalg.norm(ours - target, axis=-1) / unit.reshape(-1, 1)
    return np.array([distances.sum(), distances.size], np.float64)


def mean_landmark_error_of(sums: NDArray[np.float64]) -> float:
    """The mean error of summed ``landmark_error_sums``."""
    return share(*sums.tolist())

"""The root mean square error of reconstructed images (MIST table 1)."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from boxless.errors import BoxlessError
from boxless.metrics.pairing import share

# Resizing and warping leave [0, 1] by rounding; 0 to 255 does so by far more.
ROUNDING = 1e-3


def reconstruction_rmse(reconstructed: ArrayLike, images: ArrayLike) -> float:
    """The root of the mean, over all values of all images, of the squared error.

    Args:
        reconstructed: any shape, for example (B, C, H, W); values may leave [0, 1].
        images: the same shape, values in [0, 1].

    Returns:
        The error on the scale where black is 0 and white is 1; nan for no images.

    Raises:
        BoxlessError: the shapes differ, or the images leave [0, 1].
    """
    return rmse_of(squared_error_sums(reconstructed, images))


def squared_error_sums(reconstructed: ArrayLike, images: ArrayLike) -> NDArray[np.float64]:
    """(2,) the sum of squared errors and the number of values: they add up over batches."""
    ours, target = np.asarray(reconstructed), np.asarray(images)
    if ours.shape != target.shape:
        raise BoxlessError(f"reconstructions of shape {ours.shape} do not fit images of shape {target.shape}.")
    if target.size and not (target.min() >= -ROUNDING and target.max() <= 1 + ROUNDING):
        raise BoxlessError(f"images must lie in [0, 1], not in [{target.min():g}, {target.max():g}]; divide by 255?")
    return np.array([np.square(ours.astype(np.float64) - target).sum(), target.size], np.float64)


def rmse_of(sums: NDArray[np.float64]) -> float:
    """The error of summed ``squared_error_sums``."""
    return float(np.sqrt(share(*sums.tolist())))

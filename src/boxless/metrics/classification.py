"""The error rate of image classification (MCMIL sections 5.1 and 5.2)."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from boxless.errors import BoxlessError
from boxless.metrics.pairing import share


def classification_error(predicted: ArrayLike, true: ArrayLike) -> float:
    """The share of images whose predicted label is not the true one.

    Args:
        predicted: (N,) labels.
        true: (N,) labels.

    Returns:
        In [0, 1]; nan for no images.

    Raises:
        BoxlessError: the shapes differ or are not (N,).
    """
    return error_rate_of(error_counts(predicted, true))


def error_counts(predicted: ArrayLike, true: ArrayLike) -> NDArray[np.int64]:
    """(2,) the numbers of wrong labels and of all: they add up over batches."""
    ours, target = np.asarray(predicted), np.asarray(true)
    if ours.shape != target.shape or ours.ndim != 1:
        raise BoxlessError(f"labels {ours.shape} and their truth {target.shape} must both be (N,).")
    return np.array([(ours != target).sum(), target.size], np.int64)


def error_rate_of(counts: NDArray[np.int64]) -> float:
    """The error of summed ``error_counts``."""
    return share(*counts.tolist())

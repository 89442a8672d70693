"""The adjusted Rand index over foreground pixels (TUSK table 2)."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from boxless.errors import BoxlessError
from boxless.metrics.pairing import share


def foreground_ari(predicted: ArrayLike, true: ArrayLike, background: int = 0) -> float:
    """Mean over images of the adjusted Rand index, over the pixels that are not background in the truth.

    Args:
        predicted: (B, H, W) integers, the segment of each pixel; which number a segment has does not count.
        true: (B, H, W) integers, the object of each pixel.
        background: the number of the background in ``true``.

    Returns:
        1 for a perfect segmentation, about 0 for a random one; images without foreground are left out, and nan comes
        back where none is left.

    Raises:
        BoxlessError: the shapes differ or are not (B, H, W).
    """
    return mean_ari_of(ari_sums(predicted, true, background))


def ari_sums(predicted: ArrayLike, true: ArrayLike, background: int = 0) -> NDArray[np.float64]:
    """(2,) the sum of the indices and the number of images with foreground: they add up over batches."""
    from sklearn.metrics import adjusted_rand_score

    segments, objects = np.asarray(predicted), np.asarray(true)
    if segments.shape != objects.shape or segments.ndim != 3:
        raise BoxlessError(f"segments {segments.shape} and objects {objects.shape} must both be (B, H, W).")
    sums = np.zeros(2)
    for ours, truth in zip(segments, objects, strict=True):
        foreground = truth != background
        if foreground.any():
            sums += (adjusted_rand_score(truth[foreground], ours[foreground]), 1)
    return sums


def mean_ari_of(sums: NDArray[np.float64]) -> float:
    """The mean index of summed ``ari_sums``."""
    return share(*sums.tolist())

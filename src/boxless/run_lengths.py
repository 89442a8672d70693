"""Masks as run lengths, the form in which COCO writes those of pixels."""

from typing import Any

import numpy as np
from numpy.typing import NDArray


def encoded(mask: NDArray[np.bool_]) -> dict[str, Any]:
    """COCO's run-length encoding without compression.

    Args:
        mask: (H, W), H and W at least 1.

    Returns:
        ``size`` [H, W] and ``counts``: the lengths of the runs of False and True in turn, False first, column by
        column.
    """
    pixels = mask.ravel(order="F")
    changes = np.flatnonzero(pixels[1:] != pixels[:-1]) + 1
    lengths = np.diff(np.concatenate(([0], changes, [pixels.size]))).tolist()
    return {"size": list(mask.shape), "counts": [0, *lengths] if pixels[0] else lengths}

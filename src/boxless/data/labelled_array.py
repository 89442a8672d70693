"""Small images of one size with a class each, all in memory: CIFAR-10, and SVHN's digits."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class LabelledArray:
    """N images of one object each.

    Attributes:
        images: (N, H, W, 3) uint8, RGB.
        labels: (N,) class ids, contiguous from 0.
        class_names: the name of each class id.
        groups: (N,) the photograph that each is cut from, by number; None where that is not known.
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]
    class_names: tuple[str, ...]
    groups: NDArray[np.int64] | None = None

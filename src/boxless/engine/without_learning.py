"""What can be had of images without learning anything: what the measures of a model are worth shows beside it."""

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from boxless.instances import Instances
from boxless.metrics.reconstruction import squared_error_sums


def grey_error_sums(image: NDArray[np.float32]) -> NDArray[np.float64]:
    """``squared_error_sums`` of an image, (H, W) or (H, W, C), rebuilt as its mean colour: the best single one."""
    mean = image.mean(axis=(0, 1), keepdims=True, dtype=np.float64)
    return squared_error_sums(np.broadcast_to(mean, image.shape), image)


def one_in_the_middle(image: Tensor, class_names: tuple[str, ...]) -> Instances:
    """A single object of the first class, as large as the image (C, H, W) and in its middle."""
    height, width = image.shape[1:]
    return Instances([((width - 1) / 2, (height - 1) / 2)], [(width, height)], class_names=class_names)

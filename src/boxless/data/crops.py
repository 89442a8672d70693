"""A rectangle of an image as an image of its own, with the objects in it.

A crop of whole pixels moves the frame by whole pixels: x in the crop = x - left, with the centre of a pixel at whole
numbers in both. In the frame of centres a rectangle covers [left - 0.5, left + width - 0.5].
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import interpolate

from boxless.data.resize import centers_to_fitted, sizes_to_fitted
from boxless.instances import Instances

LEAST_VISIBLE = 0.5
"""An object of which a crop shows less than this share of the area is not in the crop."""


@dataclass(frozen=True)
class Rectangle:
    """Whole pixels of an image: columns left to left + width - 1, rows top to top + height - 1."""

    left: int
    top: int
    width: int
    height: int


def cut(image: Tensor, rectangle: Rectangle) -> Tensor:
    """The pixels of a rectangle; where it reaches over the border, the border's pixels go on.

    Args:
        image: (C, H, W).
        rectangle: of any place, of at least one pixel.

    Returns:
        (C, height, width), a copy.
    """
    _check(rectangle)
    rows = torch.arange(rectangle.top, rectangle.top + rectangle.height).clamp(0, image.shape[1] - 1)
    columns = torch.arange(rectangle.left, rectangle.left + rectangle.width).clamp(0, image.shape[2] - 1)
    return image[:, rows.to(image.device)][:, :, columns.to(image.device)]


def cut_instances(instances: Instances, rectangle: Rectangle) -> Instances:
    """The objects that a crop shows, in its frame.

    An object stays if at least ``LEAST_VISIBLE`` of its box's area is in the rectangle; its box is then cut at the
    rectangle's border. Others are left out, with their labels. The order is kept; descriptors and masks are not.
    """
    _check(rectangle)
    low, high = _corners(instances, rectangle)
    keep = visible_shares(instances, rectangle) >= LEAST_VISIBLE
    return Instances(
        ((low + high) / 2)[keep],
        np.maximum(high - low, 0)[keep],
        instances.scores[keep],
        instances.labels[keep],
        class_names=instances.class_names,
        image_size=(rectangle.height, rectangle.width),
    )


def centred_in(instances: Instances, rectangle: Rectangle) -> NDArray[np.bool_]:
    """(N,) whether the centre of each object lies in a rectangle."""
    _check(rectangle)
    offsets = instances.centers.astype(np.float64) - [rectangle.left, rectangle.top]
    within = (offsets >= -0.5) & (offsets < np.array([rectangle.width, rectangle.height]) - 0.5)
    inside: NDArray[np.bool_] = np.logical_and.reduce(within, axis=1)
    return inside


def moved_into(instances: Instances, rectangle: Rectangle) -> Instances:
    """The objects in the frame of a crop, whole, be they in it or not; descriptors and masks are not kept."""
    return Instances(
        instances.centers - np.array([rectangle.left, rectangle.top], np.float32),
        instances.sizes,
        instances.scores,
        instances.labels,
        class_names=instances.class_names,
        image_size=(rectangle.height, rectangle.width),
    )


def middle_square(height: int, width: int, side: int) -> Rectangle:
    """The square in the middle of an image, to the pixel above and left of it where it cannot be exact."""
    return Rectangle((width - side) // 2, (height - side) // 2, side, side)


def visible_shares(instances: Instances, rectangle: Rectangle) -> NDArray[np.float64]:
    """(N,) share in [0, 1] of each box's area in the rectangle; of a box without area, of its length or point."""
    low, high = _corners(instances, rectangle)
    sizes = instances.sizes.astype(np.float64)
    lengths = (high - low).clip(0) / np.where(sizes > 0, sizes, 1)
    shares: NDArray[np.float64] = np.where(sizes > 0, lengths, high >= low).prod(axis=1)
    return shares


def resized(image: Tensor, instances: Instances, size: tuple[int, int]) -> tuple[Tensor, Instances]:
    """An image and its objects brought to a size, by antialiased bilinear sampling, each side by its own scale.

    Args:
        image: (C, H, W) float.
        instances: in its frame; descriptors and masks are not kept.
        size: (height, width) in pixels.
    """
    scale = (size[1] / image.shape[2], size[0] / image.shape[1])
    fitted = interpolate(image.unsqueeze(0), size=size, mode="bilinear", align_corners=False, antialias=True)
    moved = Instances(
        centers_to_fitted(torch.from_numpy(instances.centers), scale).numpy(),
        sizes_to_fitted(torch.from_numpy(instances.sizes), scale).numpy(),
        instances.scores,
        instances.labels,
        class_names=instances.class_names,
        image_size=size,
    )
    return fitted.squeeze(0), moved


def with_shorter_edge(height: int, width: int, edge: int) -> tuple[int, int]:
    """(height, width) of the same shape, to the nearest pixel, whose shorter side is ``edge``."""
    shorter = min(height, width)
    return max(edge, round(height * edge / shorter)), max(edge, round(width * edge / shorter))


def _check(rectangle: Rectangle) -> None:
    if rectangle.width < 1 or rectangle.height < 1:
        raise ValueError(f"a crop has at least one pixel, not {rectangle.width}×{rectangle.height}")


def _corners(instances: Instances, rectangle: Rectangle) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(N, 2) left top and right bottom of each box within the rectangle, in its frame; crossed where outside."""
    boxes = instances.boxes.astype(np.float64) - np.tile([rectangle.left, rectangle.top], 2)
    end = np.array([rectangle.width, rectangle.height]) - 0.5
    return boxes[:, :2].clip(min=-0.5), boxes[:, 2:].clip(max=end)

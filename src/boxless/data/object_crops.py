"""MIST's choice of natural images (section 5.2): objects neither too large nor too long, and crops that they fill.

"We filter the combined dataset by removing images that contain objects that are too large (covering more than 30% of
the image) and images with objects that are too wide or narrow (aspect ratio bigger than 2.0 or smaller than 0.5). The
remaining images are random cropped to ensure that all objects within the image cover 30% of the image in average."

The paper does not say how an image is cropped. Here a crop has the shape of its image (to the pixel) and cuts no
object: it holds each wholly or not at all, so that its labels are exact. Of ``CANDIDATES`` random ones, and the whole
image, that is taken in which the objects together (overlaps counted once) cover most nearly 30 %.
"""

import numpy as np
import torch
from numpy.typing import NDArray

from boxless.data.crops import Rectangle
from boxless.data.hashing import uniforms
from boxless.instances import Instances

LARGEST_SHARE = 0.3
LARGEST_ASPECT = 2.0
COVERAGE = 0.3
CANDIDATES = 256

_STREAM = 0x0B1EC7
_ROUNDING = 1e-3  # pixels; coordinates are float32


def is_suitable(truth: Instances) -> bool:
    """Whether an image stays: it has objects, none over 30 % of it, none longer than twice its width or height.

    Raises:
        ValueError: ``truth`` has no ``image_size``.
    """
    height, width = _image_size(truth)
    sizes = truth.sizes.astype(np.float64)
    too_large = sizes.prod(axis=1) > LARGEST_SHARE * height * width
    too_long = sizes.max(axis=1, initial=0) > LARGEST_ASPECT * sizes.min(axis=1, initial=np.inf)
    return len(truth) > 0 and not bool((too_large | too_long).any())


def random_crop(truth: Instances, seed: int, index: int) -> Rectangle:
    """The rectangle to crop an image to, a pure function of its objects, the seed and the index.

    Each candidate holds one of the objects, drawn at random, at a random place; its scale is drawn between that which
    the object fills and the whole image, the logarithm uniformly.

    Args:
        truth: at least one object, with ``image_size``; what reaches over the border of the image is cut off.
        seed: another seed, other crops.
        index: of the image; other images, other random numbers.

    Raises:
        ValueError: there is no object, or no ``image_size``.
    """
    height, width = _image_size(truth)
    boxes = _pixels(truth, height, width)
    if not len(boxes):
        raise ValueError("a crop is chosen by its objects, and there is none")
    candidates = _candidates(boxes, height, width, seed, index)
    misses = np.abs(covered_shares(boxes, candidates) - COVERAGE)
    best = int(np.where(_cuts(boxes, candidates), np.inf, misses).argmin())  # the whole image cuts nothing
    left, top, right, bottom = candidates[best].tolist()
    return Rectangle(left, top, right - left, bottom - top)


def covered_shares(boxes: NDArray[np.float64], rectangles: NDArray[np.int64]) -> NDArray[np.float64]:
    """The share of each rectangle that lies in any of the boxes, exactly.

    Args:
        boxes: (N, 4) left, top, right, bottom.
        rectangles: (R, 4) the same, in the same frame, not empty.

    Returns:
        (R,) in [0, 1].
    """
    xs, ys = np.unique(boxes[:, 0::2]), np.unique(boxes[:, 1::2])
    inside_x = (boxes[:, None, 0] <= xs[:-1]) & (xs[1:] <= boxes[:, None, 2])
    inside_y = (boxes[:, None, 1] <= ys[:-1]) & (ys[1:] <= boxes[:, None, 3])
    filled = np.einsum("ny,nx->yx", inside_y.astype(np.int64), inside_x.astype(np.int64)) > 0
    columns = _overlaps(xs, rectangles[:, 0], rectangles[:, 2])
    rows = _overlaps(ys, rectangles[:, 1], rectangles[:, 3])
    areas = (rectangles[:, 2] - rectangles[:, 0]) * (rectangles[:, 3] - rectangles[:, 1])
    shares: NDArray[np.float64] = ((rows @ filled) * columns).sum(axis=1) / areas
    return shares


def _overlaps(edges: NDArray[np.float64], start: NDArray[np.int64], end: NDArray[np.int64]) -> NDArray[np.float64]:
    """(R, E - 1) length of the part of each interval between edges that lies between start and end."""
    low = np.maximum(edges[:-1], start[:, None])
    high = np.minimum(edges[1:], end[:, None])
    lengths: NDArray[np.float64] = (high - low).clip(0)
    return lengths


def _candidates(boxes: NDArray[np.float64], height: int, width: int, seed: int, index: int) -> NDArray[np.int64]:
    """(CANDIDATES + 1, 4) left, top, right, bottom in whole pixels within the image; the last is all of it."""
    numbers = uniforms((seed, _STREAM), torch.tensor([index]), 4 * CANDIDATES).numpy().reshape(CANDIDATES, 4)
    chosen = boxes[(numbers[:, 0] * len(boxes)).astype(np.int64)]
    start = np.floor(chosen[:, :2] + _ROUNDING).astype(np.int64)
    end = np.maximum(np.ceil(chosen[:, 2:] - _ROUNDING).astype(np.int64), start + 1)
    whole = np.array([width, height])
    least = ((end - start) / whole).max(axis=1)
    scales = least ** (1 - numbers[:, 1])
    sizes = np.maximum(np.round(scales[:, None] * whole).astype(np.int64), end - start)
    first = np.maximum(end - sizes, 0)
    last = np.minimum(start, whole - sizes)
    corners = first + np.floor(numbers[:, 2:] * (last - first + 1)).astype(np.int64)
    return np.concatenate([np.hstack([corners, corners + sizes]), [[0, 0, width, height]]])


def _cuts(boxes: NDArray[np.float64], rectangles: NDArray[np.int64]) -> NDArray[np.bool_]:
    """(R,) whether a rectangle holds a part of a box, but not all of it."""
    low, high = rectangles[:, None, :2], rectangles[:, None, 2:]
    starts, ends = boxes[:, :2], boxes[:, 2:]
    touches = ((ends > low + _ROUNDING) & (starts < high - _ROUNDING)).all(axis=2)
    holds = ((starts >= low - _ROUNDING) & (ends <= high + _ROUNDING)).all(axis=2)
    cuts: NDArray[np.bool_] = np.any(touches & ~holds, axis=1)
    return cuts


def _pixels(truth: Instances, height: int, width: int) -> NDArray[np.float64]:
    """(N, 4) boxes within the image, with the corner of the first pixel at (0, 0); those outside are left out."""
    boxes = (truth.boxes.astype(np.float64) + 0.5).clip(0, [width, height, width, height])
    kept: NDArray[np.float64] = boxes[(boxes[:, 2:] - boxes[:, :2] > _ROUNDING).all(axis=1)]
    return kept


def _image_size(truth: Instances) -> tuple[int, int]:
    if truth.image_size is None:
        raise ValueError("the size of the image must be known (image_size)")
    return truth.image_size

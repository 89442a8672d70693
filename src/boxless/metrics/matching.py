"""Matching predictions to the truth of one image, one to one.

Both ways are greedy: the best pair first, then the best of what is left. Among equal pairs the one with the lower
index of the prediction, then of the truth, comes first.
"""

import numpy as np
from numpy.typing import NDArray

from boxless.instances import Instances

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]
Pairs = NDArray[np.int64]


def iou_matrix(boxes_a: NDArray[np.floating], boxes_b: NDArray[np.floating]) -> Floats:
    """Intersection over union of every box of one set with every box of another.

    Areas are of continuous rectangles: a box from 0 to 20 is 20 wide (not 21 as where pixels are counted).

    Args:
        boxes_a: (N, 4) left, top, right, bottom.
        boxes_b: (M, 4), the same.

    Returns:
        (N, M) in [0, 1]; 0 where both boxes are without area.
    """
    first = np.asarray(boxes_a, np.float64).reshape(-1, 1, 4)
    second = np.asarray(boxes_b, np.float64).reshape(1, -1, 4)
    overlap = np.minimum(first[..., 2:], second[..., 2:]) - np.maximum(first[..., :2], second[..., :2])
    intersection = overlap.clip(min=0).prod(axis=-1)
    union = _areas(first) + _areas(second) - intersection
    iou: Floats = np.divide(intersection, union, out=np.zeros_like(intersection), where=union > 0)
    return iou


def instance_iou(predicted: Instances, true: Instances) -> Floats:
    """(N, M) IoU of the boxes of N predictions and M true instances."""
    return iou_matrix(_exact_boxes(predicted), _exact_boxes(true))


def same_class(predicted: Instances, true: Instances) -> Mask:
    """(N, M): prediction n and truth m have the same label."""
    equal: Mask = predicted.labels[:, None] == true.labels[None, :]
    return equal


def match_by_iou(iou: Floats, threshold: float = 0.5, allowed: Mask | None = None) -> Pairs:
    """Pairs of IoU strictly over the threshold, the highest IoU first (PROTOCOL 2).

    Args:
        iou: (N, M) of predictions and truth.
        threshold: what a pair's IoU must exceed.
        allowed: (N, M), the pairs that may be made; None allows all.

    Returns:
        (P, 2): index of the prediction, index of the truth; no index stands twice in its column.
    """
    candidates = iou > threshold
    return _greedy(-iou, candidates if allowed is None else candidates & allowed)


def match_by_center(predicted: Instances, true: Instances, allowed: Mask | None = None) -> Pairs:
    """Pairs whose predicted centre lies within the true box (its border included), the nearest centres first.

    Args:
        predicted: N predictions; only their centres count.
        true: M true instances, with centres and sizes.
        allowed: (N, M), the pairs that may be made; None allows all.

    Returns:
        (P, 2): index of the prediction, index of the truth; no index stands twice in its column.
    """
    offsets = predicted.centers[:, None].astype(np.float64) - true.centers[None].astype(np.float64)
    inside: Mask = np.all(np.abs(offsets) <= true.sizes[None] / 2, axis=-1)
    return _greedy(np.square(offsets).sum(axis=-1), inside if allowed is None else inside & allowed)


def matches(predicted: Instances, true: Instances, threshold: float | None) -> Pairs:
    """:func:`match_by_iou` over a threshold, :func:`match_by_center` without one; whatever the labels."""
    if threshold is None:
        return match_by_center(predicted, true)
    return match_by_iou(instance_iou(predicted, true), threshold)


def _greedy(cost: Floats, candidates: Mask) -> Pairs:
    """Pairs among the candidates, the least cost first, each row and each column at most once."""
    rows, columns = np.nonzero(candidates)
    order = np.argsort(cost[rows, columns], kind="stable")
    taken_rows: set[int] = set()
    taken_columns: set[int] = set()
    pairs: list[tuple[int, int]] = []
    for row, column in zip(rows[order].tolist(), columns[order].tolist(), strict=True):
        if row not in taken_rows and column not in taken_columns:
            taken_rows.add(row)
            taken_columns.add(column)
            pairs.append((row, column))
    return np.array(pairs, np.int64).reshape(-1, 2)


def _exact_boxes(instances: Instances) -> Floats:
    # In float64, for in float32 the rounding of the corners would decide pairs whose IoU is the threshold itself.
    centers, sizes = instances.centers.astype(np.float64), instances.sizes.astype(np.float64)
    return np.concatenate([centers - sizes / 2, centers + sizes / 2], axis=1)


def _areas(boxes: Floats) -> Floats:
    areas: Floats = (boxes[..., 2:] - boxes[..., :2]).prod(axis=-1)
    return areas

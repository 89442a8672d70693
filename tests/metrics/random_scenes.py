"""Small crowded scenes on a non-square canvas, and plain loops that match predictions to truth."""

import numpy as np

from boxless.instances import Instances

CLASSES = 3
WIDTH, HEIGHT = 40, 24

Box = tuple[float, float, float, float]


def scene(seed: int) -> tuple[Instances, Instances]:
    """(predicted, true): 0 to 5 instances, up to as many predictions near them and up to 3 anywhere; scores tie."""
    rng = np.random.default_rng(seed)
    count = int(rng.integers(0, 6))
    centers = rng.uniform((0, 0), (WIDTH, HEIGHT), (count, 2))
    sizes = rng.uniform((9, 5), (14, 8), (count, 2))
    labels = rng.integers(0, CLASSES, count)
    near = np.nonzero(rng.random(count) < 0.8)[0]
    anywhere = int(rng.integers(0, 4))
    found_centers = np.concatenate(
        [centers[near] + rng.uniform(-2.5, 2.5, (len(near), 2)), rng.uniform((0, 0), (WIDTH, HEIGHT), (anywhere, 2))]
    )
    guessed = np.where(rng.random(len(near)) < 0.7, labels[near], rng.integers(0, CLASSES, len(near)))
    predicted = Instances(
        found_centers,
        rng.uniform((9, 5), (14, 8), (len(found_centers), 2)),
        scores=rng.integers(0, 11, len(found_centers)) / 10,
        labels=np.concatenate([guessed, rng.integers(0, CLASSES, anywhere)]),
    )
    return predicted, Instances(centers, sizes, labels=labels)


def scenes(seed: int, images: int) -> tuple[list[Instances], list[Instances]]:
    """(predicted, true) of several images."""
    pairs = [scene(seed * 1000 + number) for number in range(images)]
    return [predicted for predicted, _ in pairs], [true for _, true in pairs]


def box(instances: Instances, index: int) -> Box:
    (x, y), (width, height) = instances.centers[index].tolist(), instances.sizes[index].tolist()
    return x - width / 2, y - height / 2, x + width / 2, y + height / 2


def slow_iou(a: Box, b: Box) -> float:
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    overlap = width * height if width > 0 and height > 0 else 0.0
    union = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - overlap
    return overlap / union


def slow_greedy(values: dict[tuple[int, int], float]) -> list[tuple[int, int]]:
    """Take the pair of the highest value, strike out both partners, and again."""
    left, pairs = dict(values), []
    while left:
        best = max(left, key=lambda pair: left[pair])
        pairs.append(best)
        left = {pair: value for pair, value in left.items() if pair[0] != best[0] and pair[1] != best[1]}
    return pairs


def slow_iou_pairs(predicted: Instances, true: Instances, same_class: bool = False) -> list[tuple[int, int]]:
    """(prediction, truth) by falling IoU over 0.5."""
    values = {}
    for i in range(len(predicted)):
        for j in range(len(true)):
            value = slow_iou(box(predicted, i), box(true, j))
            if value > 0.5 and not (same_class and predicted.labels[i] != true.labels[j]):
                values[i, j] = value
    return slow_greedy(values)


def slow_center_pairs(predicted: Instances, true: Instances, same_class: bool = False) -> list[tuple[int, int]]:
    """(prediction, truth) by growing distance of a predicted centre within the true box."""
    values = {}
    for i in range(len(predicted)):
        for j in range(len(true)):
            left, top, right, bottom = box(true, j)
            x, y = predicted.centers[i].tolist()
            true_x, true_y = true.centers[j].tolist()
            inside = left <= x <= right and top <= y <= bottom
            if inside and not (same_class and predicted.labels[i] != true.labels[j]):
                values[i, j] = -(((x - true_x) ** 2 + (y - true_y) ** 2) ** 0.5)
    return slow_greedy(values)

"""Predictions and truth go in pairs, image by image; and what a share of nothing is."""

from collections.abc import Iterator, Sequence

from boxless.errors import BoxlessError
from boxless.instances import Instances


def image_pairs(predicted: Sequence[Instances], true: Sequence[Instances]) -> Iterator[tuple[Instances, Instances]]:
    """(predicted, true) of each image.

    Raises:
        BoxlessError: the lists differ in length, or the two sides of an image name their classes differently (where
            both have names), so that equal ids would not mean equal classes.
    """
    if len(predicted) != len(true):
        raise BoxlessError(f"there are predictions for {len(predicted)} images but truth for {len(true)}.")
    for number, (found, truth) in enumerate(zip(predicted, true, strict=True)):
        if None not in (found.class_names, truth.class_names) and found.class_names != truth.class_names:
            raise BoxlessError(
                f"image {number}: predictions name the classes {found.class_names} but the truth {truth.class_names};"
                " give both the same order."
            )
        yield found, truth


def class_count(predicted: Sequence[Instances], true: Sequence[Instances]) -> int:
    """The number of classes: that of the names where there are any, else one more than the highest label."""
    everything = (*predicted, *true)
    named = max((len(one.class_names) for one in everything if one.class_names is not None), default=0)
    return max(named, max((int(one.labels.max(initial=-1)) + 1 for one in everything), default=0))


def share(part: float, whole: float) -> float:
    """part / whole; a share (or mean) of nothing is not defined and is nan, never an invented 0 or 1."""
    return float(part) / float(whole) if whole else float("nan")

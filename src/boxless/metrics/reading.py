"""How well images are read as a whole: the class of an image of one class, and the set of the classes of any."""

from collections.abc import Sequence
from dataclasses import dataclass

from boxless.errors import BoxlessError
from boxless.metrics.pairing import share


@dataclass
class ReadingScores:
    """Shares in [0, 1].

    Attributes:
        exact_sets: images whose set of classes is right.
        image_error: images whose class is wrong, where each image holds things of exactly one class; else None.
    """

    exact_sets: float
    image_error: float | None


def reading_scores(
    classes: Sequence[int], class_sets: Sequence[Sequence[int]], true: Sequence[Sequence[int]]
) -> ReadingScores:
    """Compare what each image was read as with the labels of what it holds, in any order, with repeats.

    Args:
        classes: the class of each image, were it of one.
        class_sets: the classes of each image.
        true: the labels of each image.

    Raises:
        BoxlessError: the lists differ in length.
    """
    if not len(classes) == len(class_sets) == len(true):
        raise BoxlessError(f"there are {len(classes)} classes and {len(class_sets)} sets for {len(true)} images.")
    sets = [set(labels) for labels in true]
    right = sum(set(own) == truth for own, truth in zip(class_sets, sets, strict=True))
    wrong = sum({own} != truth for own, truth in zip(classes, sets, strict=True))
    single = all(len(truth) == 1 for truth in sets)
    return ReadingScores(share(right, len(sets)), share(wrong, len(sets)) if single else None)

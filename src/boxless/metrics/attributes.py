"""How often each attribute of an object is told rightly: its shape, its colour, its size (TUSK, table 2)."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from boxless.errors import BoxlessError
from boxless.metrics.pairing import share


def attribute_accuracies(confusion: NDArray[np.int64], attributes: Mapping[str, Sequence[str]]) -> dict[str, float]:
    """The share of the true objects that are found, and with the right value of each attribute.

    Args:
        confusion: (C + 1, C + 1) of ``confusion_matrix``, where a class is a combination of values.
        attributes: the values of each attribute; the last attribute's change first from class to class.

    Returns:
        By attribute, in [0, 1]; nan where there is no object. A missed object counts as wrong.

    Raises:
        BoxlessError: the classes are not as many as the combinations.
    """
    sizes = [len(values) for values in attributes.values()]
    classes = int(np.prod(sizes))
    if confusion.shape != (classes + 1, classes + 1):
        raise BoxlessError(f"{classes} combinations of attributes need one more row and column, not {confusion.shape}.")
    values = np.unravel_index(np.arange(classes), sizes)
    pairs, total = confusion[:classes, :classes], int(confusion[:classes].sum())
    return {
        name: share(int(pairs[own[:, None] == own[None, :]].sum()), total)
        for name, own in zip(attributes, values, strict=True)
    }

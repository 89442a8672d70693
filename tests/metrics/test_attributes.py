import numpy as np
import pytest

from boxless.errors import BoxlessError
from boxless.metrics.attributes import attribute_accuracies

ATTRIBUTES = {"shape": ("disk", "square"), "color": ("red", "green", "blue")}


def test_each_attribute_counts_the_pairs_that_agree_in_it() -> None:
    """Pair by pair, with the missed and the invented."""
    matrix = np.random.default_rng(0).integers(0, 5, (7, 7))
    matrix[6, 6] = 0
    right = {"shape": 0, "color": 0}
    for true, predicted in np.ndindex(6, 6):
        right["shape"] += matrix[true, predicted] * (true // 3 == predicted // 3)
        right["color"] += matrix[true, predicted] * (true % 3 == predicted % 3)
    ours = attribute_accuracies(matrix, ATTRIBUTES)
    assert ours == {name: pytest.approx(count / matrix[:6].sum()) for name, count in right.items()}


def test_of_no_object_nothing_is_said() -> None:
    assert np.isnan(attribute_accuracies(np.zeros((7, 7), np.int64), ATTRIBUTES)["shape"])


def test_another_number_of_classes_is_refused() -> None:
    with pytest.raises(BoxlessError, match="6 combinations"):
        attribute_accuracies(np.zeros((7, 6), np.int64), ATTRIBUTES)

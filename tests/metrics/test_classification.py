import math

import numpy as np
import pytest

from boxless.errors import BoxlessError
from boxless.metrics.classification import classification_error


def test_it_is_the_share_of_wrong_labels() -> None:
    assert classification_error([1, 2, 3, 4], [1, 2, 0, 4]) == 0.25


def test_no_labels_give_nan() -> None:
    assert math.isnan(classification_error([], []))


def test_shapes_that_would_broadcast_are_refused() -> None:
    with pytest.raises(BoxlessError, match=r"\(N,\)"):
        classification_error(np.zeros((3, 1)), np.zeros(3))

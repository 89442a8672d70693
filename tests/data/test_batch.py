from collections import Counter

import pytest
import torch

from boxless.data.batch import Batch


def batch(labels: list[list[int]]) -> Batch:
    return Batch(images=torch.zeros(len(labels), 1, 4, 6), labels=torch.tensor(labels))


def test_counts_are_those_of_each_image() -> None:
    labels = torch.randint(-1, 5, (20, 7), generator=torch.Generator().manual_seed(0)).tolist()
    expected = [[Counter(row)[name] for name in range(5)] for row in labels]
    assert batch(labels).counts(5).tolist() == expected


def test_padding_is_no_class() -> None:
    assert batch([[-1, -1, 0], [-1, -1, -1]]).counts(2).tolist() == [[1, 0], [0, 0]]


def test_classes_that_no_image_holds_count_zero() -> None:
    assert batch([[1, 1]]).counts(4).tolist() == [[0, 2, 0, 0]]


def test_places_are_unknown_unless_given() -> None:
    weak = batch([[0]])
    assert weak.centers is None
    assert weak.sizes is None


def test_label_beyond_the_classes_is_refused() -> None:
    with pytest.raises(RuntimeError, match="index 3 is out of bounds"):
        batch([[3]]).counts(3)

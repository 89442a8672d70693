import math

import pytest

from boxless.errors import BoxlessError
from boxless.instances import Instances
from boxless.metrics.pairing import class_count, image_pairs, share


def test_lists_of_different_length_are_refused() -> None:
    with pytest.raises(BoxlessError, match="2 images but truth for 1"):
        list(image_pairs([Instances([], [])] * 2, [Instances([], [])]))


def test_two_orders_of_class_names_are_refused() -> None:
    with pytest.raises(BoxlessError, match="image 0"):
        list(image_pairs([Instances([], [], class_names=("a", "b"))], [Instances([], [], class_names=("b", "a"))]))


def test_names_on_one_side_alone_will_do() -> None:
    assert len(list(image_pairs([Instances([], [], class_names=("a",))], [Instances([], [])]))) == 1


def test_a_share_of_nothing_is_nan() -> None:
    assert share(1, 4) == 0.25
    assert math.isnan(share(0, 0))


def test_classes_are_counted_by_names_then_by_labels() -> None:
    labelled = Instances([[0, 0]], [[1, 1]], labels=[2])
    assert class_count([labelled], [Instances([], [])]) == 3
    assert class_count([labelled], [Instances([], [], class_names=tuple("abcde"))]) == 5
    assert class_count([], []) == 0

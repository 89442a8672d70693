import pytest

from boxless.errors import BoxlessError
from boxless.metrics.reading import reading_scores


def test_sets_ignore_order_and_repeats_and_classes_are_judged_where_each_image_has_one() -> None:
    scores = reading_scores([3, 1, 2], [(3,), (1, 2), ()], [(3, 3), (1,), (2,)])
    assert scores.exact_sets == pytest.approx(1 / 3)
    assert scores.image_error == 0.0
    assert reading_scores([3, 0], [(3,), (0,)], [(3,), (1,)]).image_error == pytest.approx(1 / 2)


def test_images_of_several_classes_have_no_error_of_one() -> None:
    scores = reading_scores([3, 1], [(2, 3), (1,)], [(3, 2, 2), (1,)])
    assert scores.exact_sets == 1.0
    assert scores.image_error is None


def test_lists_of_other_lengths_are_refused() -> None:
    with pytest.raises(BoxlessError, match="1 classes and 2 sets for 1 images"):
        reading_scores([1], [(1,), (2,)], [(1,)])

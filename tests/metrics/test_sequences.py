import math
from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from boxless.errors import BoxlessError
from boxless.metrics.sequences import edit_distance, sequence_errors

WORDS = st.text("012", max_size=5)


def slow_distance(first: str, second: str) -> int:
    """Levenshtein by its recursion."""

    @cache
    def distance(i: int, j: int) -> int:
        if i == 0 or j == 0:
            return i + j
        replaced = distance(i - 1, j - 1) + (first[i - 1] != second[j - 1])
        return min(distance(i - 1, j) + 1, distance(i, j - 1) + 1, replaced)

    return distance(len(first), len(second))


@given(WORDS, WORDS)
def test_edit_distance_is_that_of_the_recursion(first: str, second: str) -> None:
    assert edit_distance(first, second) == slow_distance(first, second)


@given(st.lists(st.tuples(WORDS, WORDS), min_size=1, max_size=5))
def test_errors_are_shares_of_sequences_and_of_characters(pairs: list[tuple[str, str]]) -> None:
    predicted, true = [ours for ours, _ in pairs], [truth for _, truth in pairs]
    errors = sequence_errors(predicted, true)
    assert errors.sequence == sum(ours != truth for ours, truth in pairs) / len(pairs)
    characters = sum(map(len, true))
    if characters:
        assert errors.character == pytest.approx(sum(slow_distance(*pair) for pair in pairs) / characters)


def test_sequences_of_labels_are_compared_as_labels() -> None:
    # As text "1" + "12" and "11" + "2" would be the same.
    assert sequence_errors([[1, 12]], [[11, 2]]).character == 1


def test_an_empty_transcription_of_an_empty_truth_is_right() -> None:
    errors = sequence_errors([""], [""])
    assert errors.sequence == 0
    assert math.isnan(errors.character)


def test_no_sequences_give_nan() -> None:
    assert math.isnan(sequence_errors([], []).sequence)


def test_lists_of_different_length_are_refused() -> None:
    with pytest.raises(BoxlessError, match="2 transcriptions"):
        sequence_errors(["1", "2"], ["1"])

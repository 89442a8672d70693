"""Errors of transcriptions: whole sequences, and characters by edit distance (MCMIL section 5.3)."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from boxless.errors import BoxlessError
from boxless.metrics.pairing import share

Transcription = str | Sequence[Hashable]


@dataclass
class SequenceErrors:
    """Shares; nan where they are of nothing.

    Attributes:
        sequence: share of sequences that differ from the truth in anything, in [0, 1].
        character: edits (insertions, deletions, replacements) over true characters; may exceed 1.
        sequences: the number of sequences.
    """

    sequence: float
    character: float
    sequences: int


def sequence_errors(predicted: Sequence[Transcription], true: Sequence[Transcription]) -> SequenceErrors:
    """Compare transcriptions, each a string or a sequence of labels.

    Raises:
        BoxlessError: the lists differ in length.
    """
    return sequence_errors_of(sequence_error_counts(predicted, true))


def sequence_error_counts(predicted: Sequence[Transcription], true: Sequence[Transcription]) -> NDArray[np.int64]:
    """(4,) wrong sequences, sequences, edits and true characters: they add up over batches."""
    if len(predicted) != len(true):
        raise BoxlessError(f"there are {len(predicted)} transcriptions but truth for {len(true)}.")
    counts = np.zeros(4, np.int64)
    for ours, truth in zip(predicted, true, strict=True):
        edits = edit_distance(ours, truth)
        counts += (edits > 0, 1, edits, len(truth))
    return counts


def sequence_errors_of(counts: NDArray[np.int64]) -> SequenceErrors:
    """The errors of summed ``sequence_error_counts``."""
    wrong, sequences, edits, characters = counts.tolist()
    return SequenceErrors(share(wrong, sequences), share(edits, characters), sequences)


def edit_distance(first: Transcription, second: Transcription) -> int:
    """The least number of insertions, deletions and replacements that turn one into the other (Levenshtein)."""
    distances = list(range(len(second) + 1))
    for row, ours in enumerate(first, start=1):
        diagonal, distances[0] = distances[0], row
        for column, theirs in enumerate(second, start=1):
            replaced = diagonal + (ours != theirs)
            diagonal = distances[column]
            distances[column] = min(replaced, diagonal + 1, distances[column - 1] + 1)
    return distances[-1]

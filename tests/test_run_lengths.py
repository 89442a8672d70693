"""Masks as COCO's run lengths, against the format's definition."""

from itertools import groupby

import numpy as np
import pytest

from boxless.run_lengths import encoded


def test_runs_go_down_the_columns_and_begin_with_what_is_not_there() -> None:
    mask = np.array([[0, 1, 1], [0, 1, 0]], bool)
    assert encoded(mask) == {"size": [2, 3], "counts": [2, 3, 1]}
    assert encoded(~mask) == {"size": [2, 3], "counts": [0, 2, 3, 1]}


@pytest.mark.parametrize("value", [False, True])
def test_masks_of_one_value(value: bool) -> None:
    assert encoded(np.full((3, 4), value))["counts"] == ([0, 12] if value else [12])


@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (7, 1), (13, 29)])
@pytest.mark.parametrize("seed", range(3))
def test_a_mask_comes_back(shape: tuple[int, int], seed: int) -> None:
    mask = np.random.default_rng(seed).random(shape) < 0.4
    runs = [(value, len(list(run))) for value, run in groupby(mask.T.ravel().tolist())]
    expected = [0] * runs[0][0] + [length for _, length in runs]
    assert encoded(mask) == {"size": list(shape), "counts": expected}
    values = np.arange(len(expected)) % 2 == 1
    np.testing.assert_array_equal(np.repeat(values, encoded(mask)["counts"]).reshape(shape, order="F"), mask)

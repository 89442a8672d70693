from dataclasses import replace
from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from boxless.errors import BoxlessError
from boxless.instances import Instances
from boxless.metrics.confusion import confusion_matrix
from boxless.metrics.prototypes import assign_prototypes, count_covariance, prototype_contingency

from .random_scenes import CLASSES, scenes

SEEDS = st.integers(0, 10_000)


@given(SEEDS, st.integers(1, 5))
def test_as_many_prototypes_as_classes_agree_as_well_as_the_best_permutation(seed: int, count: int) -> None:
    table = np.random.default_rng(seed).integers(0, 20, (count, count))
    mapping = assign_prototypes(table)
    best = max(sum(table[p, c] for p, c in enumerate(order)) for order in permutations(range(count)))
    assert sorted(mapping.tolist()) == list(range(count))
    assert table[np.arange(count), mapping].sum() == best


@given(SEEDS)
def test_fewer_prototypes_than_classes_agree_as_well_as_the_best_choice(seed: int) -> None:
    table = np.random.default_rng(seed).integers(0, 20, (2, 4))
    mapping = assign_prototypes(table)
    best = max(table[0, a] + table[1, b] for a, b in permutations(range(4), 2))
    assert table[[0, 1], mapping].sum() == best
    assert mapping[0] != mapping[1]


@given(SEEDS)
def test_of_more_prototypes_one_for_each_class_is_matched_and_the_rest_go_where_they_lie_most(seed: int) -> None:
    table = np.random.default_rng(seed).integers(1, 20, (5, 3))
    mapping = assign_prototypes(table)
    # The best agreement of three matched prototypes with the others each at their own best class.
    best = max(sum(table[p, c] for c, p in enumerate(matched)) for matched in permutations(range(5), 3))
    reachable = [
        matched
        for matched in permutations(range(5), 3)
        if sum(table[p, c] for c, p in enumerate(matched)) == best
        and all(mapping[p] == c for c, p in enumerate(matched))
        and all(table[p, mapping[p]] == table[p].max() for p in set(range(5)) - set(matched))
    ]
    assert reachable


def test_if_not_one_to_one_each_goes_where_it_lies_most() -> None:
    table = np.array([[5, 4], [9, 0], [0, 0]])
    assert assign_prototypes(table).tolist() == [1, 0, 0]
    assert assign_prototypes(table, one_to_one=False).tolist() == [0, 0, 0]


def test_a_prototype_that_was_never_seen_takes_the_most_frequent_class() -> None:
    assert assign_prototypes(np.array([[5, 0], [0, 9], [0, 0]])).tolist() == [0, 1, 1]


@given(SEEDS)
def test_contingency_is_the_matched_part_of_the_confusion_matrix(seed: int) -> None:
    predicted, true = scenes(seed, 4)
    expected = confusion_matrix(predicted, true, CLASSES)[:CLASSES, :CLASSES].T
    np.testing.assert_array_equal(prototype_contingency(predicted, true, CLASSES, CLASSES), expected)


def test_contingency_of_more_prototypes_than_classes_has_the_prototype_as_its_row() -> None:
    predicted = Instances([[10, 5]], [[30, 4]], labels=[3])
    true = Instances([[10, 5]], [[30, 4]], labels=[1])
    assert prototype_contingency([predicted], [true], 4, 2).tolist() == [[0, 0], [0, 0], [0, 0], [0, 1]]


def test_a_permutation_of_the_classes_is_found() -> None:
    _, true = scenes(3, 6)
    order = np.array([2, 0, 1])
    shuffled = [replace(one, labels=order[one.labels]) for one in true]
    mapping = assign_prototypes(prototype_contingency(shuffled, true, CLASSES, CLASSES))
    assert mapping[order].tolist() == [0, 1, 2]


def test_a_label_past_the_prototypes_is_refused() -> None:
    with pytest.raises(BoxlessError, match="2 prototypes"):
        prototype_contingency([Instances([[0, 0]], [[1, 1]], labels=[2])], [Instances([], [])], 2, 3)


def test_no_classes_are_refused() -> None:
    with pytest.raises(BoxlessError, match="with a class"):
        assign_prototypes(np.zeros((3, 0), int))


def test_numbers_that_rise_and_fall_together_are_told_without_any_place() -> None:
    """Prototype p is class ORDER[p]; two of ten counts are wrong."""
    order, rng = np.array([2, 0, 1]), np.random.default_rng(0)
    classes = rng.integers(0, 4, (40, 3))
    prototypes = classes[:, order] + (rng.random((40, 3)) < 0.2)
    covariance = count_covariance(prototypes, classes)
    assert assign_prototypes(covariance).tolist() == order.tolist()
    expected = [[39 * np.cov(prototypes[:, p], classes[:, c])[0, 1] for c in range(3)] for p in range(3)]
    np.testing.assert_allclose(covariance, expected)


def test_counts_of_other_images_are_refused() -> None:
    with pytest.raises(BoxlessError, match="of the same images"):
        count_covariance(np.zeros((3, 2)), np.zeros((4, 2)))

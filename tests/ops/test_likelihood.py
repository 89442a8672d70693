"""Against the definition of the likelihood, in exact rational arithmetic."""

import math
from collections.abc import Callable, Collection
from fractions import Fraction
from itertools import combinations, product

import hypothesis.strategies as st
import pytest
import torch
from hypothesis import given, settings
from torch import Tensor

from boxless.ops.likelihood import label_set_log_likelihood, label_set_upper_bound
from boxless.ops.set_recursion import MERGE_CLASSES, recursion
from boxless.ops.set_series import Sums, exact_series

quick = settings(max_examples=60, deadline=None, derandomize=True, database=None)
TOLERANCE = 1e-9


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def rational(p: Tensor) -> list[list[Fraction]]:
    return [[Fraction(value) for value in row] for row in p.tolist()]


def by_emissions(p: Tensor, labels: Collection[int]) -> Fraction:
    """The sum over all (C + 1)^M ways to emit of (C + 1, *places) probabilities whose classes are those of the set."""
    numbers, background = rational(p.flatten(1)), len(p) - 1
    total = Fraction(0)
    for emitted in product(range(len(p)), repeat=len(numbers[0])):
        if {c for c in emitted if c != background} == set(labels):
            total += math.prod(numbers[c][m] for m, c in enumerate(emitted))
    return total


def by_states(numbers: list[list[Fraction]], labels: Collection[int]) -> Fraction:
    """The same place after place, by the set of classes seen so far: for maps with too many ways to emit."""
    seen = {frozenset[int](): Fraction(1)}
    for m in range(len(numbers[0])):
        after: dict[frozenset[int], Fraction] = {}
        for state, value in seen.items():
            for c in (*labels, None):
                reached = state if c is None else state | {c}
                emitted = numbers[-1 if c is None else c][m]
                after[reached] = after.get(reached, Fraction(0)) + value * emitted
        seen = after
    return seen.get(frozenset(labels), Fraction(0))


def distinct(classes: int, p: Fraction, rest: Fraction, places: int, number: int) -> Fraction:
    """Probability of exactly ``number`` different of so many classes, each with p, at equal places."""
    terms = [(-1) ** j * math.comb(number, j) * (rest + (number - j) * p) ** places for j in range(number + 1)]
    return math.comb(classes, number) * sum(terms, Fraction(0))


def log(value: Fraction) -> float:
    """The logarithm also of a number too small for floating point; −∞ of zero."""
    if value == 0:
        return -math.inf
    power = value.numerator.bit_length() - value.denominator.bit_length()
    return math.log(value / Fraction(2) ** power) + power * math.log(2)


def series_of(log_map: Tensor) -> Sums:
    """Of all classes."""
    return exact_series(log_map.exp(), torch.ones(log_map.shape[0], log_map.shape[1] - 1, dtype=torch.bool), True)


def gradient(function: Callable[[Tensor], Tensor], at: Tensor) -> Tensor:
    at = at.detach().requires_grad_()
    function(at).sum().backward()
    assert at.grad is not None
    return at.grad


@st.composite
def maps(draw: st.DrawFn) -> tuple[Tensor, list[int]]:
    """(C + 1, M) probabilities, each class and the background at a magnitude of its own down to 1e-200, and a set."""
    classes, places = draw(st.integers(1, 4)), draw(st.integers(1, 9))
    powers = draw(st.lists(st.sampled_from([0, 0, 1, 2, 4, 8, 16, 50, 100, 200]), min_size=classes + 1, max_size=5))
    p = random(classes + 1, places, seed=draw(st.integers(0, 2**20))).exp()
    p = p * torch.tensor([10.0**-power for power in powers[: classes + 1]], dtype=torch.float64).unsqueeze(1)
    return p / p.sum(0), draw(st.lists(st.integers(0, classes - 1), unique=True))


class TestValue:
    @pytest.mark.parametrize("places", [(7,), (2, 3), (2, 1, 3), (1,)])
    def test_is_the_sum_over_all_emissions_in_any_number_of_dimensions(self, places: tuple[int, ...]) -> None:
        p = random(1, 4, *places).softmax(1)
        for size in range(4):
            for labels in combinations(range(3), size):
                value = label_set_log_likelihood(p.log(), [labels]).item()
                assert value == pytest.approx(log(by_emissions(p[0], labels)), abs=TOLERANCE)

    @quick
    @given(maps())
    def test_has_nine_digits_at_any_magnitude(self, drawn: tuple[Tensor, list[int]]) -> None:
        p, labels = drawn
        value = label_set_log_likelihood(p.log().unsqueeze(0), [labels]).item()
        assert value == pytest.approx(log(by_states(rational(p), labels)), abs=TOLERANCE)

    @pytest.mark.parametrize("labels", [[], [3], [0, 1, 2, 3, 4], [1, 3]])
    def test_a_map_of_one_place_is_cross_entropy(self, labels: list[int]) -> None:
        log_probs = (800 * random(1, 6, 1, 1)).log_softmax(1)  # most probabilities are below the least of float64
        expected = log_probs[0, labels[0] if labels else 5].item() if len(labels) < 2 else -math.inf
        for shaped in (log_probs, log_probs.flatten(1)):
            assert label_set_log_likelihood(shaped, [labels]).item() == pytest.approx(expected, abs=TOLERANCE)

    @pytest.mark.parametrize("shift", [0.0, 8.0, 40.0])
    def test_probabilities_of_all_sets_sum_to_one(self, shift: float) -> None:
        log_probs = random(1, 5, 2, 3)
        log_probs[:, -1] += shift
        sets = [labels for size in range(5) for labels in combinations(range(4), size)]
        values = label_set_log_likelihood(log_probs.log_softmax(1).expand(len(sets), -1, -1, -1), sets)
        assert values.exp().sum().item() == pytest.approx(1.0, abs=1e-12)

    @pytest.mark.parametrize(
        ("classes", "p", "places"),
        [
            (20, Fraction(1, 21), 40),
            (3, Fraction(11, 40), 50),
            (9, Fraction(1, 2**9), 784),
            (6, Fraction(1, 2**30), 300),
            (MERGE_CLASSES + 1, Fraction(1, 2**40), 15),
        ],
    )
    def test_many_classes_at_equal_places_have_a_closed_form(self, classes: int, p: Fraction, places: int) -> None:
        log_map = torch.full((1, classes + 1, places), math.log(p), dtype=torch.float64)
        log_map[:, -1] = math.log(1 - classes * p)
        value = label_set_log_likelihood(log_map, [range(classes)]).item()
        assert value == pytest.approx(log(distinct(classes, p, 1 - classes * p, places, classes)), abs=TOLERANCE)

    def test_a_rare_class_among_certain_ones_is_not_taken_for_certain(self) -> None:
        p = torch.full((4, 40), 1e-80, dtype=torch.float64)
        p[0, :20], p[1, 20:], p[3] = 0.999, 0.999, 0.001
        value = label_set_log_likelihood(p.log().unsqueeze(0), [[0, 1, 2]]).item()
        assert value == pytest.approx(log(by_states(rational(p), [0, 1, 2])), abs=TOLERANCE)

    def test_a_class_certain_but_for_the_place_another_needs_is_counted(self) -> None:
        p = torch.tensor([[1.0, 1e-50], [1e-30, 1e-45], [1e-17, 1.0]], dtype=torch.float64)
        value = label_set_log_likelihood(p.log().unsqueeze(0), [[0, 1]]).item()
        assert value == pytest.approx(log(by_states(rational(p), [0, 1])), abs=TOLERANCE)

    def test_a_class_taken_for_certain_that_is_not_against_so_small_a_result_is_counted(self) -> None:
        rows = [[0.0, 1.0, 1 - 3e-7], [0.5, 0.0, 0.0], [0.5, 1e-40, 0.0], [0.0, 0.0, 3e-7]]
        p = torch.tensor(rows, dtype=torch.float64)
        value = label_set_log_likelihood(p.log().unsqueeze(0), [[0, 1, 2]]).item()
        assert value == pytest.approx(log(by_states(rational(p), [0, 1, 2])), abs=TOLERANCE)

    def test_each_sample_of_a_batch_has_its_own_set(self) -> None:
        log_probs = random(6, 6, 5, 4)
        log_probs[3:, :-1] -= 9  # of these the series cancels
        log_probs = log_probs.log_softmax(1)
        sets = [[], [4], [1, 0, 3], [2, 0, 1, 3, 4], [3, 1], [2]]
        alone = [label_set_log_likelihood(log_probs[i : i + 1], [sets[i]]) for i in range(6)]
        torch.testing.assert_close(label_set_log_likelihood(log_probs, sets), torch.cat(alone), rtol=0, atol=1e-12)

    def test_a_mask_and_lists_with_repeats_are_the_same_set(self) -> None:
        log_probs = random(2, 4, 6).log_softmax(1)
        mask = torch.tensor([[True, False, True], [False, False, False]])
        assert torch.equal(
            label_set_log_likelihood(log_probs, mask), label_set_log_likelihood(log_probs, [[2, 0, 2], ()])
        )

    @pytest.mark.parametrize("shift", [0.0, 9.0])
    def test_order_of_places_and_names_of_classes_do_not_count(self, shift: float) -> None:
        log_probs = random(1, 6, 4, 5)
        log_probs[:, -1] += shift
        value = label_set_log_likelihood(log_probs, [[0, 1, 3]])
        generator = torch.Generator().manual_seed(1)
        places, classes = torch.randperm(20, generator=generator), torch.randperm(5, generator=generator)
        moved = log_probs.flatten(2)[:, :, places]
        torch.testing.assert_close(label_set_log_likelihood(moved, [[0, 1, 3]]), value, rtol=0, atol=1e-11)
        renamed = log_probs[:, [*classes.tolist(), 5]]
        named = [classes.tolist().index(c) for c in (0, 1, 3)]
        torch.testing.assert_close(label_set_log_likelihood(renamed, [named]), value, rtol=0, atol=1e-11)

    @pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
    def test_lower_precision_is_computed_in_float64_also_under_autocast(self, dtype: torch.dtype) -> None:
        log_probs = random(2, 4, 5, 6).log_softmax(1).to(dtype)
        with torch.autocast("cpu", torch.bfloat16):
            value = label_set_log_likelihood(log_probs, [[0, 2], [1]])
        assert torch.equal(value, label_set_log_likelihood(log_probs.double(), [[0, 2], [1]]))

    def test_nan_is_not_hidden(self) -> None:
        log_probs = random(2, 3, 4).log_softmax(1)
        log_probs[0, 1, 2] = math.nan
        assert label_set_log_likelihood(log_probs, [[1], [1]]).isnan().tolist() == [True, False]

    def test_an_empty_batch_has_no_values(self) -> None:
        assert label_set_log_likelihood(torch.zeros(0, 4, 3, 3), []).tolist() == []


class TestGradient:
    @pytest.mark.parametrize("shift", [0.0, 3.0, 9.0])
    def test_is_that_of_finite_differences(self, shift: float) -> None:
        log_probs = random(5, 5, 3, 2)
        log_probs[:, -1] += shift
        sets = [[], [0, 1], [0, 1, 2, 3], [2], [3, 0, 1]]
        at = log_probs.log_softmax(1).requires_grad_()
        assert torch.autograd.gradcheck(lambda x: label_set_log_likelihood(x, sets), at)

    @quick
    @given(maps())
    def test_is_the_posterior_of_each_place_at_any_magnitude(self, drawn: tuple[Tensor, list[int]]) -> None:
        p, labels = drawn
        whole = by_states(rational(p), labels)
        if whole == 0:
            return
        found = gradient(lambda x: label_set_log_likelihood(x.unsqueeze(0), [labels]), p.log())
        for c, m in product(range(len(p)), range(p.shape[1])):
            only = rational(p)
            for other in range(len(p)):
                only[other][m] *= other == c
            assert found[c, m].item() == pytest.approx(float(by_states(only, labels) / whole), abs=TOLERANCE)

    @pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
    def test_comes_back_in_the_type_of_the_input(self, dtype: torch.dtype) -> None:
        log_probs = random(2, 4, 5, 6).log_softmax(1).to(dtype)
        found = gradient(lambda x: label_set_log_likelihood(x, [[0, 2], [1]]), log_probs)
        wide = gradient(lambda x: label_set_log_likelihood(x, [[0, 2], [1]]), log_probs.double())
        assert torch.equal(found, wide.to(dtype))

    def test_of_an_impossible_set_is_zero_and_its_value_minus_infinity(self) -> None:
        log_probs = random(3, 4, 6)
        log_probs[0, 1] = -torch.inf
        log_probs[1, :, 2], log_probs[1, 2, 2] = -torch.inf, 0.0  # a class outside of the set is certain
        values = label_set_log_likelihood(log_probs.log_softmax(1), [[0, 1], [0, 1], [0, 1]])
        assert values.isinf().tolist() == [True, True, False]
        found = gradient(lambda x: label_set_log_likelihood(x.log_softmax(1), [[0, 1]] * 3).square(), log_probs)
        assert found.isfinite().all()
        assert (found[:2] == 0).all()
        assert (found[2] != 0).any()

    def test_of_a_class_outside_of_the_set_is_zero(self) -> None:
        found = gradient(lambda x: label_set_log_likelihood(x, [[1], [0, 2, 3], []]), random(3, 5, 6).log_softmax(1))
        absent = torch.tensor([[1, 0, 1, 1, 0], [0, 1, 0, 0, 0], [1, 1, 1, 1, 0]], dtype=torch.bool)
        assert (found[absent] == 0).all()
        assert (found[~absent] > 0).all()

    def test_is_finite_and_right_where_single_probabilities_are_zero(self) -> None:
        p = random(1, 4, 7).softmax(1)
        p[0, 0, 2:], p[0, 3, 4], p[0, 1, 0] = 0.0, 0.0, 0.0
        found = gradient(lambda x: label_set_log_likelihood(x, [[0, 1]]), p.log())
        whole = by_emissions(p[0], [0, 1])
        for c, m in product(range(4), range(7)):
            only = p[0].clone()
            only[:, m] *= torch.arange(4) == c
            assert found[0, c, m].item() == pytest.approx(float(by_emissions(only, [0, 1]) / whole), abs=1e-12)

    def test_keeps_no_more_than_the_maps_for_the_way_back(self) -> None:
        kept: list[int] = []
        log_probs = random(1, 11, 12, 13).log_softmax(1).requires_grad_()

        def keep(tensor: Tensor) -> Tensor:
            kept.append(tensor.numel())
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
            label_set_log_likelihood(log_probs, [range(10)])
        assert 11 * 12 * 13 <= sum(kept) <= 3 * 11 * 12 * 13


class TestMethods:
    @pytest.mark.parametrize(("classes", "places"), [(1, 1), (1, 50), (3, 8), (4, 9), (5, 97), (7, 40), (2, 300)])
    def test_series_and_recursion_agree_where_nothing_cancels(self, classes: int, places: int) -> None:
        log_map = random(3, classes + 1, places)
        log_map[:, -1] += math.log(places / 4)
        log_map = log_map.log_softmax(1)
        series, (value, posterior) = series_of(log_map), recursion(log_map, True)
        assert series.posterior is not None
        assert posterior is not None
        kept = series.reliable
        torch.testing.assert_close(series.log_value[kept], value[kept], rtol=0, atol=TOLERANCE)
        torch.testing.assert_close(series.posterior[kept], posterior[kept], rtol=0, atol=TOLERANCE)
        torch.testing.assert_close(posterior.sum(1), torch.ones(3, places, dtype=torch.float64), rtol=0, atol=1e-10)

    def test_series_says_where_it_cancels(self) -> None:
        log_map = random(2, 4, 30)
        log_map[1, -1] += 14
        assert series_of(log_map.log_softmax(1)).reliable.tolist() == [True, False]


class TestUpperBound:
    def test_falls_with_the_depth_to_the_likelihood(self) -> None:
        log_probs = random(2, 7, 3, 4)
        log_probs[1, -1] += 2
        log_probs = log_probs.log_softmax(1)
        sets = [range(6), range(5)]
        exact = label_set_log_likelihood(log_probs, sets)
        bounds = torch.stack([label_set_upper_bound(log_probs, sets, depth) for depth in range(8)])
        assert (bounds >= exact - 1e-12).all()
        assert (bounds[:-1] >= bounds[1:]).all()
        assert (bounds[1:6, 0] < bounds[:5, 0]).all()
        torch.testing.assert_close(bounds[6], exact, rtol=0, atol=1e-12)

    @pytest.mark.parametrize("depth", [0, 1, 3])
    def test_is_the_probability_of_so_many_different_classes(self, depth: int) -> None:
        p = Fraction(1, 2048)
        log_map = torch.full((1, 31, 90), math.log(p), dtype=torch.float64)
        log_map[:, -1] = math.log(1 - 30 * p)
        fewer = sum((distinct(25, p, 1 - 30 * p, 90, number) for number in range(depth)), Fraction(0))
        expected = (1 - 5 * p) ** 90 - fewer
        value = label_set_upper_bound(log_map, [range(25)], depth).item()
        assert value == pytest.approx(log(expected), abs=1e-9)
        assert value >= log(expected) - 1e-13  # the logarithms that it is given are rounded themselves

    def test_is_still_one_where_nothing_is_left_but_rounding(self) -> None:
        p = Fraction(1, 2**45)
        log_map = torch.full((1, 24, 5), math.log(p), dtype=torch.float64)
        log_map[:, -1] = math.log(1 - 23 * p)
        assert label_set_upper_bound(log_map, [range(23)], 3).item() >= log(distinct(23, p, 1 - 23 * p, 5, 3))

    def test_gradient_is_that_of_finite_differences(self) -> None:
        at = random(4, 6, 3, 2).log_softmax(1).requires_grad_()
        sets = [[], [0, 1], [0, 1, 2, 3, 4], [2, 4, 1]]
        assert torch.autograd.gradcheck(lambda x: label_set_upper_bound(x, sets, 2), at)

    @pytest.mark.parametrize(("depth", "told"), [(-1, "0 or more"), (12, "smaller depth")])
    def test_depths_that_cannot_be_are_refused(self, depth: int, told: str) -> None:
        with pytest.raises(ValueError, match=told):
            label_set_upper_bound(torch.zeros(1, 41, 2), [range(40)], depth)


class TestErrors:
    @pytest.mark.parametrize(
        ("sets", "told"),
        [
            ([[0]], "1 label sets for 2 samples"),
            ([[0], [4]], "label set 1 names class 4; class ids are whole numbers from 0 to 2"),
            ([[0], [-1]], "label set 1 names class -1"),
            ([[0], [3]], "label set 1 names class 3, the background"),
            ([[0.5], []], "names class 0.5"),
            ([[0], 2], "collection of class ids"),
            (torch.zeros(2, 4, dtype=torch.bool), r"bool mask \(2, 3\) without the background"),
            (torch.zeros(2, 3), "bool mask"),
        ],
    )
    def test_wrong_sets_are_named(self, sets: object, told: str) -> None:
        with pytest.raises(ValueError, match=told):
            label_set_log_likelihood(torch.zeros(2, 4, 3), sets)  # type: ignore[arg-type]

    @pytest.mark.parametrize(
        "log_probs", [torch.zeros(4), torch.zeros(1, 4, 3, dtype=torch.long), torch.zeros(1, 0, 3)]
    )
    def test_maps_of_wrong_shape_or_type_are_refused(self, log_probs: Tensor) -> None:
        with pytest.raises(ValueError, match="floating point"):
            label_set_log_likelihood(log_probs, [[]])

    def test_maps_without_a_place_are_refused(self) -> None:
        with pytest.raises(ValueError, match="no place"):
            label_set_log_likelihood(torch.zeros(1, 4, 0, 3), [[]])

    def test_more_classes_than_the_exact_value_takes_point_to_the_bound(self) -> None:
        with pytest.raises(ValueError, match="label_set_upper_bound"):
            label_set_log_likelihood(torch.zeros(1, 30, 3), [range(21)])

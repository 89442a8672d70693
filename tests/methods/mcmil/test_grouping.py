from itertools import pairwise, permutations

import pytest
import torch
from torch import Tensor

from boxless.methods.mcmil import grouping
from boxless.methods.mcmil.grouping import Groups, group

Spot = tuple[int, int, int, float]  # class, x, y, probability


def probabilities(*spots: Spot, classes: int = 3, height: int = 20, width: int = 30) -> Tensor:
    """(1, C + 1, M, N): background but for the spots."""
    p = torch.full((classes, height, width), 1e-6)
    for label, x, y, value in spots:
        p[label, y, x] = value
    return torch.cat((p, 1 - p.sum(0, keepdim=True)))[None]


def test_a_blob_is_one_instance_at_its_weighted_middle() -> None:
    blob = [(1, 10, 5, 0.9), (1, 11, 5, 0.9), (1, 10, 6, 0.3), (1, 12, 5, 0.6)]
    (found,) = group(probabilities(*blob), half=2, lowest=0.5)
    mass = sum(p for *_, p in blob)
    assert found.labels.tolist() == [1]
    expected = [sum(x * p for _, x, _, p in blob) / mass, sum(y * p for _, _, y, p in blob) / mass]
    assert found.places[0].tolist() == pytest.approx(expected, abs=1e-3)
    assert found.extents[0].tolist() == [2, 0]  # of the three that are more likely than not
    absent = 0.1 * 0.1 * 0.7 * 0.4
    assert found.scores.tolist() == pytest.approx([1 - absent], abs=1e-4)


def test_two_of_a_kind_stay_two_and_two_of_different_kinds_too() -> None:
    (found,) = group(probabilities((0, 5, 5, 0.9), (0, 10, 5, 0.8), (2, 10, 8, 0.95)), half=2, lowest=0.5)
    assert {(int(c), *p) for c, p in zip(found.labels, found.places.round().tolist(), strict=True)} == {
        (0, 5.0, 5.0),
        (0, 10.0, 5.0),
        (2, 10.0, 8.0),
    }
    assert found.scores.tolist() == sorted(found.scores.tolist(), reverse=True)


def block(x: tuple[int, int], y: tuple[int, int], lowest: float, seed: int) -> Tensor:
    """(1, C + 1, M, N): class 1 over these columns and rows, of a probability from ``lowest`` to 1."""
    p = probabilities(height=28)
    size = y[1] - y[0], x[1] - x[0]
    noise = torch.rand(size, generator=torch.Generator().manual_seed(seed))
    p[0, 1, y[0] : y[1], x[0] : x[1]] = (lowest + (1 - lowest) * noise).clamp(max=0.99)
    p[0, -1] = 1 - p[0, :-1].sum(0)
    return p


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("lowest", [0.9, 0.5])
def test_a_thing_many_times_larger_than_a_window_is_one_instance(seed: int, lowest: float) -> None:
    """A high one, as a digit that fills the image, and a wide one; windows are 5×5."""
    (high,) = group(block((12, 16), (3, 26), lowest, seed), half=2, lowest=0.5)
    assert high.labels.tolist() == [1]
    assert abs(high.places[0, 0] - 13.5) < 0.5
    assert high.extents[0, 0].item() == pytest.approx(3, abs=0.2)
    (wide,) = group(block((3, 28), (10, 13), lowest, seed), half=2, lowest=0.5)
    assert wide.labels.tolist() == [1]


def test_the_parts_of_one_thing_make_its_middle_its_extent_and_its_score() -> None:
    """Maxima at x = 6.5 and 13.5 of a bar from 4 to 16 that dips little between them."""
    bar = [(0, x, 5, 0.99 if x in (6, 7, 13, 14) else 0.7) for x in range(4, 17)]
    (found,) = group(probabilities(*bar), half=2, lowest=0.5)
    assert found.labels.tolist() == [0]
    assert found.places[0].tolist() == pytest.approx([10, 5], abs=0.3)
    assert found.extents[0].tolist() == pytest.approx([12, 0], abs=2)
    assert found.scores[0] > 1 - 1e-4
    (apart,) = group(probabilities(*bar[:5], *bar[8:]), half=2, lowest=0.5)
    assert apart.labels.tolist() == [0, 0]


def ridge(height: float, *points: tuple[int, int]) -> Tensor:
    """(1, 24, 30): mass along straight lines from point to point, x and y."""
    mass = torch.zeros(1, 24, 30)
    for (x, y), (to_x, to_y) in pairwise(points):
        mass[0, min(y, to_y) : max(y, to_y) + 1, min(x, to_x) : max(x, to_x) + 1] = height
    return mass


@pytest.mark.parametrize("order", permutations(range(3)))
@pytest.mark.parametrize(
    ("mass", "summits", "things"),
    [
        # around a corner: the straight way from end to end leads through nothing
        (ridge(0.8, (4, 3), (4, 20), (25, 20)), {(4, 3): 1.0, (4, 20): 0.9, (25, 20): 1.0}, 1),
        # a weak one between two, which is part of one of them and does not make them one
        (ridge(0.4, (4, 10), (25, 10)), {(4, 10): 1.0, (14, 10): 0.5, (25, 10): 0.9}, 2),
    ],
)
def test_what_is_one_thing_does_not_hang_on_the_order_of_its_parts(
    mass: Tensor, summits: dict[tuple[int, int], float], things: int, order: tuple[int, ...]
) -> None:
    mass = mass.clone()
    for (x, y), height in summits.items():
        mass[0, y, x] = height
    places = [list(summits)[number] for number in order]
    peaks = torch.tensor([(0, y, x) for x, y in places])
    scores = torch.tensor([0.99, 0.98, 0.97])
    parts = Groups(torch.tensor(places).float(), torch.zeros(3, 2), torch.zeros(3, dtype=torch.int64), scores)
    whole = grouping._without_dips(mass, peaks, parts)
    assert len(whole.scores) == things
    assert whole.scores[0] == 0.99
    if things == 1:
        assert whole.extents.tolist() == [[21.0, 17.0]]


def test_repeated_digits_that_nearly_touch_stay_apart() -> None:
    """Three high ones, 6 places from each other, and the class half as likely between them."""
    p = probabilities(height=28)
    p[0, 1, 8:20, 5:21] = 0.4
    for left in (5, 11, 17):
        p[0, 1, 8:20, left : left + 3] = 0.95
    p[0, -1] = 1 - p[0, :-1].sum(0)
    (found,) = group(p, half=2, lowest=0.5)
    assert found.labels.tolist() == [1, 1, 1]
    assert sorted(found.places[:, 0].tolist()) == pytest.approx([6, 12, 18], abs=0.7)


def test_what_looks_like_two_classes_is_the_one_with_more_mass() -> None:
    (found,) = group(probabilities((0, 5, 5, 0.9), (0, 6, 5, 0.9), (1, 7, 5, 0.7)), half=2, lowest=0.5)
    assert found.labels.tolist() == [0]


def test_scores_below_the_lowest_and_flat_background_give_nothing() -> None:
    (found,) = group(probabilities((0, 5, 5, 0.3)), half=2, lowest=0.5)
    assert len(found.labels) == 0
    assert found.places.shape == (0, 2)
    (nothing,) = group(torch.cat((torch.zeros(3, 7, 9), torch.ones(1, 7, 9)))[None], half=2, lowest=0.0)
    assert len(nothing.labels) == 0


def test_an_instance_at_the_corner_and_a_map_of_one_place() -> None:
    (found,) = group(probabilities((2, 29, 0, 0.9), height=4), half=2, lowest=0.5)
    assert found.places.round().tolist() == [[29, 0]]
    (single,) = group(torch.tensor([0.2, 0.7, 0.1]).view(1, 3, 1, 1), half=3, lowest=0.5)
    assert (single.labels.tolist(), single.places.tolist()) == ([1], [[0, 0]])


def test_images_of_a_batch_keep_their_own() -> None:
    first, second = probabilities((0, 5, 5, 0.9), (1, 20, 9, 0.99)), probabilities((2, 3, 7, 0.8))
    together = group(torch.cat((first, second, first[:, [1, 0, 2, 3]])), half=2, lowest=0.5)
    assert [found.labels.tolist() for found in together] == [[1, 0], [2], [0, 1]]
    torch.testing.assert_close(together[1].places, group(second, half=2, lowest=0.5)[0].places)


@pytest.mark.parametrize("lowest", [0.5, 0.0])
def test_what_is_hardly_anything_makes_no_sure_thing_larger(lowest: float) -> None:
    """Background has maxima too, and no dip between them and an object: without a threshold they are instances."""
    p = probabilities((0, 10, 5, 0.9), (0, 24, 14, 0.9))
    noise = 1e-5 * torch.rand(3, 20, 30, generator=torch.Generator().manual_seed(0))
    p[0, :-1] += noise
    p[0, -1] -= noise.sum(0)
    (found,) = group(p, half=2, lowest=lowest)
    assert found.places[:2].round().tolist() == [[10, 5], [24, 14]]
    assert found.extents[:2].tolist() == [[0, 0], [0, 0]]
    assert (len(found.scores) == 2) == (lowest == 0.5)


def test_many_instances_are_compared_some_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    p = block((3, 28), (10, 13), 0.5, 0)
    (whole,) = group(p, half=2, lowest=0.5)
    monkeypatch.setattr(grouping, "POINTS_AT_ONCE", 1)
    (parts,) = group(p, half=2, lowest=0.5)
    assert all(torch.equal(*pair) for pair in zip(whole, parts, strict=True))

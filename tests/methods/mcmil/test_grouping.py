import pytest
import torch
from torch import Tensor

from boxless.methods.mcmil.grouping import group

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

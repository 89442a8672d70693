"""Batches: which images, in what order, for whom."""

from itertools import chain

import pytest
import torch
from torch import Tensor

from boxless.data.batch import Batch
from boxless.engine.loaders import evaluation_loader, training_loader
from boxless.errors import BoxlessError


class Numbers:
    """A source whose images tell their index by their label."""

    class_names = ("any",)
    in_reading_order = False
    one_size = True

    def __init__(self, size: int, sides: Tensor | None = None, padded_pixels: int = 0) -> None:
        self.size, self.sides, self.padded_pixels = size, sides, padded_pixels

    def __len__(self) -> int:
        return self.size

    def batch(self, indices: Tensor) -> Batch:
        return Batch(torch.zeros(len(indices), 1, 1, 1), indices.unsqueeze(1))


def drawn(size: int, batch_size: int, steps: int, seed: int = 0, done: int = 0, **process: int) -> list[list[int]]:
    """The images of each step."""
    loader = training_loader(Numbers(size), batch_size, steps, seed, lambda: done, **process)
    return [batch.labels[:, 0].tolist() for batch in loader]


def test_every_image_comes_once_a_round_each_round_in_another_order() -> None:
    order = list(chain(*drawn(size=10, batch_size=4, steps=10)))  # four rounds, which no batch respects
    rounds = [order[start : start + 10] for start in range(0, 40, 10)]
    assert [sorted(one) for one in rounds] == [list(range(10))] * 4
    assert len({tuple(one) for one in rounds}) == 4


def test_a_batch_may_be_larger_than_the_source() -> None:
    first, second = drawn(size=3, batch_size=7, steps=2)
    order = first + second
    assert sorted(order[:3]) == sorted(order[3:6]) == sorted(order[6:9]) == [0, 1, 2]


def test_another_seed_is_another_order() -> None:
    assert drawn(20, 20, 1, seed=0) != drawn(20, 20, 1, seed=1)


def test_a_batch_depends_on_the_number_of_its_step_alone() -> None:
    whole = drawn(size=10, batch_size=4, steps=9)
    assert drawn(size=10, batch_size=4, steps=4, done=5) == whole[5:8]  # what is left of the second epoch
    assert drawn(size=10, batch_size=4, steps=4, done=8) == [*whole[8:], *drawn(size=10, batch_size=4, steps=12)[9:]]
    assert drawn(size=10, batch_size=4, steps=1, done=7) == [whole[7]]


def test_an_epoch_begins_where_the_training_stands_then() -> None:
    done = 0
    loader = training_loader(Numbers(10), 4, 3, 0, lambda: done)
    epochs = []
    for done in (0, 3, 6):  # noqa: B007
        epochs += [batch.labels[:, 0].tolist() for batch in loader]
    assert epochs == drawn(10, 4, 9)


@pytest.mark.parametrize("world", [2, 3])
def test_processes_share_each_batch_without_overlap(world: int) -> None:
    whole = drawn(size=10, batch_size=6, steps=5)
    parts = [drawn(size=10, batch_size=6, steps=5, rank=rank, world=world) for rank in range(world)]
    for step, images in enumerate(whole):
        shares = [part[step] for part in parts]
        assert {len(share) for share in shares} == {6 // world}
        assert sorted(chain(*shares)) == sorted(images)


def test_a_batch_that_cannot_be_shared_equally_is_refused() -> None:
    with pytest.raises(BoxlessError, match="batch of 7 cannot be shared by 2 processes"):
        drawn(10, 7, 1, world=2)


@pytest.mark.parametrize("size", [1, 63, 64, 65, 130])
def test_an_evaluation_sees_every_image_once_in_order(size: int) -> None:
    seen = [batch.labels[:, 0].tolist() for batch in evaluation_loader(Numbers(size))]
    assert list(chain(*seen)) == list(range(size))
    assert max(map(len, seen)) <= 64


@pytest.mark.parametrize("size", [2, 3, 7, 8, 9, 13])
@pytest.mark.parametrize("batch_size", [1, 2, 4])
@pytest.mark.parametrize("world", [1, 2])
def test_processes_evaluate_each_image_once_in_as_many_batches(size: int, batch_size: int, world: int) -> None:
    """An empty batch has no images to stack, and a process with a batch less would not meet the others."""
    parts = [
        [batch.labels[:, 0].tolist() for batch in evaluation_loader(Numbers(size), batch_size, rank, world)]
        for rank in range(world)
    ]
    assert sorted(image for part in parts for batch in part for image in batch) == list(range(size))
    assert len({len(part) for part in parts}) == 1
    assert all(batch for part in parts for batch in part)


def test_fewer_images_than_processes_are_refused() -> None:
    with pytest.raises(BoxlessError, match="1 images to evaluate on are too few for 2 processes"):
        evaluation_loader(Numbers(1), world=2)


def test_batches_are_of_images_as_large_each_round_others() -> None:
    sides = torch.arange(100) % 4
    loader = training_loader(Numbers(100, sides), 5, 40, 0, lambda: 0)
    batches = [batch.labels[:, 0].tolist() for batch in loader]
    assert all(len(set(sides[batch].tolist())) == 1 for batch in batches)
    assert [sorted(chain(*part)) for part in (batches[:20], batches[20:])] == [list(range(100))] * 2
    assert batches[:20] != batches[20:]
    assert len({tuple(sides[batch].tolist()) for batch in batches[:6]}) > 1


def test_of_a_size_that_batches_do_not_divide_none_is_lost() -> None:
    loader = training_loader(Numbers(13, torch.arange(13) % 3), 4, 13, 0, lambda: 0)
    seen = list(chain(*(batch.labels[:, 0].tolist() for batch in loader)))
    assert [sorted(seen[start : start + 13]) for start in range(0, 52, 13)] == [list(range(13))] * 4


@pytest.mark.parametrize(("pixels", "most"), [(0, 64), (64 * 64, 64), (2**20, 32), (12_000_000, 2), (2**30, 1)])
def test_of_large_images_few_are_evaluated_at_once(pixels: int, most: int) -> None:
    """Padded to the largest, 64 photos of 12 megapixels are 9 GB."""
    parts = [batch.labels[:, 0].tolist() for batch in evaluation_loader(Numbers(128, padded_pixels=pixels))]
    assert list(chain(*parts)) == list(range(128))
    assert max(map(len, parts)) == most

"""In what batches the images of a source come: shuffled and endless to train, each once to evaluate."""

from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from boxless.data.batch import Batch
from boxless.data.hashing import uniforms
from boxless.engine.sources import Source
from boxless.errors import BoxlessError

MOST_PIXELS = 2**25  # of a batch to evaluate, in all its images: 400 MB in colours


class _Steps(Dataset[Batch]):
    """Batch by number of the step; under DDP the part of it that is this process's."""

    def __init__(self, source: Source, batch_size: int, seed: int, rank: int, world: int) -> None:
        self.source, self.batch_size, self.seed, self.rank, self.world = source, batch_size, seed, rank, world
        self._order = lru_cache(maxsize=2)(self._new_order)

    def __getitem__(self, step: int) -> Batch:
        places = torch.arange(step * self.batch_size, (step + 1) * self.batch_size)
        return self.source.batch(self._indices(places)[self.rank :: self.world])

    def _indices(self, places: Tensor) -> Tensor:
        """Places in the order of training to indices: each time round the source in a new order."""
        size = len(self.source)
        rounds, within = places // size, places % size
        indices = torch.empty_like(places)
        for number in rounds.unique().tolist():
            indices[rounds == number] = self._order(number)[within[rounds == number]]
        return indices

    def _new_order(self, number: int) -> Tensor:
        order = uniforms((self.seed, number), torch.arange(len(self.source)), 1)[:, 0].argsort()
        return order if self.source.sides is None else self._alike(order, self.source.sides, number)

    def _alike(self, order: Tensor, sides: Tensor, number: int) -> Tensor:
        """The same indices, so that as many as a batch follow each other that are as large, or nearly."""
        by_side = order[sides[order].argsort(stable=True)]
        parts = by_side.split(self.batch_size)
        whole = len(parts) if len(parts[-1]) == self.batch_size else len(parts) - 1
        chosen = uniforms((self.seed, number, 0), torch.arange(whole), 1)[:, 0].argsort().tolist()
        return torch.cat([parts[index] for index in [*chosen, *range(whole, len(parts))]])


class _Parts(Dataset[Batch]):
    """Batches of given indices."""

    def __init__(self, source: Source, parts: Sequence[Tensor]) -> None:
        self.source, self.parts = source, parts

    def __len__(self) -> int:
        return len(self.parts)

    def __getitem__(self, number: int) -> Batch:
        return self.source.batch(self.parts[number])


class _EpochSampler(Sampler[int]):
    """The numbers of the steps of an epoch, counted on from the steps done, so that a resume needs no state.

    An epoch ends at a multiple of its length; after one that was broken off, the next is what was left of it.
    """

    def __init__(self, steps_per_epoch: int, steps_done: Callable[[], int]) -> None:
        self.steps_per_epoch, self.steps_done = steps_per_epoch, steps_done

    def __iter__(self) -> Iterator[int]:
        first = self.steps_done()
        return iter(range(first, first + len(self)))

    def __len__(self) -> int:
        return self.steps_per_epoch - self.steps_done() % self.steps_per_epoch


def training_loader(
    source: Source,
    batch_size: int,
    steps_per_epoch: int,
    seed: int,
    steps_done: Callable[[], int],
    rank: int = 0,
    world: int = 1,
) -> DataLoader[Batch]:
    """Endless shuffled batches, in epochs of so many steps; what a step sees depends on its number alone.

    Args:
        source: of images.
        batch_size: over all processes together.
        steps_per_epoch: length of the loader, less what is done of an epoch that was broken off.
        seed: of the order.
        steps_done: asked at the start of each epoch.
        rank, world: of this process, and how many there are.

    Raises:
        BoxlessError: the batch cannot be shared equally.
    """
    check_shares(batch_size, world)
    steps = _Steps(source, batch_size, seed, rank, world)
    return DataLoader(steps, batch_size=None, sampler=_EpochSampler(steps_per_epoch, steps_done))


def check_shares(batch_size: int, world: int) -> None:
    """That so many processes can share a batch.

    Raises:
        BoxlessError: they cannot, or there are none.
    """
    if world < 1:
        raise BoxlessError(f"A run needs at least one process or GPU, not {world}; leave --devices out for one.")
    if batch_size % world:
        raise BoxlessError(f"A batch of {batch_size} cannot be shared by {world} processes; change run.batch_size.")


def evaluation_loader(source: Source, batch_size: int = 64, rank: int = 0, world: int = 1) -> DataLoader[Batch]:
    """Every image once, in order; all processes have as many batches, none of them empty.

    Batches are smaller where images are so large that one of them, padded, would take more than ``MOST_PIXELS``.

    Args:
        source: of images.
        batch_size: of one process, at most (at most one more, where a process has an image more than another).
        rank, world: of this process, and how many there are.

    Raises:
        BoxlessError: there are fewer images than processes.
    """
    if len(source) < world:
        raise BoxlessError(f"{len(source)} images to evaluate on are too few for {world} processes; add some.")
    batch_size = max(1, min(batch_size, MOST_PIXELS // max(1, source.padded_pixels)))
    own = torch.arange(len(source))[rank::world]
    most = -(-len(source) // world)
    parts = own.tensor_split(min(-(-most // batch_size), len(source) // world))
    return DataLoader(_Parts(source, parts), batch_size=None)

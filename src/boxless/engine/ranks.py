"""The processes of a training that together see a batch."""

import torch
import torch.distributed as dist
from torch import Tensor
from torch.distributed.nn.functional import all_reduce


def world() -> tuple[int, int]:
    """The number of this process, and how many there are."""
    if not (dist.is_available() and dist.is_initialized()):
        return 0, 1
    return dist.get_rank(), dist.get_world_size()


def places(number: int) -> Tensor:
    """(number,) int64: where the samples of this process stand in the batch of all, which they share in turn."""
    rank, size = world()
    return rank + size * torch.arange(number)


def mean_over_ranks(mean: Tensor) -> Tensor:
    """The mean of the processes' means, with a gradient to each that counts the losses of all."""
    _, size = world()
    if size == 1:
        return mean
    total: Tensor = all_reduce(mean)
    return total / size


def gathered(rows: Tensor) -> Tensor:
    """The rows of all processes in the order of the whole batch, as one process would have them; no gradient goes back.

    Args:
        rows: (N, ...), N the same in all processes; one a sample, or as many for each.

    Returns:
        (processes · N, ...).
    """
    _, size = world()
    if size == 1:
        return rows.detach()
    parts = [torch.empty_like(rows) for _ in range(size)]
    dist.all_gather(parts, rows.detach().contiguous())
    return torch.stack(parts, dim=1).flatten(0, 1)

"""The average of the weights of a training, which is the model that it keeps."""

from collections.abc import Callable

import torch
from torch import Tensor

Tensors = tuple[Tensor, ...] | list[Tensor]


def exponential_average(decay: float) -> Callable[[Tensors, Tensors, Tensor | int], None]:
    """The update of ``AveragedModel`` for an exponential average that forgets its first, untrained weights sooner."""

    @torch.no_grad()
    def update(averaged: Tensors, current: Tensors, count: Tensor | int) -> None:
        share = min(decay, (1.0 + float(count)) / (10.0 + float(count)))
        for average, value in zip(averaged, current, strict=True):
            if average.is_floating_point():
                average.lerp_(value, 1.0 - share)
            else:
                average.copy_(value)

    return update

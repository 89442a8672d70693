"""The exponential average of a model's weights, which is smoother than the weights themselves."""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

Tensors = tuple[Tensor, ...] | list[Tensor]


def averaged(model: nn.Module, decay: float) -> AveragedModel:
    """A copy of the model that follows it by ``update_parameters``; it forgets its first, untrained weights sooner."""
    return AveragedModel(model, multi_avg_fn=_exponential(decay), use_buffers=True)


def _exponential(decay: float) -> Callable[[Tensors, Tensors, Tensor | int], None]:
    @torch.no_grad()
    def update(averaged: Tensors, current: Tensors, count: Tensor | int) -> None:
        share = min(decay, (1.0 + float(count)) / (10.0 + float(count)))
        for average, value in zip(averaged, current, strict=True):
            if average.is_floating_point():
                average.lerp_(value, 1.0 - share)
            else:
                average.copy_(value)

    return update

"""Sums, maxima and the like of the window around each pixel, in as many steps as its side's logarithm."""

from collections.abc import Callable
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor

Combine = Callable[[Tensor, Tensor], Tensor]  # of two tensors of one shape, pixel by pixel


def window_sums(values: Tensor, size: int) -> Tensor:
    """The sum of the ``size``×``size`` values around each pixel of (B, C, H, W), zero outside; ``size`` is odd."""
    sums: Tensor = _WindowSums.apply(values, size)  # type: ignore[no-untyped-call]
    return sums


class _WindowSums(torch.autograd.Function):
    """A value is in the windows of those that are in its own: the gradient is the window sums of the gradient."""

    @staticmethod
    def forward(ctx: Any, values: Tensor, size: int) -> Tensor:
        ctx.size = size
        return of_windows(values, size, torch.add, 0.0)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        return window_sums(gradients[0], ctx.size), None


def of_windows(values: Tensor, size: int, combine: Combine, empty: float) -> Tensor:
    """What the ``size``×``size`` values around each pixel combine to.

    Args:
        values: (B, C, H, W).
        size: odd side of the window, in pixels.
        combine: two values to one, whatever their order and grouping.
        empty: what lies outside; it changes no value that it is combined with.

    Returns:
        (B, C, H, W).
    """
    padded = F.pad(values, (size // 2,) * 4, value=empty)
    return along(along(padded, size, 3, combine), size, 2, combine)


def along(values: Tensor, size: int, dim: int, combine: Combine) -> Tensor:
    """What each ``size`` values in a row combine to, by what 1, 2, 4, ... of them do.

    Args:
        values: of any shape.
        size: at least 1, and at most the length of the dimension.
        dim: along which the rows are.
        combine: as for :func:`of_windows`.

    Returns:
        ``size`` − 1 shorter in that dimension.
    """
    length, width, done = values.shape[dim] - size + 1, 1, 0
    total: Tensor | None = None
    while True:
        if size & width:
            part = values.narrow(dim, done, length)
            total = part if total is None else combine(total, part)
            done += width
        if done == size:
            return cast(Tensor, total)
        number = values.shape[dim] - width
        values = combine(values.narrow(dim, 0, number), values.narrow(dim, width, number))
        width *= 2

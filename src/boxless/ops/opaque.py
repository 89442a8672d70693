"""Operations that ``torch.compile`` takes as they are.

On a CPU (torch 2.13) the kernels that it makes of the backward passes of slices and of pooling, fused with what stands
around them, are slow: they took a third of a training step. Of ``max_pool2d`` in bf16 with few channels they are wrong
as well, silently. Hidden behind an operation of their own, both run as they do without ``torch.compile``.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor


def trim(images: Tensor, margin: int) -> Tensor:
    """Take rows and columns off each side: (B, C, H, W) to (B, C, H − 2·margin, W − 2·margin)."""
    if not torch.is_grad_enabled():
        return _inner(images, margin)
    trimmed: Tensor = _trim(images, margin)
    return trimmed


def _inner(images: Tensor, margin: int) -> Tensor:
    return images[:, :, margin : images.shape[2] - margin, margin : images.shape[3] - margin]


def halve(images: Tensor) -> Tensor:
    """2×2 max pooling of stride 2: (B, C, H, W) to (B, C, H // 2, W // 2); a lone last row or column is left out.

    Of pixels that tie the first has the gradient.
    """
    if not torch.is_grad_enabled():
        return F.max_pool2d(images, 2)
    pooled: Tensor = _halve(images)[0]
    return pooled


@torch.library.custom_op("boxless::trim", mutates_args=())
def _trim(images: Tensor, margin: int) -> Tensor:
    return _inner(images, margin).clone()


@torch.library.custom_op("boxless::untrim", mutates_args=())
def _untrim(images: Tensor, margin: int) -> Tensor:
    return F.pad(images, (margin, margin, margin, margin))


@torch.library.custom_op("boxless::halve", mutates_args=())
def _halve(images: Tensor) -> tuple[Tensor, Tensor]:
    pooled, places = F.max_pool2d(images, 2, return_indices=True)
    return pooled, places


@torch.library.custom_op("boxless::unhalve", mutates_args=())
def _unhalve(gradient: Tensor, images: Tensor, places: Tensor) -> Tensor:
    two, one, zero = [2, 2], [1, 1], [0, 0]
    backward = torch.ops.aten.max_pool2d_with_indices_backward
    result: Tensor = backward(gradient, images, two, two, zero, one, False, places)
    return result


_trim.register_fake(lambda images, margin: _inner(images, margin).clone())
_untrim.register_fake(lambda images, margin: F.pad(images, (margin, margin, margin, margin)))
_unhalve.register_fake(lambda gradient, images, places: torch.empty_like(images))


@_halve.register_fake
def _(images: Tensor) -> tuple[Tensor, Tensor]:
    pooled = images[:, :, 1::2, 1::2].clone()
    return pooled, torch.empty_like(pooled, dtype=torch.int64)


def _keep_margin(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
    ctx.margin = inputs[1]


def _keep_places(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
    ctx.save_for_backward(inputs[0], output[1])


def _untrimmed(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
    return _untrim(gradient, ctx.margin), None


def _unhalved(ctx: Any, gradient: Tensor, _: Any) -> Tensor:
    images, places = ctx.saved_tensors
    result: Tensor = _unhalve(gradient, images, places)
    return result


_trim.register_autograd(_untrimmed, setup_context=_keep_margin)
_halve.register_autograd(_unhalved, setup_context=_keep_places)

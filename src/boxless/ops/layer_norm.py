"""Layer normalisation of maps, with its gradient written out."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor


def layer_norm(x: Tensor, weight: Tensor, bias: Tensor, eps: float = 1e-5) -> Tensor:
    """``F.group_norm`` of one group: each sample over channels, rows and columns, then scale and shift each channel.

    The statistics are float32 at least. Out of plain means it compiles into few passes over memory;
    ``native_group_norm_backward`` in bf16 costs more than the convolutions of a small network on a CPU. Of the means'
    own gradients, as autograd takes them one by one, most cancel: written out, two passes are left.

    Args:
        x: (B, C, H, W).
        weight: (C,) scale.
        bias: (C,) shift.
        eps: added to the variance.

    Returns:
        (B, C, H, W), type of ``x``.
    """
    if not torch.is_grad_enabled() and not torch.compiler.is_compiling():
        return _group_norm(x, weight, bias, eps)  # its forward alone is fast
    normalised: Tensor = _LayerNorm.apply(x, weight, bias, eps)  # type: ignore[no-untyped-call]
    return normalised


def _group_norm(x: Tensor, weight: Tensor, bias: Tensor, eps: float) -> Tensor:
    """``F.group_norm`` of one group.

    With few channels its kernel for channels_last takes long, with 8 ten times as long as with 32. So some pixels side
    by side are taken for one of about 32 channels, which is the same to a mean over all.
    """
    batch, channels, height, width = x.shape
    together = 32 // channels
    if together <= 2 or width % together or not x.is_contiguous(memory_format=torch.channels_last):
        return F.group_norm(x, 1, weight, bias, eps)
    wide = x.permute(0, 2, 3, 1).reshape(batch, height, width // together, together * channels).permute(0, 3, 1, 2)
    wide = F.group_norm(wide, 1, weight.repeat(together), bias.repeat(together), eps)
    return wide.permute(0, 2, 3, 1).reshape(batch, height, width, channels).permute(0, 3, 1, 2)


class _LayerNorm(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, eps: float) -> Tensor:
        wide = x.to(torch.promote_types(x.dtype, torch.float32))
        mean = wide.mean((1, 2, 3), keepdim=True)
        variance = (wide - mean).square().mean((1, 2, 3), keepdim=True)
        inverse = torch.rsqrt(variance + eps)
        ctx.save_for_backward(x, weight, mean, inverse)
        scale = inverse * weight.view(1, -1, 1, 1)
        shift = bias.view(1, -1, 1, 1) - mean * scale
        return (wide * scale + shift).to(x.dtype)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:
        """With x̂ the normalised input and g = weight · gradient: (g − mean(g) − x̂ · mean(g · x̂)) / deviation."""
        x, weight, mean, inverse = ctx.saved_tensors
        centered, gradient = x.to(mean.dtype) - mean, gradients[0].to(mean.dtype)
        each = weight.view(1, -1, 1, 1)
        shift = gradient.sum((2, 3), keepdim=True)  # of each sample and channel
        scale = inverse * (gradient * centered).sum((2, 3), keepdim=True)
        level = (each * shift).sum(1, keepdim=True) / x[0].numel()
        slope = (each * scale).sum(1, keepdim=True) / x[0].numel()
        of_x = inverse * (gradient * each - level - centered * (inverse * slope))
        return of_x.to(x.dtype), scale.sum((0, 2, 3)), shift.sum((0, 2, 3)), None

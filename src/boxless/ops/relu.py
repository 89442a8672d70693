"""ReLU in place, as fast as memory in bfloat16 on a CPU."""

import torch
import torch.nn.functional as F
from torch import Tensor


def relu_(x: Tensor) -> Tensor:
    """``F.relu`` in place.

    A bfloat16 and the int16 of the same bits are negative and zero alike. PyTorch's ReLU of bfloat16 goes through
    float32, its clamp of int16 takes a third of that time; of a NaN whose sign bit is set it makes 0. Where a gradient
    is wanted, or another device or type, it is ``F.relu`` itself.
    """
    own = x.dtype == torch.bfloat16 and x.device.type == "cpu" and not torch.is_grad_enabled()
    if not own or torch.compiler.is_compiling():
        return F.relu(x, inplace=True)
    x.view(torch.int16).clamp_min_(0)
    return x

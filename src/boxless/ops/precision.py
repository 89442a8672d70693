"""What is computed in float32 at least, whatever autocast made of it: distances, coordinates, softmaxes."""

import torch
from torch import Tensor


def at_least_float32(values: Tensor) -> Tensor:
    """The values as float32 if they are of half precision; as they are otherwise."""
    return values.float() if values.dtype in (torch.bfloat16, torch.float16) else values

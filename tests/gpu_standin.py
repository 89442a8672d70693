"""A stand-in for a GPU, for machines without: whatever forgets to move a tensor fails here as it would on a GPU.

Its tensors say that they lie on another device, compute on the CPU, and refuse to meet a tensor of the CPU that is no
single number. Numpy cannot have them. It is torch's own way to write a device in Python; what is written here changes
how torch works for good, so import it in a process of its own.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map
from torch.utils.backend_registration import _setup_privateuseone_for_python_backend

_setup_privateuseone_for_python_backend("standin")
torch.standin.get_amp_supported_dtype = lambda: [torch.bfloat16, torch.float16]

DEVICE = torch.device("standin", 0)
CROSSING = {torch.ops.aten._to_copy.default, torch.ops.aten.copy_.default}  # between devices, as they are for
INDEXING = {
    torch.ops.aten.index.Tensor,
    torch.ops.aten.index_put.default,
    torch.ops.aten.index_put_.default,
}  # of a GPU's tensor takes indices of the CPU, too


class OnStandin(Tensor):
    """A tensor on the stand-in, around its values on the CPU."""

    values: Tensor

    @staticmethod
    def __new__(cls, values: Tensor) -> "OnStandin":
        made = Tensor._make_wrapper_subclass(
            cls, values.size(), values.stride(), values.storage_offset(), dtype=values.dtype, device=DEVICE
        )
        made.values = values
        return made

    def tolist(self) -> Any:
        return self.values.tolist()

    def numpy(self, *_: Any, **__: Any) -> Any:
        raise TypeError("A tensor of the GPU is no array of numpy; copy it by Tensor.cpu() first.")

    __array__ = numpy

    @classmethod
    def __torch_dispatch__(cls, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return computed(function, args, kwargs or {})


class Standin(TorchDispatchMode):
    """Within it tensors can be made on the device, or moved there."""

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return computed(function, args, kwargs or {})


def computed(function: Any, args: Any, kwargs: dict[str, Any]) -> Any:
    """What a function of torch gives, on the device where it is asked for or where its tensors lie."""
    tensors = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
    here = any(isinstance(tensor, OnStandin) for tensor in tensors)
    away = [tensor for tensor in tensors if not isinstance(tensor, OnStandin) and tensor.ndim]
    indexes = function in INDEXING and isinstance(args[0], OnStandin)
    if here and away and function not in CROSSING and not indexes:
        shapes = ", ".join(str(tuple(one.shape)) for one in away)
        raise RuntimeError(f"{function}: tensors of the CPU, {shapes}, meet those of a GPU.")
    if kwargs.get("device") is not None:
        here = torch.device(kwargs["device"]).type == DEVICE.type
        kwargs = kwargs | {"device": torch.device("cpu") if here else kwargs["device"]}
    elif function is torch.ops.aten.copy_.default:
        here = isinstance(args[0], OnStandin)
    plain_args, plain_kwargs = tree_map(values_of, (args, kwargs))
    result = function(*plain_args, **plain_kwargs)
    if args and isinstance(args[0], OnStandin) and result is args[0].values:  # computed in place
        return args[0]
    return tree_map(lambda one: OnStandin(one) if isinstance(one, Tensor) else one, result) if here else result


def values_of(one: Any) -> Any:
    return one.values if isinstance(one, OnStandin) else one


def moved(module: nn.Module) -> nn.Module:
    """A module with its weights on the device; ``Module.to`` would leave them tensors of the CPU."""
    for part in module.modules():
        for tensors in (part._parameters, part._buffers):
            for name, tensor in tensors.items():
                if tensor is not None:
                    own = OnStandin(tensor.detach()).requires_grad_(tensor.requires_grad)
                    tensors[name] = own  # type: ignore[assignment]  # a parameter or a buffer
    return module


def _empty(size: Any, stride: Any = None, dtype: Any = None, **_: Any) -> Tensor:
    values = torch.empty(size, dtype=dtype) if stride is None else torch.empty_strided(size, stride, dtype=dtype)
    return OnStandin(values)


def _copy(source: Tensor, target: Tensor, non_blocking: bool = False) -> Tensor:
    values_of(target).copy_(values_of(source))
    return target


_library = torch.library.Library("aten", "IMPL")  # as long as it lives; what torch asks for beneath all modes
_library.impl(
    "empty.memory_format",
    lambda size, dtype=None, layout=None, device=None, pin_memory=None, memory_format=None: _empty(size, dtype=dtype),
    "PrivateUse1",
)
_library.impl(
    "empty_strided",
    lambda size, stride, dtype=None, layout=None, device=None, pin_memory=None: _empty(size, stride, dtype),
    "PrivateUse1",
)
_library.impl("_copy_from", _copy, "PrivateUse1")

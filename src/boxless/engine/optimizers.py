"""How the weights of a network are stepped: by Adam; or kernels of convolutions by Muon, and the rest by Adam.

Muon (Jordan et al. 2024, torch.optim.Muon) steps a matrix along its gradient with all singular values made one. Deep
auto-encoders learn by it in a fraction of Adam's steps. It is not for everything: from counts alone MIST learns to tell
digits far later.
"""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import nn

from boxless.methods.schedule import OptimizerName

KERNEL_RATE = 30.0  # of Muon, whose steps are not of Adam's length, in learning rates of Adam


class KernelMuon(torch.optim.Muon):
    """Torch's Muon, which knows matrices alone, for kernels: each as a matrix with a row for its first dimension.

    The matrices are copies, so that kernels may lie in memory as they like.

    Args:
        kernels: weights (A, B, ...) of convolutions.
        rate: the learning rate.
    """

    def __init__(self, kernels: Iterable[nn.Parameter], rate: float) -> None:
        self._kernels = list(kernels)
        matrices = [nn.Parameter(kernel.detach().flatten(1).clone()) for kernel in self._kernels]
        super().__init__(matrices, rate, weight_decay=0.0)

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> Any:
        """As of every optimizer, from the gradients of the kernels."""
        matrices = [matrix for group in self.param_groups for matrix in group["params"]]
        for kernel, matrix in zip(self._kernels, matrices, strict=True):
            matrix.copy_(kernel.flatten(1))
            matrix.grad = None if kernel.grad is None else kernel.grad.flatten(1)
        loss = super().step(closure)  # type: ignore[no-untyped-call]
        for kernel, matrix in zip(self._kernels, matrices, strict=True):
            kernel.copy_(matrix.view_as(kernel))
        return loss

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients of the kernels."""
        for kernel in self._kernels:
            kernel.grad = None


def optimizers_for(parameters: Iterable[nn.Parameter], name: OptimizerName, rate: float) -> list[torch.optim.Optimizer]:
    """The optimizers that together step these parameters.

    Args:
        parameters: of a network, on the device where they stay.
        name: "muon" for kernels by Muon and the rest by Adam; "adam" for all by Adam.
        rate: Adam's learning rate.
    """
    parameters = list(parameters)
    kernels = [one for one in parameters if name == "muon" and _is_kernel(one)]
    others = [one for one in parameters if name != "muon" or not _is_kernel(one)]
    found: list[torch.optim.Optimizer] = []
    if kernels:
        found.append(KernelMuon(kernels, KERNEL_RATE * rate))
    if others:
        found.append(torch.optim.Adam(others, rate, fused=True))
    return found


def _is_kernel(parameter: nn.Parameter) -> bool:
    """Whether it maps several channels to several: not a bias, and not the last layer of a map of one channel."""
    return parameter.ndim > 2 and min(parameter.shape[0], parameter[0].numel()) > 1


def set_rates(optimizers: Iterable[Any], factor: float) -> None:
    """Make all learning rates a factor of what they were at first."""
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["lr"] = factor * group.setdefault("initial_lr", group["lr"])

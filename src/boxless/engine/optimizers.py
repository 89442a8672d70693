"""How the weights of a network are stepped: by Adam; or kernels of convolutions by Muon, and the rest by Adam.

Muon (Jordan et al. 2024, torch.optim.Muon) steps a matrix along its gradient with all singular values made one. Deep
auto-encoders learn by it in a fraction of Adam's steps. It is not for everything: from counts alone MIST learns to tell
digits far later.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn

from boxless.methods.schedule import OptimizerName

KERNEL_RATE = 30.0  # of Muon, whose steps are not of Adam's length, in learning rates of Adam
MOMENTUM = 0.95  # of the gradients, with Nesterov's step ahead


class KernelMuon(torch.optim.Optimizer):
    """Torch's Muon for kernels, each as a matrix with a row for its first dimension; those of one shape at once.

    Torch's own knows matrices alone, and takes them one after another: twice as long, with a hundred small kernels.

    Args:
        kernels: weights (A, B, ...) of convolutions.
        rate: the learning rate.
    """

    def __init__(self, kernels: Iterable[nn.Parameter], rate: float) -> None:
        super().__init__(kernels, {"lr": rate})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> Any:
        """As of every optimizer."""
        loss = None if closure is None else torch.enable_grad()(closure)()
        for group in self.param_groups:
            kernels = [kernel for kernel in group["params"] if kernel.grad is not None]
            slopes = [kernel.grad for kernel in kernels]
            means = [self._mean_of(kernel) for kernel in kernels]
            torch._foreach_lerp_(means, slopes, 1 - MOMENTUM)
            ahead = torch._foreach_lerp(slopes, means, MOMENTUM)
            alike = defaultdict[tuple[int, int], list[tuple[Tensor, Tensor]]](list)
            for kernel, slope in zip(kernels, ahead, strict=True):
                order = _order_in_memory(kernel)
                alike[len(kernel), kernel[0].numel()].append((kernel.permute(order), slope.permute(order)))
            for (rows, columns), pairs in alike.items():
                steps = orthogonal(torch.stack([slope.flatten(1) for _, slope in pairs]))
                length = group["lr"] * max(1.0, rows / columns) ** 0.5
                for (kernel, _), step in zip(pairs, steps, strict=True):
                    kernel.sub_(step.view(kernel.shape), alpha=length)
        return loss

    def _mean_of(self, kernel: nn.Parameter) -> Tensor:
        """(A, B, ...): the mean of its gradients so far, weighted towards the last."""
        state = self.state[kernel]
        if not state:
            state["momentum_buffer"] = torch.zeros_like(kernel)
        mean: Tensor = state["momentum_buffer"]
        return mean


def _order_in_memory(kernel: Tensor) -> list[int]:
    """Its dimensions, the first and then as they lie: a matrix of it is no copy, and columns may have any order."""
    return [0, *sorted(range(1, kernel.ndim), key=kernel.stride, reverse=True)]


def orthogonal(matrices: Tensor) -> Tensor:
    """Matrices (N, A, B) with all singular values made one, roughly: five steps of Newton and Schulz in bfloat16.

    Their coefficients are Muon's: steepest at zero, so that small singular values rise soonest. What is not tiny ends
    between 0.6 and 1.3.
    """
    tall = matrices.shape[1] > matrices.shape[2]
    result = matrices.bfloat16()
    if tall:
        result = result.mT.contiguous()
    result = result / result.flatten(1).norm(dim=1).clamp_min(1e-7)[:, None, None]
    for _ in range(5):
        gram = result @ result.mT
        factor = torch.baddbmm(gram, gram, gram, beta=-4.7750, alpha=2.0315)
        result = torch.baddbmm(result, factor, result, beta=3.4445)
    return result.mT if tall else result


def optimizers_for(parameters: Iterable[nn.Parameter], name: OptimizerName, rate: float) -> list[torch.optim.Optimizer]:
    """The optimizers that together step these parameters.

    Args:
        parameters: of a network, on the device where they stay.
        name: "muon" for kernels by Muon and the rest by Adam; "adam" for all by Adam.
        rate: Adam's learning rate.
    """
    parameters = list(parameters)
    kernels = [one for one in parameters if name == "muon" and is_kernel(one)]
    others = [one for one in parameters if name != "muon" or not is_kernel(one)]
    found: list[torch.optim.Optimizer] = []
    if kernels:
        found.append(KernelMuon(kernels, KERNEL_RATE * rate))
    if others:
        found.append(torch.optim.Adam(others, rate, fused=True))
    return found


def is_kernel(parameter: nn.Parameter) -> bool:
    """Whether it maps several channels to several: not a bias, and not the last layer of a map of one channel."""
    return parameter.ndim > 2 and min(parameter.shape[0], parameter[0].numel()) > 1


def set_rates(optimizers: Iterable[Any], factor: float) -> None:
    """Make all learning rates a factor of what they were at first."""
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["lr"] = factor * group.setdefault("initial_lr", group["lr"])

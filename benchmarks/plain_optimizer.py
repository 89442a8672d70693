"""How plain networks are stepped: Adam; or torch's own Muon for kernels, one after another, and Adam for the rest."""

from collections.abc import Iterable

import torch
from torch import nn

from boxless.engine.optimizers import KERNEL_RATE, is_kernel
from boxless.methods.schedule import OptimizerName


class PlainOptimizer:
    """What ``boxless.engine.optimizers.optimizers_for`` does, for weights that lie contiguous in memory.

    Args:
        parameters: of a network.
        name: "muon" or "adam".
        rate: Adam's learning rate.
    """

    def __init__(self, parameters: Iterable[nn.Parameter], name: OptimizerName, rate: float) -> None:
        self._parameters = list(parameters)
        self._kernels = [one for one in self._parameters if name == "muon" and is_kernel(one)]
        self._matrices = [nn.Parameter(one.detach().flatten(1)) for one in self._kernels]  # of the same memory
        others = [one for one in self._parameters if name == "adam" or not is_kernel(one)]
        self._adam = torch.optim.Adam(others, rate)
        self._muon = torch.optim.Muon(self._matrices, KERNEL_RATE * rate, weight_decay=0.0) if self._kernels else None

    def zero_grad(self) -> None:
        for parameter in self._parameters:
            parameter.grad = None

    def step(self) -> None:
        for kernel, matrix in zip(self._kernels, self._matrices, strict=True):
            matrix.grad = None if kernel.grad is None else kernel.grad.flatten(1)
        self._adam.step()
        if self._muon is not None:
            self._muon.step()

"""The reconstruction losses of TUSK (eq. 1), each per sample."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from boxless.nets.backbone import SQUEEZENET, HubNet, hub_net_of_levels
from boxless.nets.squeezenet import SqueezeNet
from boxless.nets.vgg import VGG16, Vgg16


def squared_error(rebuilt: Tensor, images: Tensor, seen: Tensor) -> Tensor:
    """The mean over channels and over the pixels that are seen.

    Args:
        rebuilt: (B, C, H, W).
        images: (B, C, H, W).
        seen: (B, H, W) bool, false in padding and where a warp brings in what is no image.

    Returns:
        (B,).
    """
    error = (rebuilt - images).square().mean(dim=1)
    return (error * seen).sum(dim=(1, 2)) / seen.sum(dim=(1, 2)).clamp_min(1)


class PerceptualLoss:
    """Σ_l c_l |V_l(I) − V_l(Ĩ)|: how differently a network that was trained on ImageNet sees the two (eq. 1).

    Each c_l is one over the number of levels and over the mean of |V_l(I)| in the batch, so that all levels count
    alike, and an image that is rebuilt as black has a loss of about 1. It is no module: it neither learns nor is saved.

    Args:
        network: with ``normalise`` and ``levels``; it is frozen.
    """

    def __init__(self, network: SqueezeNet | Vgg16 | HubNet) -> None:
        self.network = network.eval().requires_grad_(False)

    @classmethod
    def by(cls, name: str) -> "PerceptualLoss":
        """By a network with the weights that it was published with.

        Args:
            name: "vgg16", the paper's; "squeezenet", 1.0, which is a hundredth as large; or else a model of Hugging
                Face's hub, as "microsoft/resnet-34".

        Raises:
            BoxlessError: the network or its weights cannot be had.
        """
        built_in: dict[str, Callable[[], Any]] = {SQUEEZENET: SqueezeNet, VGG16: Vgg16}
        network = built_in[name]() if name in built_in else hub_net_of_levels(name)
        network.read_pretrained()
        return cls(network)

    def __call__(self, rebuilt: Tensor, images: Tensor, seen: Tensor) -> Tensor:
        """(B, 1 or 3, H, W) twice, and (B, H, W) bool, to (B,); what is not seen is black in both."""
        self.network.to(images.device)
        with torch.no_grad():
            wanted = self._levels(images * seen.unsqueeze(1))
        terms = [
            (ours.float() - theirs.float()).abs().mean(dim=(1, 2, 3)) / theirs.float().abs().mean().clamp_min(1e-6)
            for ours, theirs in zip(self._levels(rebuilt * seen.unsqueeze(1)), wanted, strict=True)
        ]
        return torch.stack(terms).mean(dim=0)

    def _levels(self, images: Tensor) -> list[Tensor]:
        return self.network.levels(self.network.normalise(images.expand(-1, 3, -1, -1)))

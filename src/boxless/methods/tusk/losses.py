"""The reconstruction losses of TUSK (eq. 1), each per sample."""

import torch
from torch import Tensor

from boxless.nets.squeezenet import SqueezeNet


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

    The network is SqueezeNet 1.0 up to strides of 2, 4, 8 and 16, for the paper's VGG16, which is a hundred times as
    large. Each c_l is one over the mean of V_l(I) in the batch, so that all levels count alike, and an image that is
    rebuilt as black has a loss of about 1. It is no module: it neither learns nor is saved.

    Args:
        network: frozen; with ImageNet's weights where none is given.

    Raises:
        BoxlessError: the weights are not there.
    """

    def __init__(self, network: SqueezeNet | None = None) -> None:
        if network is None:
            network = SqueezeNet()
            network.read_pretrained()
        self.network = network.eval().requires_grad_(False)

    def __call__(self, rebuilt: Tensor, images: Tensor, seen: Tensor) -> Tensor:
        """(B, 1 or 3, H, W) twice, and (B, H, W) bool, to (B,); what is not seen is black in both."""
        self.network.to(images.device)
        with torch.no_grad():
            wanted = self._levels(images * seen.unsqueeze(1))
        terms = [
            (ours.float() - theirs.float()).abs().mean(dim=(1, 2, 3)) / theirs.float().mean().clamp_min(1e-6)
            for ours, theirs in zip(self._levels(rebuilt * seen.unsqueeze(1)), wanted, strict=True)
        ]
        return torch.stack(terms).mean(dim=0)

    def _levels(self, images: Tensor) -> list[Tensor]:
        return self.network.levels(self.network.normalise(images.expand(-1, 3, -1, -1)))

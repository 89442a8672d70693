"""TUSK models small enough for a test, and one that finds bright spots by construction."""

from typing import Any

import torch
from torch import Tensor, nn

from boxless.methods.tusk.config import TuskConfig
from boxless.methods.tusk.model import Tusk
from boxless.ops.blur import gaussian_blur


def small_config(**given: Any) -> TuskConfig:
    settings = {
        "instances": 3,
        "prototypes": 4,
        "object_size": 8.0,
        "kernel_size": 5,
        "descriptor_size": 6,
        "net_channels": (4, 6, 8),
    }
    return TuskConfig(**(settings | given))


def small_model(seed: int = 0, **given: Any) -> Tusk:
    """Random weights, in eval mode."""
    torch.manual_seed(seed)
    return Tusk(small_config(**given)).eval()


class Brightness(nn.Module):
    """An encoder whose score is the blurred image, far from both ends of the sigmoid, and whose features are numbers
    of each pixel: its brightness, the same squared, ones."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.features = features

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        blurred = gaussian_blur(images.float().mean(1, keepdim=True), 1.0)
        rows = [blurred, blurred.square(), *[torch.ones_like(blurred)] * (self.features - 2)]
        return 4.0 * blurred - 2.0, torch.cat(rows, dim=1)


def spotting_model(seed: int = 0, **given: Any) -> Tusk:
    """Finds bright spots by construction."""
    model = small_model(seed, **given)
    model.encoder = Brightness(model.config.descriptor_size)  # type: ignore[assignment]
    return model

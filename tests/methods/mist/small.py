"""MIST classifiers small enough for a test, and images of bright spots that tell where a peak must be."""

from typing import Any

import torch
from torch import Tensor, nn

from boxless.methods.mist.classification.model import MistClassifier
from boxless.methods.mist.config import MistClassifierConfig
from boxless.ops.blur import gaussian_blur


def small_config(**given: Any) -> MistClassifierConfig:
    settings = {
        "class_names": ("a", "b", "c"),
        "instances": 3,
        "object_size": 8.0,
        "patch_size": 8,
        "heatmap_channels": 4,
        "heatmap_blocks": 1,
        "classifier_channels": (4, 4, 4),
        "softmax_size": 7,
        "suppression_size": 7,
        "border": 2,
    }
    return MistClassifierConfig(**(settings | given))


def small_model(seed: int = 0, **given: Any) -> MistClassifier:
    """Random weights, in eval mode."""
    torch.manual_seed(seed)
    return MistClassifier(small_config(**given)).eval()


class Brightness(nn.Module):
    """A heatmap network whose scores are the blurred image: local, and highest at the middle of a spot."""

    margin = 5  # pixels that a score depends on, to each side

    def __init__(self) -> None:
        super().__init__()
        self.largest = 0  # longest side of an image seen

    def forward(self, images: Tensor, extents: Tensor | None = None) -> Tensor:
        self.largest = max(self.largest, *images.shape[2:])
        return gaussian_blur(images.mean(1, keepdim=True), 5 / 3)


def spotting_model(seed: int = 0, **given: Any) -> MistClassifier:
    """Finds bright spots by construction; a random classifier, and scores that are its probabilities."""
    model = small_model(seed, **given)
    model.heatmap_net = Brightness()  # type: ignore[assignment]
    model.peak_height = torch.tensor(1e-9)  # every peak is higher: its height leaves the scores alone
    return model


def spots(places: list[tuple[float, float]], height: int = 30, width: int = 44, channels: int = 1) -> Tensor:
    """(channels, height, width): Gaussian spots of unequal height at (x, y), the first brightest."""
    y, x = torch.meshgrid(torch.arange(float(height)), torch.arange(float(width)), indexing="ij")
    image = torch.zeros(height, width)
    for number, (left, top) in enumerate(places):
        image += (1 - 0.1 * number) * torch.exp(-((x - left) ** 2 + (y - top) ** 2) / 4)
    return image.clamp(0, 1).expand(channels, -1, -1).clone()

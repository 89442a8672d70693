"""A plain version of TUSK to measure against: fp32, eager, contiguous, torch's own GroupNorm and MaxPool2d.

The same networks and losses; the encoder runs anew for each step of the prototypes, and on the image and its warp one
after the other; keypoints and warps are computed by the project's functions in both.
"""

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from boxless.methods.tusk.config import TuskConfig


class Block(nn.Sequential):
    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(
            nn.Conv2d(inputs, outputs, 3, padding=1),
            nn.GroupNorm(1, outputs),
            nn.ReLU(),
            nn.Conv2d(outputs, outputs, 3, padding=1),
            nn.GroupNorm(1, outputs),
            nn.ReLU(),
        )


class UNet(nn.Module):
    def __init__(self, inputs: int, channels: tuple[int, ...], outputs: int) -> None:
        super().__init__()
        widths = [inputs, *channels]
        self.down = nn.ModuleList(Block(a, b) for a, b in zip(widths, channels, strict=False))
        pairs = list(pairwise(channels))[::-1]
        self.up = nn.ModuleList(nn.ConvTranspose2d(lower, upper, 2, stride=2) for upper, lower in pairs)
        self.merge = nn.ModuleList(Block(2 * upper, upper) for upper, _ in pairs)
        self.leave = nn.Conv2d(channels[0], outputs, 1)

    def forward(self, x: Tensor) -> Tensor:
        levels: list[Tensor] = []
        for number, down in enumerate(self.down):
            levels.append(down(F.max_pool2d(levels[-1], 2) if number else x))
        y = levels.pop()
        for up, merge in zip(self.up, self.merge, strict=True):
            y = merge(torch.cat((levels.pop(), up(y)), dim=1))
        out: Tensor = self.leave(y)
        return out


def encoder(config: TuskConfig) -> nn.Module:
    return UNet(config.channels, config.net_channels, 1 + config.descriptor_size)


def decoder(config: TuskConfig) -> nn.Module:
    return UNet(config.descriptor_size, config.net_channels, config.channels)


def draw(centers: Tensor, descriptors: Tensor, scores: Tensor, side: int, variance: float) -> Tensor:
    """Each keypoint's map, (B, K, C, H, W), then their sum."""
    line = torch.arange(float(side))
    y = (line.view(1, 1, -1, 1) - centers[..., 1, None, None]).square()
    x = (line.view(1, 1, 1, -1) - centers[..., 0, None, None]).square()
    gaussian = torch.exp(-(x + y) / (2 * variance))
    gaussian = gaussian / gaussian.sum((2, 3), keepdim=True).clamp_min(1e-12)
    maps = (scores.unsqueeze(-1) * descriptors)[..., None, None] * gaussian.unsqueeze(2)
    return maps.sum(1)

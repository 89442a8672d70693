"""Plain versions of MIST's networks to measure against: fp32, eager, contiguous, torch's own GroupNorm.

The same networks, the same number of passes; nothing clever.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from boxless.methods.mist.config import MistConfig
from boxless.methods.mist.model import Keypoints


class Block(nn.Module):
    def __init__(self, inputs: int, outputs: int, padding: int, kernel: int = 3) -> None:
        super().__init__()
        self.trim = 0 if padding or kernel == 1 else 2
        self.norm1, self.norm2 = nn.GroupNorm(1, inputs), nn.GroupNorm(1, outputs)
        self.conv1 = nn.Conv2d(inputs, outputs, kernel, padding=padding)
        self.conv2 = nn.Conv2d(outputs, outputs, kernel, padding=padding)
        self.shortcut = nn.Identity() if inputs == outputs else nn.Conv2d(inputs, outputs, 1)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.conv2(F.relu(self.norm2(self.conv1(F.relu(self.norm1(x))))))
        x = self.shortcut(x)
        return y + (x[:, :, self.trim : -self.trim, self.trim : -self.trim] if self.trim else x)


def heatmap_net(config: MistConfig) -> nn.Module:
    width = config.heatmap_channels
    return nn.Sequential(
        nn.ReplicationPad2d(2 * config.heatmap_blocks),
        nn.BatchNorm2d(config.channels),
        nn.Conv2d(config.channels, width, 1),
        *(Block(width, width, padding=0) for _ in range(config.heatmap_blocks)),
        nn.Conv2d(width, 1, 1),
    )


def encoder(inputs: int, channels: tuple[int, ...]) -> nn.Module:
    """Patches (N, C, P, P) to codes (N, F, 1, 1)."""
    layers: list[nn.Module] = []
    previous = inputs
    for width in channels:
        layers += [Block(previous if i == 0 else width, width, padding=1) for i in range(3)]
        layers.append(nn.MaxPool2d(2))
        previous = width
    return nn.Sequential(*layers, *(Block(previous, previous, padding=0, kernel=1) for _ in range(3)))


def decoder(outputs: int, channels: tuple[int, ...]) -> nn.Module:
    """Codes (N, F, 1, 1) to patches (N, C, P, P), unbounded."""
    previous = channels[-1]
    layers: list[nn.Module] = [Block(previous, previous, padding=0, kernel=1) for _ in range(3)]
    for width in reversed(channels):
        layers.append(nn.ConvTranspose2d(previous, width, 2, stride=2))
        layers += [Block(width, width, padding=1) for _ in range(3)]
        previous = width
    return nn.Sequential(*layers, nn.Conv2d(previous, outputs, 1))


def responses(network: nn.Module, images: Tensor, config: MistConfig) -> Tensor:
    """The local softmax of each scale, (B, S, H, W)."""
    size = list(images.shape[2:])
    found = []
    for scale in config.scales:
        resized = images if scale == 1.0 else _resize(images, [round(side / scale) for side in size])
        own = local_softmax(network(resized), config.softmax_size, config.softmax_strength)
        found.append(own if scale == 1.0 else _resize(own, size))
    return torch.cat(found, dim=1)


def _resize(images: Tensor, size: list[int]) -> Tensor:
    return F.interpolate(images, size=size, mode="bilinear", align_corners=False, antialias=True)


def local_softmax(scores: Tensor, size: int, strength: float) -> Tensor:
    raised = torch.exp(strength * (scores - scores.amax(dim=(2, 3), keepdim=True)))
    total = F.avg_pool2d(raised, size, stride=1, padding=size // 2, divisor_override=1)
    return raised / (total + 1e-6)


def crop(images: Tensor, keypoints: Keypoints, samples: int) -> Tensor:
    """(B, C, H, W) and N keypoints to (B·N, C, P, P) by ``grid_sample``."""
    batch, n = keypoints.sides.shape
    height, width = images.shape[-2:]
    cell = ((torch.arange(samples) + 0.5) / samples - 0.5) * keypoints.sides.unsqueeze(-1)
    x = (keypoints.centers[..., 0, None] + cell) * 2 / (width - 1) - 1
    y = (keypoints.centers[..., 1, None] + cell) * 2 / (height - 1) - 1
    grid = torch.stack(
        (x[:, :, None, :].expand(batch, n, samples, samples), y[:, :, :, None].expand(batch, n, samples, samples)), -1
    )
    many = images.unsqueeze(1).expand(-1, n, -1, -1, -1).flatten(0, 1)
    return F.grid_sample(many, grid.flatten(0, 1), align_corners=True)

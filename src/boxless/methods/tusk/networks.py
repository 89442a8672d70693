"""The encoder and the decoder of TUSK (section 3, table 6)."""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from boxless.nets.unet import UNet

DARK = -2.0  # logit of a new decoder's pixels: images are mostly background
FAINT = -2.0  # logit of a new encoder's heatmap: near the middle of the sigmoid the best peak is hardly above others


class Maps(NamedTuple):
    """What the encoder says of images."""

    scores: Tensor  # (B, H, W) float32 in [0, 1]: the heatmap after the sigmoid
    features: Tensor  # (B, C, H, W) float32, of any length

    def part(self, first: int, last: int) -> "Maps":
        """Those of some images of the batch."""
        return Maps(self.scores[first:last], self.features[first:last])


class Encoder(nn.Module):
    """U-Net to one heatmap and one feature map, each by a 1×1 convolution.

    That of the features has no bias: a constant is in no descriptor's favour.

    Args:
        inputs: channels of the image.
        channels: of each level.
        features: channels of the feature map.
    """

    def __init__(self, inputs: int, channels: tuple[int, ...], features: int) -> None:
        super().__init__()
        self.unet = UNet(inputs, channels)
        self.to_score = nn.Conv2d(channels[0], 1, 1)
        self.to_features = nn.Conv2d(channels[0], features, 1, bias=False)
        assert self.to_score.bias is not None
        nn.init.constant_(self.to_score.bias, FAINT)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """(B, C, H, W) in [0, 1] to scores (B, 1, H, W), unbounded, and features (B, F, H, W)."""
        trunk = self.unet(images)
        return self.to_score(trunk), self.to_features(trunk)


class Decoder(nn.Module):
    """U-Net from a map of descriptors to pixels.

    Args:
        inputs: channels of the descriptors.
        channels: of each level.
        outputs: channels of the image, with opacity one more, the last.
    """

    def __init__(self, inputs: int, channels: tuple[int, ...], outputs: int) -> None:
        super().__init__()
        self.unet = UNet(inputs, channels)
        self.to_pixels = nn.Conv2d(channels[0], outputs, 1)
        assert self.to_pixels.bias is not None
        nn.init.constant_(self.to_pixels.bias, DARK)

    def forward(self, maps: Tensor) -> Tensor:
        """(N, F, H, W) to (N, outputs, H, W), unbounded: a sigmoid makes pixels of it."""
        pixels: Tensor = self.to_pixels(self.unet(maps))
        return pixels


def unit(vectors: Tensor, dim: int = -1) -> Tensor:
    """Vectors of length 1; those shorter than a thousandth, which have no direction to speak of, come out shorter."""
    return vectors * torch.rsqrt(vectors.square().sum(dim=dim, keepdim=True) + 1e-6)

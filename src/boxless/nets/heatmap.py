"""The heatmap network H_η of MIST: full resolution, residual, one score a pixel (supplement A)."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from boxless.nets.residual import ResidualBlock
from boxless.ops.layout import channels_last
from boxless.ops.padding import inside


class HeatmapNet(nn.Module):
    """Padding, batch norm of the input, 1×1 convolution, residual blocks without padding, 1×1 to one score.

    The padding is what the blocks take off, so the score map is as large as the image. It repeats the edge; the
    reflection of the release shows objects near the edge twice, and peaks were drawn from them to the edge.

    Args:
        inputs: channels of the image.
        channels: channels inside.
        blocks: residual blocks; each sees 2 pixels further.
    """

    def __init__(self, inputs: int, channels: int = 32, blocks: int = 4) -> None:
        super().__init__()
        self.margin = 2 * blocks
        self.normalise = nn.BatchNorm2d(inputs)
        self.enter = nn.Conv2d(inputs, channels, 1)
        self.blocks = nn.Sequential(*(ResidualBlock(channels, channels, padded=False) for _ in range(blocks)))
        self.leave = nn.Conv2d(channels, 1, 1)

    def forward(self, images: Tensor, extents: Tensor | None = None) -> Tensor:
        """(B, C, H, W) in [0, 1] to scores (B, 1, H, W), unbounded.

        Args:
            images: of one size.
            extents: (B, 2) height and width of the part of each image that is no padding. That part has the scores that
                it has alone, but for the statistics of the input in training: the blocks normalise over all that they
                see. Elsewhere scores are zero.
        """
        if extents is None:
            return self._scores(self.normalise(self._padded(images)))
        normalised = self._normalised(images, inside(extents, 0, images))
        scores = images.new_zeros((len(images), 1, *images.shape[2:]))
        sizes, group = extents.long().unique(dim=0, return_inverse=True)
        for number, (height, width) in enumerate(sizes.tolist()):
            alike = group == number
            scores[alike, :, :height, :width] = self._scores(self._padded(normalised[alike, :, :height, :width])).to(
                scores.dtype
            )
        return scores

    def _normalised(self, images: Tensor, within: Tensor) -> Tensor:
        """Images by the statistics of their own pixels, where ``within`` (B, H, W) is true; zero elsewhere."""
        pixels = images.movedim(1, 3)[within]
        normalised = torch.zeros_like(images)
        normalised.movedim(1, 3)[within] = self.normalise(pixels.T[None, :, :, None])[0, :, :, 0].T.to(images.dtype)
        return normalised

    def _padded(self, images: Tensor) -> Tensor:
        return F.pad(images, (self.margin,) * 4, mode="replicate")

    def _scores(self, padded: Tensor) -> Tensor:
        scores: Tensor = self.leave(self.blocks(self.enter(channels_last(padded))))
        return scores


def init_for_relu(module: nn.Module) -> None:
    """Kaiming-uniform weights and zero biases for every convolution of a network."""
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_uniform_(layer.weight, nonlinearity="relu")
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)

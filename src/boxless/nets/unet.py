"""U-Net (Ronneberger 2015): an image to a map of features as large as it (TUSK, section 3.1 and table 6)."""

from itertools import pairwise

import torch
from torch import Tensor, nn

from boxless.nets.residual import LayerNorm
from boxless.ops.opaque import halve
from boxless.ops.relu import relu_


class DoubleConv(nn.Module):
    """Twice a 3×3 convolution, layer normalisation and ReLU.

    Args:
        inputs: channels that come in.
        outputs: channels that go out.
    """

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, padding=1)
        self.norm1 = LayerNorm(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1)
        self.norm2 = LayerNorm(outputs)

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, H, W) to (B, outputs, H, W), not negative."""
        x = relu_(self.norm1(self.conv1(x)))
        return relu_(self.norm2(self.conv2(x)))


class UNet(nn.Module):
    """Levels of two convolutions and 2×2 max pooling, and the way up again beside what each level has seen.

    Group normalisation with one group, as the release has it with more (PROTOCOL 4): a score depends on no other image
    of the batch, but on the padding that makes them as large.

    Args:
        inputs: channels that come in.
        channels: of each level; the first is also that of the features.
    """

    def __init__(self, inputs: int, channels: tuple[int, ...] = (32, 64, 128, 256)) -> None:
        super().__init__()
        self.multiple = 2 ** (len(channels) - 1)
        steps = list(pairwise(channels))  # from each level to the one below
        self.enter = DoubleConv(inputs, channels[0])
        self.down = nn.ModuleList(DoubleConv(upper, lower) for upper, lower in steps)
        self.up = nn.ModuleList(nn.ConvTranspose2d(lower, upper, 2, stride=2) for upper, lower in reversed(steps))
        self.merge = nn.ModuleList(DoubleConv(2 * upper, upper) for upper, _ in reversed(steps))

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, H, W) to (B, channels[0], H, W), of any size: the border is repeated to the right and below."""
        height, width = x.shape[-2:]
        levels = [self.enter(_longer(_longer(x, 2, self.multiple), 3, self.multiple))]
        for down in self.down:
            levels.append(down(halve(levels[-1])))
        y: Tensor = levels.pop()
        for up, merge in zip(self.up, self.merge, strict=True):
            y = merge(torch.cat((levels.pop(), up(y)), dim=1))
        return y[:, :, :height, :width]


def _longer(x: Tensor, dim: int, multiple: int) -> Tensor:
    """The last row, or column, repeated until their number is a multiple.

    ``F.pad`` with "replicate" does the same, but its gradient fails in a compiled network whose input has one and is in
    channels_last (torch 2.13 on a CPU).
    """
    missing = -x.shape[dim] % multiple
    if missing == 0:
        return x
    return torch.cat((x, x.narrow(dim, x.shape[dim] - 1, 1).repeat_interleave(missing, dim)), dim)

"""Residual blocks with layer normalisation before each convolution (MIST, supplement C.1)."""

import torch
from torch import Tensor, nn

from boxless.ops.layer_norm import layer_norm
from boxless.ops.opaque import halve, trim
from boxless.ops.relu import relu_
from boxless.ops.small_maps import convolve_small, sees_all


class LayerNorm(nn.Module):
    """Normalise each sample over channels, rows and columns, then scale and shift each channel: GroupNorm(1).

    Args:
        channels: of the input.
        eps: added to the variance.
    """

    def __init__(self, channels: int, eps: float = 1e-5) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to (B, C, H, W), same type."""
        return layer_norm(x, self.weight, self.bias, self.eps)


class SameConv2d(nn.Conv2d):
    """A convolution that keeps the size of its maps, zeros around them; of small ones a matrix product.

    Args:
        inputs: channels that come in.
        outputs: channels that go out.
        kernel: its odd side.
    """

    bias: nn.Parameter

    def __init__(self, inputs: int, outputs: int, kernel: int) -> None:
        super().__init__(inputs, outputs, kernel, padding=kernel // 2)

    def forward(self, maps: Tensor) -> Tensor:
        """(B, inputs, H, W) to (B, outputs, H, W)."""
        if sees_all((maps.shape[2], maps.shape[3]), self.kernel_size[0]):
            return convolve_small(maps, self.weight, self.bias)
        return super().forward(maps)


class ResidualBlock(nn.Module):
    """Two times normalise, ReLU, 3×3 convolution; beside them the input, through 1×1 where the channels differ.

    Args:
        inputs: channels that come in.
        outputs: channels that go out.
        padded: keep the size (zeros around); else the block takes 2 pixels off each side.
        kernel: side of the convolutions; 1 for maps of a single pixel, where a 3×3 kernel only meets its padding.
    """

    def __init__(self, inputs: int, outputs: int, padded: bool = True, kernel: int = 3) -> None:
        super().__init__()
        convolution = SameConv2d if padded else nn.Conv2d
        self.trim = 0 if padded else 2 * (kernel // 2)
        self.norm1 = LayerNorm(inputs)
        self.conv1 = convolution(inputs, outputs, kernel)
        self.norm2 = LayerNorm(outputs)
        self.conv2 = convolution(outputs, outputs, kernel)
        self.shortcut: nn.Module = nn.Identity() if inputs == outputs else nn.Conv2d(inputs, outputs, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, H, W) to (B, outputs, H, W), or to (B, outputs, H − 4, W − 4) without padding."""
        y = self.conv1(relu_(self.norm1(x)))  # in place: memory that is new costs most outside compile
        y = self.conv2(relu_(self.norm2(y)))
        x = self.shortcut(x)
        if self.trim:
            x = trim(x, self.trim)
        output: Tensor = y.add_(x)
        return output


class HalvingMaxPool(nn.Module):
    """2×2 max pooling of stride 2, see :func:`boxless.ops.opaque.halve`."""

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to (B, C, H // 2, W // 2)."""
        return halve(x)


class PyramidEncoder(nn.Module):
    """Levels of three residual blocks and 2×2 max pooling, the channels doubling; three more blocks at the end.

    With five levels a 32×32 patch ends as one pixel (MIST, supplement C.1: the encoder of the auto-encoder). There the
    last blocks have 1×1 kernels: the outer weights of 3×3 kernels would only ever meet the padding.

    Args:
        inputs: channels of the patch.
        channels: channels of each level.
        blocks: residual blocks of each level.
    """

    def __init__(self, inputs: int, channels: tuple[int, ...] = (8, 16, 32, 64, 128), blocks: int = 3) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        previous = inputs
        for width in channels:
            layers += [ResidualBlock(previous if i == 0 else width, width) for i in range(blocks)]
            layers.append(HalvingMaxPool())
            previous = width
        layers += [ResidualBlock(previous, previous, kernel=1) for _ in range(blocks)]
        self.layers = nn.Sequential(*layers)
        self.features = previous

    def forward(self, patches: Tensor) -> Tensor:
        """(N, C, P, P) to (N, F, P/2^levels, P/2^levels)."""
        output: Tensor = self.layers(patches)
        return output


class PyramidDecoder(nn.Module):
    """The way back of :class:`PyramidEncoder`: at each level 2×2 transposed convolutions of stride 2 and three blocks.

    Args:
        outputs: channels of the patch.
        channels: of each level of the encoder, in its order.
        blocks: residual blocks of each level.
    """

    def __init__(self, outputs: int, channels: tuple[int, ...] = (8, 16, 32, 64, 128), blocks: int = 3) -> None:
        super().__init__()
        previous = channels[-1]
        layers: list[nn.Module] = [ResidualBlock(previous, previous, kernel=1) for _ in range(blocks)]
        for width in reversed(channels):
            layers.append(nn.ConvTranspose2d(previous, width, 2, stride=2))
            layers += [ResidualBlock(width, width) for _ in range(blocks)]
            previous = width
        layers.append(nn.Conv2d(previous, outputs, 1))
        self.layers = nn.Sequential(*layers)

    def forward(self, codes: Tensor) -> Tensor:
        """(N, F, p, p) to (N, outputs, p·2^levels, p·2^levels), unbounded."""
        output: Tensor = self.layers(codes)
        return output

"""All-convolutional networks: no pooling, shortcuts or dense layers, so images of any size (MCMIL, section 5)."""

from collections.abc import Sequence
from typing import NamedTuple

from torch import Tensor, nn

SLOPE = 0.1  # of the leaky ReLU below zero (PROTOCOL §4)


class Layer(NamedTuple):
    """One convolution with a square kernel."""

    channels: int  # that go out
    kernel: int
    stride: int
    padding: int  # of zeros, on each side


class AllConvolutional(nn.Module):
    """Convolutions with leaky ReLU between them.

    Args:
        inputs: channels of the image.
        layers: in order; the last one's channels are the outputs.
    """

    def __init__(self, inputs: int, layers: Sequence[Layer]) -> None:
        super().__init__()
        modules: list[nn.Module] = []
        previous = inputs
        for layer in layers:
            convolution = nn.Conv2d(previous, layer.channels, layer.kernel, layer.stride, layer.padding)
            nn.init.kaiming_normal_(convolution.weight, SLOPE)
            nn.init.zeros_(convolution.bias)  # type: ignore[arg-type]  # there is one
            modules += [convolution, nn.LeakyReLU(SLOPE, inplace=True)]
            previous = layer.channels
        self.layers = nn.Sequential(*modules[:-1])

    @property
    def last(self) -> nn.Conv2d:
        """The convolution whose channels are the outputs."""
        convolution = self.layers[-1]
        assert isinstance(convolution, nn.Conv2d)
        return convolution

    def forward(self, images: Tensor) -> Tensor:
        """(B, inputs, H, W) to (B, outputs, M, N)."""
        maps: Tensor = self.layers(images)
        return maps


class Geometry(NamedTuple):
    """Where the places of a map lie in the image, along one axis."""

    first: float  # pixel that the first place looks at, the middle of what it sees
    step: int  # pixels from one place to the next
    seen: int  # pixels along the axis that a place sees


def geometry(layers: Sequence[Layer]) -> Geometry:
    """The geometry of the map that these layers make."""
    first, step, seen = 0.0, 1, 1
    for layer in layers:
        first += step * ((layer.kernel - 1) / 2 - layer.padding)
        seen += step * (layer.kernel - 1)
        step *= layer.stride
    return Geometry(first, step, seen)


def places_along(layers: Sequence[Layer], pixels: Tensor) -> Tensor:
    """How many places of the map lie along an axis of so many pixels, (N,) int64; 0 where there are too few."""
    places = pixels
    for layer in layers:
        places = ((places + 2 * layer.padding - layer.kernel).div(layer.stride, rounding_mode="floor") + 1).clamp_min(0)
    return places


def least_side(layers: Sequence[Layer]) -> int:
    """The least number of pixels along an axis that gives a place."""
    side = 1
    for layer in reversed(layers):
        side = max(1, (side - 1) * layer.stride + layer.kernel - 2 * layer.padding)
    return side

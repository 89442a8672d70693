"""SqueezeNet 1.0 (Iandola 2016) up to stride 16: a real backbone of 5 MB, in plain torch."""

import os
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from boxless.errors import BoxlessError
from boxless.nets.heatmap import init_for_relu

WEIGHTS_FILE = "weights/squeezenet1_0.npz"  # in the folder that BOXLESS_DATA names
MEAN_BGR = (104.0, 117.0, 123.0)
PADDING = 9  # pixels around the image, which put the first cell on pixel 8: as far from its border as the last one


class Fire(nn.Module):
    """1×1 convolution to few channels, then 1×1 and 3×3 side by side, each with a ReLU.

    Args:
        inputs: channels that come in.
        squeezed: channels between.
        expanded: channels of each of the two; twice as many go out.
    """

    def __init__(self, inputs: int, squeezed: int, expanded: int) -> None:
        super().__init__()
        self.squeeze1x1 = nn.Conv2d(inputs, squeezed, 1)
        self.expand1x1 = nn.Conv2d(squeezed, expanded, 1)
        self.expand3x3 = nn.Conv2d(squeezed, expanded, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, H, W) to (B, 2 · expanded, H, W)."""
        x = F.relu(self.squeeze1x1(x))
        return F.relu(torch.cat((self.expand1x1(x), self.expand3x3(x)), dim=1))


class SqueezeNet(nn.Module):
    """All but the last convolution, which names ImageNet's classes; 512 channels, a cell every 16 pixels.

    ``first`` is the pixel on which the middle of cell 0 lies: convolution and pooling without padding see it from
    pixel 17 − ``PADDING``.
    """

    channels = 512
    stride = 16
    first = 17.0 - PADDING

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 96, 7, stride=2)
        self.fire2 = Fire(96, 16, 64)
        self.fire3 = Fire(128, 16, 64)
        self.fire4 = Fire(128, 32, 128)
        self.fire5 = Fire(256, 32, 128)
        self.fire6 = Fire(256, 48, 192)
        self.fire7 = Fire(384, 48, 192)
        self.fire8 = Fire(384, 64, 256)
        self.fire9 = Fire(512, 64, 256)
        init_for_relu(self)

    def normalise(self, images: Tensor) -> Tensor:
        """RGB in [0, 1], (B, 3, H, W), to BGR in [0, 255] less ImageNet's mean."""
        return 255.0 * images.flip(1) - images.new_tensor(MEAN_BGR).view(1, 3, 1, 1)

    def forward(self, normalised: Tensor) -> Tensor:
        """(B, 3, H, W) to (B, 512, H', W'), with H' about H / 16."""
        return self.levels(normalised)[-1]

    def levels(self, normalised: Tensor) -> list[Tensor]:
        """The features before each pooling and the last ones, at strides of 2, 4, 8 and 16; not negative."""
        first = F.relu(self.conv1(F.pad(normalised, (PADDING,) * 4)))
        second = self.fire4(self.fire3(self.fire2(_pooled(first))))
        third = self.fire8(self.fire7(self.fire6(self.fire5(_pooled(second)))))
        return [first, second, third, self.fire9(_pooled(third))]

    def read_pretrained(self) -> None:
        """Take ImageNet's weights, from ``$BOXLESS_DATA/weights/squeezenet1_0.npz``.

        Raises:
            BoxlessError: the file is not there, or does not hold them.
        """
        path = Path(os.environ.get("BOXLESS_DATA", "")) / WEIGHTS_FILE
        if "BOXLESS_DATA" not in os.environ or not path.is_file():
            raise BoxlessError(
                f"SqueezeNet's weights are not there: put {WEIGHTS_FILE} into the folder that the variable "
                "BOXLESS_DATA names, or train with --training.pretrained false."
            )
        wanted = self.state_dict()
        try:
            with np.load(path, allow_pickle=False) as file:
                weights = {name: torch.from_numpy(file[name.replace(".", "/", name.count(".") - 1)]) for name in wanted}
            self.load_state_dict(weights)
        except (OSError, ValueError, KeyError, RuntimeError) as error:
            raise BoxlessError(f"{path} does not hold the weights of SqueezeNet 1.0; copy it again.") from error


def _pooled(x: Tensor) -> Tensor:
    return F.max_pool2d(x, 3, stride=2, ceil_mode=True)

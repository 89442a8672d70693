"""VGG16 (Simonyan 2015) up to stride 8, in plain torch; ImageNet's weights are torchvision's (an extra)."""

from importlib import import_module

import torch.nn.functional as F
from torch import Tensor, nn

from boxless.errors import BoxlessError
from boxless.nets.heatmap import init_for_relu
from boxless.nets.imagenet import normalised

VGG16 = "vgg16"
WIDTHS = (64, 128, 256, 512)  # of each level
DEPTHS = (2, 2, 3, 3)  # convolutions of each level


class Vgg16(nn.Module):
    """The first four levels of 3×3 convolutions, each after the first begun by 2×2 max pooling."""

    def __init__(self) -> None:
        super().__init__()
        inputs = (3, *WIDTHS)
        self.blocks = nn.ModuleList(
            nn.Sequential(
                *(
                    layer
                    for turn in range(DEPTHS[level])
                    for layer in (nn.Conv2d(inputs[level + (turn > 0)], width, 3, padding=1), nn.ReLU())
                )
            )
            for level, width in enumerate(WIDTHS)
        )
        init_for_relu(self)

    def normalise(self, images: Tensor) -> Tensor:
        """RGB in [0, 1], (B, 3, H, W), to a mean of 0 and a deviation of 1 over ImageNet."""
        return normalised(images)

    def levels(self, normalised: Tensor) -> list[Tensor]:
        """relu1_2, relu2_2, relu3_3 and relu4_3 (Johnson 2016), at strides of 1, 2, 4 and 8; not negative."""
        found: list[Tensor] = []
        x = normalised
        for level, block in enumerate(self.blocks):
            x = F.max_pool2d(x, 2) if level else x
            x = block(x)
            found.append(x)
        return found

    def read_pretrained(self) -> None:
        """Take ImageNet's weights, which torchvision downloads once.

        Raises:
            BoxlessError: torchvision is missing, or the weights cannot be had.
        """
        try:
            published = import_module("torchvision.models").VGG16_Weights.IMAGENET1K_V1.get_state_dict(check_hash=True)
        except ImportError as error:
            raise BoxlessError(
                "VGG16's weights come with torchvision: pip install 'boxless[torchvision]', "
                "or take training.perceptual_network: squeezenet."
            ) from error
        except OSError as error:
            raise BoxlessError(
                "VGG16's weights cannot be downloaded; check the network, or take training.perceptual_network: "
                "squeezenet."
            ) from error
        rows = [tensor for name, tensor in published.items() if name.startswith("features.")]  # in the order of layers
        self.load_state_dict(dict(zip(self.state_dict(), rows, strict=False)))

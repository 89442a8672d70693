"""Frozen backbones: a coarse map of features of an image, by a network that was trained on others.

Conventions
    Cell (0, 0) of the map lies with its middle on pixel (``first``, ``first``) of the image, and cells are ``stride``
    pixels apart. ``first`` is each network's own: a ResNet, whose kernels are odd and padded alike on both sides, has
    it on pixel 0; a network of disjoint patches in the middle of the first patch, on (stride − 1) / 2.
"""

import json
from importlib import import_module
from typing import Any, Protocol, Self

import torch
from torch import Tensor, nn

from boxless.errors import BoxlessError
from boxless.nets.imagenet import normalised
from boxless.nets.squeezenet import SqueezeNet
from boxless.ops.layout import channels_last

SQUEEZENET = "squeezenet"
STAGES = 3  # of a network in stages of stride 4, 8, 16, 32; the rest is left out
LEVELS = 4  # of a network without stages, equally far apart


class FeatureNet(Protocol):
    """What a :class:`Backbone` holds, a module: its map's channels, stride and ``first``, and what it expects."""

    channels: int
    stride: int
    first: float

    def normalise(self, images: Tensor) -> Tensor: ...
    def __call__(self, normalised: Tensor) -> Tensor: ...
    def read_pretrained(self) -> None: ...


class Backbone(nn.Module):
    """A network whose weights never change: without gradients and in eval mode, whatever is around it.

    It has random weights until :meth:`read_pretrained` or the loading of a saved model: building it takes no weights
    from the network or the disk.

    Args:
        name: "squeezenet", or a model of Hugging Face's hub with a backbone, as "microsoft/resnet-34" or
            "facebook/dinov2-small", for which transformers must be there.
        architecture: of a model of the hub, as this class's attribute of that name; without it the hub is asked.

    Raises:
        BoxlessError: the architecture cannot be had or built, or transformers is missing.
    """

    def __init__(self, name: str, architecture: str = "") -> None:
        super().__init__()
        self.architecture = "" if name == SQUEEZENET else architecture or _architecture_of(name)
        self.net: FeatureNet = SqueezeNet() if name == SQUEEZENET else HubNet(name, self.architecture)
        self.requires_grad_(False)
        self.eval()

    @property
    def channels(self) -> int:
        """Of the features."""
        return self.net.channels

    @property
    def stride(self) -> int:
        """Pixels from a cell to the next."""
        return self.net.stride

    @property
    def first(self) -> float:
        """Pixel on which the middle of the first cell lies, in x and in y."""
        return self.net.first

    def train(self, mode: bool = True) -> Self:
        """Stay in eval mode: statistics of batch norm are as frozen as weights."""
        return super().train(False)

    def read_pretrained(self) -> None:
        """Take the weights that the network was published with.

        Raises:
            BoxlessError: they cannot be had.
        """
        self.net.read_pretrained()
        self.requires_grad_(False)
        self.eval()

    @torch.no_grad()
    def forward(self, images: Tensor, within: Tensor | None = None) -> Tensor:
        """Features (B, channels, h, w) float32 of images (B, 3, H, W) in [0, 1].

        Those of each cell are scaled to a mean square of 1 over the channels, as networks differ in their magnitude.

        Args:
            images: RGB.
            within: (B, H, W) bool, false where an image is mere padding, which becomes the zero that networks pad with.
        """
        normalised = self.net.normalise(images)
        if within is not None:
            normalised = normalised * within.unsqueeze(1)
        features = self.net(channels_last(normalised)).float()
        # SqueezeNet's are in the tens: the first step of a head on them would end in a softmax without slope
        return features * features.square().mean(dim=1, keepdim=True).clamp_min(1e-12).rsqrt()

    def to_cells(self, points: Tensor) -> Tensor:
        """Pixels of the image, x or y, to cells of the map."""
        return (points - self.first) / self.stride

    def to_pixels(self, cells: Tensor) -> Tensor:
        """Cells of the map, x or y, to pixels of the image."""
        return self.first + self.stride * cells

    def cells_of(self, pixels: Tensor) -> Tensor:
        """How many cells have their middle within so many pixels from the border, int64."""
        return torch.floor(self.to_cells(pixels - 1.0)).long() + 1


class HubNet(nn.Module):
    """A backbone by transformers' AutoBackbone: of a network in stages the map of stride 16, else the last layer's.

    Args:
        name: of the model, for its weights.
        architecture: its configuration as JSON.

    Raises:
        BoxlessError: transformers is missing, or the architecture is none that it can build.
    """

    def __init__(self, name: str, architecture: str) -> None:
        super().__init__()
        transformers = _transformers(name)
        self.name = name
        try:
            settings = json.loads(architecture)
            settings.pop("auto_map", None)  # code of strangers
            self.config: Any = transformers.AutoConfig.for_model(**settings)
            self.net: Any = transformers.AutoBackbone.from_config(self.config, trust_remote_code=False)
            self.channels = int(self.net.channels[-1])
            in_stages = hasattr(self.config, "depths")
            self.stride = 16 if in_stages else int(self.config.patch_size)
        except (ValueError, TypeError, AttributeError, KeyError, ImportError) as error:
            raise BoxlessError(
                f"The architecture of {name} is none that transformers can build as backbone."
            ) from error
        self.first = 0.0 if self.config.model_type == "resnet" else (self.stride - 1) / 2

    def normalise(self, images: Tensor) -> Tensor:
        """RGB in [0, 1], (B, 3, H, W), to a mean of 0 and a deviation of 1 over ImageNet."""
        return normalised(images)

    def forward(self, normalised: Tensor) -> Tensor:
        """(B, 3, H, W) to (B, channels, h, w)."""
        features: Tensor = self.net(normalised).feature_maps[-1]
        return features

    def levels(self, normalised: Tensor) -> list[Tensor]:
        """The maps of all layers that the architecture gives out, the first one first."""
        return list(self.net(normalised).feature_maps)

    def read_pretrained(self) -> None:
        """Take the weights of the hub; what they hold beyond the stages in use is left out.

        Raises:
            BoxlessError: they cannot be had.
        """
        transformers = _transformers(self.name)
        try:
            self.net = transformers.AutoBackbone.from_pretrained(
                self.name, config=self.config, use_safetensors=True, trust_remote_code=False
            )
        except (OSError, ValueError) as error:
            raise BoxlessError(_not_had(self.name)) from error


def hub_net_of_levels(name: str) -> HubNet:
    """A network of the hub, with random weights, whose ``levels`` are its stages up to stride 16, the stem among them.

    Of one without stages they are four layers equally far apart, the last one among them.

    Raises:
        BoxlessError: see :class:`Backbone`.
    """
    config = json.loads(_architecture_of(name))
    return HubNet(name, json.dumps(config | {"out_features": _levels_of(config)}))


def _levels_of(config: dict[str, Any]) -> list[str]:
    if "depths" in config:
        return ["stem", *(f"stage{stage}" for stage in range(1, STAGES + 1))]
    layers = config["num_hidden_layers"]
    return [f"stage{number}" for number in sorted({-(-layers * level // LEVELS) for level in range(1, LEVELS + 1)})]


def _architecture_of(name: str) -> str:
    """The configuration of a model of the hub as JSON, cut to the stages in use."""
    transformers = _transformers(name)
    try:
        settings = transformers.AutoConfig.from_pretrained(name, trust_remote_code=False).to_diff_dict()
    except (OSError, ValueError) as error:
        raise BoxlessError(_not_had(name)) from error
    for derived in ("stage_names", "out_features", "out_indices", "architectures", "id2label", "label2id", "auto_map"):
        settings.pop(derived, None)
    if "depths" in settings:
        for rows in ("depths", "hidden_sizes", "num_heads"):
            if rows in settings:
                settings[rows] = settings[rows][:STAGES]
        settings["out_features"] = [f"stage{STAGES}"]
    return json.dumps(settings)


def _transformers(name: str) -> Any:
    try:
        return import_module("transformers")
    except ImportError as error:
        raise BoxlessError(
            f"The backbone {name} needs transformers: pip install 'boxless[transformers]', "
            f"or take the backbone {SQUEEZENET}."
        ) from error


def _not_had(name: str) -> str:
    return f"{name} cannot be had from Hugging Face's hub; check the name and the network, or take {SQUEEZENET}."

"""Against the layers in the order in which torchvision has them, which cannot be imported here."""

import sys
from collections.abc import Callable
from types import ModuleType, SimpleNamespace

import pytest
import torch
from torch import Tensor, nn

from boxless.errors import BoxlessError
from boxless.nets.vgg import Vgg16

CONFIGURATION = (64, 64, "M", 128, 128, "M", 256, 256, 256, "M", 512, 512, 512, "M", 512, 512, 512, "M")
RELU_1_2, RELU_2_2, RELU_3_3, RELU_4_3 = 3, 8, 15, 22  # of torchvision's layers


def published() -> nn.Module:
    layers: list[nn.Module] = []
    inputs = 3
    for entry in CONFIGURATION:
        if isinstance(entry, str):
            layers.append(nn.MaxPool2d(2, 2))
        else:
            layers += [nn.Conv2d(inputs, entry, 3, padding=1), nn.ReLU()]
            inputs = entry
    whole = nn.Module()
    whole.features = nn.Sequential(*layers)
    whole.classifier = nn.Linear(4, 2)
    return whole


def offer(monkeypatch: pytest.MonkeyPatch, get_state_dict: Callable[..., dict[str, Tensor]]) -> None:
    """A torchvision that has nothing but the weights."""
    models = ModuleType("torchvision.models")
    weights = SimpleNamespace(IMAGENET1K_V1=SimpleNamespace(get_state_dict=get_state_dict))
    models.VGG16_Weights = weights  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "torchvision", ModuleType("torchvision"))
    monkeypatch.setitem(sys.modules, "torchvision.models", models)


@torch.no_grad()
def test_with_the_published_weights_its_levels_are_those_of_the_published_layers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    torch.manual_seed(0)
    theirs = published()
    offer(monkeypatch, lambda check_hash: theirs.state_dict())
    ours = Vgg16()
    ours.read_pretrained()
    images = torch.rand(2, 3, 32, 48)
    x = ours.normalise(images)
    expected = []
    for number, layer in enumerate(theirs.features):  # type: ignore[arg-type]
        x = layer(x)
        if number in (RELU_1_2, RELU_2_2, RELU_3_3, RELU_4_3):
            expected.append(x)
    found = ours.levels(ours.normalise(images))
    assert [tuple(level.shape[1:]) for level in found] == [(64, 32, 48), (128, 16, 24), (256, 8, 12), (512, 4, 6)]
    for level, reference in zip(found, expected, strict=True):
        torch.testing.assert_close(level, reference)


def test_without_torchvision_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torchvision", None)
    with pytest.raises(BoxlessError, match=r"boxless\[torchvision\]"):
        Vgg16().read_pretrained()


def test_without_a_network_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable(check_hash: bool) -> dict[str, Tensor]:
        raise OSError("no route")

    offer(monkeypatch, unreachable)
    with pytest.raises(BoxlessError, match="cannot be downloaded"):
        Vgg16().read_pretrained()

import json
import sys

import pytest
import torch
from torch import Tensor

from boxless.errors import BoxlessError
from boxless.methods.tusk.losses import PerceptualLoss, squared_error
from boxless.nets.backbone import hub_net_of_levels
from boxless.nets.squeezenet import SqueezeNet


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed))


def test_squares_are_a_mean_over_channels_and_over_the_pixels_that_are_seen() -> None:
    rebuilt, images = random(2, 3, 4, 5), random(2, 3, 4, 5, seed=1)
    seen = random(2, 4, 5, seed=2) > 0.4
    ours = squared_error(rebuilt, images, seen)
    for b in range(2):
        own = seen[b].nonzero().tolist()
        errors = [(rebuilt[b, c, y, x] - images[b, c, y, x]).item() ** 2 for y, x in own for c in range(3)]
        assert ours[b].item() == pytest.approx(sum(errors) / len(errors), rel=1e-5)


def test_an_image_of_which_nothing_is_seen_has_no_loss() -> None:
    assert squared_error(random(1, 1, 4, 5), random(1, 1, 4, 5, seed=1), torch.zeros(1, 4, 5, dtype=torch.bool)) == 0


class TestPerceptual:
    def loss(self) -> PerceptualLoss:
        torch.manual_seed(0)
        return PerceptualLoss(SqueezeNet())

    def test_is_the_weighted_difference_of_the_levels(self) -> None:
        loss, seen = self.loss(), torch.ones(2, 48, 64, dtype=torch.bool)
        rebuilt, images = random(2, 3, 48, 64), random(2, 3, 48, 64, seed=1)
        network = loss.network
        levels = zip(*(network.levels(network.normalise(each)) for each in (rebuilt, images)), strict=True)
        terms = [(ours - theirs).abs().flatten(1).mean(1) / theirs.mean() for ours, theirs in levels]
        torch.testing.assert_close(loss(rebuilt, images, seen), sum(terms) / 4)

    def test_is_zero_for_the_image_itself_and_where_it_differs_unseen(self) -> None:
        loss, images = self.loss(), random(1, 1, 48, 64)
        seen = torch.ones(1, 48, 64, dtype=torch.bool)
        seen[:, :, 40:] = False
        other = images.clone()
        other[..., 40:] = 0.3
        assert loss(images, images, seen).item() == 0.0
        assert loss(other, images, seen).item() == 0.0
        assert loss(1 - images, images, seen).item() > 0.05

    def test_gradient_goes_to_the_rebuilt_image_and_to_no_weight(self) -> None:
        loss, rebuilt = self.loss(), random(1, 1, 32, 32).requires_grad_()
        value = loss(rebuilt, random(1, 1, 32, 32, seed=1), torch.ones(1, 32, 32, dtype=torch.bool))
        value.sum().backward()
        assert rebuilt.grad is not None
        assert rebuilt.grad.abs().max() > 0
        assert all(weight.grad is None for weight in loss.network.parameters())

    def test_without_the_weights_it_says_so(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("BOXLESS_DATA", raising=False)
        with pytest.raises(BoxlessError, match="SqueezeNet's weights are not there"):
            PerceptualLoss.by("squeezenet")

    def test_by_vgg16_needs_torchvision(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "torchvision", None)
        with pytest.raises(BoxlessError, match="torchvision"):
            PerceptualLoss.by("vgg16")

    def test_by_a_network_of_the_hub_needs_transformers(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "transformers", None)
        with pytest.raises(BoxlessError, match="microsoft/resnet-34 needs transformers"):
            PerceptualLoss.by("microsoft/resnet-34")

    @pytest.mark.parametrize(
        ("architecture", "sides"),
        [
            (
                {"model_type": "resnet", "embedding_size": 8, "hidden_sizes": [8, 12, 16], "depths": [1, 1, 1]}
                | {"layer_type": "basic"},
                [(14, 21), (14, 21), (7, 11), (4, 6)],
            ),
            (
                {"model_type": "dinov2", "hidden_size": 4, "num_hidden_layers": 6, "num_attention_heads": 1}
                | {"image_size": 28},
                [(4, 6)] * 4,
            ),
        ],
        ids=["stages", "patches"],
    )
    def test_a_network_of_the_hub_has_several_levels(
        self, architecture: dict[str, object], sides: list[tuple[int, int]], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The first is the stem's or an early layer's, the last the one that a detector looks at too."""
        pytest.importorskip("transformers")
        monkeypatch.setattr("boxless.nets.backbone._architecture_of", lambda name: json.dumps(architecture))
        torch.manual_seed(0)
        loss, images = PerceptualLoss(hub_net_of_levels("tiny")), random(1, 3, 56, 84)
        levels = loss.network.levels(loss.network.normalise(images))
        assert [tuple(level.shape[2:]) for level in levels] == sides
        seen = torch.ones(1, 56, 84, dtype=torch.bool)
        assert loss(images, images, seen).item() == 0.0
        assert loss(1 - images, images, seen).item() > 0.05

"""A MIST auto-encoder: what it finds is what it rebuilds images from."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.data import DataLoader

from boxless.data.batch import Batch
from boxless.errors import BoxlessError
from boxless.instances import Instances
from boxless.methods.mist import candidates
from boxless.methods.mist.config import MistReconstructorConfig, MistReconstructorTrainingConfig
from boxless.methods.mist.model import Extracted, Keypoints, Responses, background_of
from boxless.methods.mist.reconstruction.model import MistReconstructor
from boxless.methods.mist.reconstruction.training import MistReconstructorTraining
from boxless.ops.patches import crop, place
from tests.engine.bare import fit
from tests.methods.mist.small import Brightness, spots

pytestmark = pytest.mark.usefixtures("exact")

PLACES = [(10.0, 8.0), (30.0, 9.0), (21.0, 21.0)]


def small_reconstructor(**given: Any) -> MistReconstructor:
    settings: dict[str, Any] = {
        "instances": 3,
        "object_size": 8.0,
        "patch_size": 8,
        "heatmap_channels": 4,
        "heatmap_blocks": 1,
        "encoder_channels": (4, 4, 4),
        "softmax_size": 7,
        "suppression_size": 7,
        "border": 2,
    }
    torch.manual_seed(0)
    return MistReconstructor(MistReconstructorConfig(**(settings | given))).eval()


class Means(torch.nn.Module):
    """Codes of patches: their means."""

    def forward(self, patches: Tensor) -> Tensor:
        return patches.mean((2, 3))


class Copies(torch.nn.Module):
    """An auto-encoder that gives patches back as they are, and their means as codes."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = Means()
        self.unused = torch.nn.Parameter(torch.zeros(()))  # a model tells its device by its parameters

    def forward(self, patches: Tensor) -> tuple[Tensor, Tensor]:
        return patches, patches.mean((2, 3))


def copying_reconstructor(**given: Any) -> MistReconstructor:
    model = small_reconstructor(**given)
    model.heatmap_net = Brightness()  # type: ignore[assignment]
    model.autoencoder = Copies()  # type: ignore[assignment]
    return model


@pytest.mark.parametrize("patch_size", [8, 16])
@pytest.mark.parametrize("channels", [1, 3])
def test_an_image_is_rebuilt_by_placing_its_patches_on_its_background(patch_size: int, channels: int) -> None:
    image = 0.25 + 0.7 * spots(PLACES, channels=channels)
    levels = (4,) * (patch_size.bit_length() - 1)
    model = copying_reconstructor(
        channels=channels, object_size=12.0, patch_size=patch_size, encoder_channels=levels, suppression_size=11
    )
    rebuilt = model.reconstruct(image)
    centers = torch.from_numpy(model.detect(image).centers)[None]
    assert np.abs(centers[0].numpy() - np.array(PLACES)).max() <= 1.0
    sizes = torch.full_like(centers, 12.0)
    patches = crop(image[None], centers, sizes, patch_size)
    expected = (0.25 + place(patches, centers, sizes, (30, 44)))[0].clamp(0, 1).permute(1, 2, 0).numpy()
    assert rebuilt.shape == ((30, 44) if channels == 1 else (30, 44, 3))
    assert rebuilt.dtype == np.float32
    np.testing.assert_allclose(rebuilt, expected.reshape(rebuilt.shape), atol=1e-5)


def test_a_list_is_rebuilt_as_each_alone_whatever_their_sizes() -> None:
    model = copying_reconstructor()
    images = [spots(PLACES), spots([(9.0, 20.0)], height=32, width=30), spots(PLACES[:2])]
    together = model.reconstruct(images)
    for image, rebuilt in zip(images, together, strict=True):
        np.testing.assert_allclose(rebuilt, model.reconstruct(image), atol=1e-5)


def bells(heights: dict[tuple[int, int], float]) -> Tensor:
    """A response (1, 1, 30, 44) with a peak of each height at each place (x, y)."""
    y, x = torch.meshgrid(torch.arange(30.0), torch.arange(44.0), indexing="ij")
    peaks = [h * torch.exp(-((x - left) ** 2 + (y - top) ** 2) / 2) for (left, top), h in heights.items()]
    return torch.stack(peaks).sum(0)[None, None]


def test_a_peak_on_nothing_gives_way_to_a_lower_one_on_an_object() -> None:
    model, image = copying_reconstructor(), spots(PLACES)[None]
    response = bells({(38, 24): 0.9, (10, 8): 0.8, (30, 9): 0.7, (21, 21): 0.2})
    found = model.choose(image, Responses(response, response), 3)
    assert found.keypoints.centers[0].tolist() == [[10, 8], [30, 9], [21, 21]]
    assert found.heights[0].tolist() == pytest.approx([h - model.flat_height for h in (0.8, 0.7, 0.2)], abs=1e-3)
    assert found.valid.all()


def test_fillers_come_last_where_nothing_is_left_to_explain() -> None:
    model, image = copying_reconstructor(), spots(PLACES[:1])[None]
    response = bells({(10, 8): 0.9})
    found = model.choose(image, Responses(response, response), 3)
    assert found.keypoints.centers[0, 0].tolist() == [10, 8]
    assert found.valid[0, 0]
    assert found.valid.int().diff().max() <= 0


def test_no_place_is_taken_twice_even_where_its_patch_is_too_dim(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is left unexplained there would be worth a second patch; the peaks judged beside the K are the K here."""
    monkeypatch.setattr(candidates, "PEAKS_A_CANDIDATE", 0)
    model, image = copying_reconstructor(), spots(PLACES[:1])[None]
    model.autoencoder.register_forward_hook(lambda module, given, said: (0.4 * said[0], said[1]))
    response = bells({(10, 8): 0.9})
    found = model.choose(image, Responses(response, response), 3)
    assert len({tuple(place) for place in found.keypoints.centers[0].tolist()}) == 3


def test_an_image_that_is_shrunk_to_look_at_is_rebuilt_in_its_own_size() -> None:
    big = F.interpolate(spots(PLACES)[None], scale_factor=3, mode="bilinear", align_corners=False)[0]
    rebuilt = copying_reconstructor(max_side=44).reconstruct(big)
    assert rebuilt.shape == (90, 132)
    top = np.unravel_index(rebuilt.argmax(), rebuilt.shape)
    assert np.hypot(top[1] - 31.0, top[0] - 25.0) < 3  # the brightest spot, in pixels of the large image


def test_fillers_where_there_are_too_few_peaks_are_not_drawn() -> None:
    keypoints = Keypoints(torch.tensor([[[10.5, 8.5], [30.5, 20.5]]]), torch.full((1, 2), 8.0))
    found = Extracted(keypoints, torch.ones(1, 2), torch.tensor([[True, False]]))
    image = copying_reconstructor()._rebuilt(torch.full((1, 1, 30, 44), 0.5), torch.full((1, 2, 1, 8, 8), 0.25), found)
    assert torch.allclose(image[0, 0, 5:13, 7:15], torch.tensor(0.75))
    assert (image > 0.6).sum() == 64


def test_what_is_found_are_the_peaks_with_their_codes_and_one_class() -> None:
    model = copying_reconstructor()
    model.peak_height = torch.tensor(1e-9)
    image = spots(PLACES)
    found = model.detect(image)
    assert found.descriptors is not None
    assert np.abs(found.centers - np.array(PLACES)).max() <= 1.0
    assert found.labels.tolist() == [0, 0, 0]
    assert found.class_names == ("object",)
    centers = torch.from_numpy(found.centers)[None]
    patches = crop(image[None], centers, torch.full_like(centers, 8.0), 8)
    np.testing.assert_allclose(found.descriptors, patches.mean((3, 4))[0], atol=1e-6)


@pytest.mark.parametrize("signed", [False, True])
def test_an_untrained_auto_encoder_begins_empty(signed: bool) -> None:
    patches, codes = small_reconstructor(signed=signed).autoencoder(torch.rand(5, 1, 8, 8))
    assert patches.abs().mean() < 0.1
    assert codes.shape == (5, 4)


@pytest.mark.parametrize(("signed", "darkest"), [(False, 0.0), (True, -1.0)])
def test_only_signed_patches_are_darker_than_the_background(signed: bool, darkest: float) -> None:
    model = small_reconstructor(signed=signed)
    torch.nn.init.constant_(model.autoencoder.decoder.layers[-1].bias, -30.0)
    assert model.autoencoder(torch.rand(5, 1, 8, 8))[0].min().item() == pytest.approx(darkest, abs=1e-3)


@pytest.mark.parametrize("k", [0, -1])
def test_a_number_of_patches_that_makes_no_sense_is_refused(k: int) -> None:
    with pytest.raises(BoxlessError, match="k is the number of patches"):
        small_reconstructor().reconstruct(spots(PLACES), k=k)


def batch_of_spots() -> Batch:
    """Two images with three spots each; nothing is said about them."""
    images = torch.stack((spots(PLACES), spots([(32.0, 20.0), (12.0, 10.0), (21.0, 9.0)])))
    return Batch(images, torch.full((2, 3), -1))


def training_of(**given: Any) -> MistReconstructorTraining:
    settings = replace(MistReconstructorTrainingConfig(averaging=0.0, warmup=1, decay=0.0, task_rate=1e-2), **given)
    return MistReconstructorTraining(small_reconstructor().train(), settings, 1, compile=False)


def loss_of(training: MistReconstructorTraining, batch: Batch) -> Tensor:
    return training.task(batch, training._detect(batch, training._responses(batch), 2)).loss


@pytest.mark.parametrize("step", ["registration", "gradient"])
def test_the_loss_of_a_batch_falls_without_any_label(step: Any) -> None:
    batch, training = batch_of_spots(), training_of(keypoint_step=step, task_rate=3e-4)
    before = loss_of(training, batch).mean().item()
    fit(training, DataLoader([batch] * 60, batch_size=None))  # type: ignore[arg-type]
    assert loss_of(training, batch).mean().item() < 0.4 * before  # a tenth; at larger rates it swings by machine


def test_the_loss_is_eq_8_as_a_mean_over_pixels() -> None:
    batch, training = batch_of_spots(), training_of()
    model, keypoints = training.model, training._detect(batch, training._responses(batch), 0)
    patches = model.code(batch.images, keypoints)[0]
    synthesis = background_of(batch.images) + place(patches, keypoints.centers, keypoints.sizes, (30, 44))
    expected = ((synthesis - batch.images) ** 2).mean((1, 2, 3))
    torch.testing.assert_close(loss_of(training, batch), expected, rtol=1e-4, atol=1e-7)


def test_it_shows_how_an_image_is_rebuilt_from_the_instances_that_are_given() -> None:
    """The image is shrunk for the network, and the instances are in its own pixels."""
    model = small_reconstructor(signed=True, max_side=22)
    image = spots(PLACES)
    found = model.detect(image, k=2)
    synthesis, patches, decoded = model.rebuild_from(image, found)
    assert (patches.shape, decoded.shape) == ((2, 8, 8), (2, 8, 8))
    np.testing.assert_allclose(synthesis, model.reconstruct(image, k=2), atol=1e-5)
    nothing, none, _ = model.rebuild_from(image, found[:0])
    assert len(none) == 0
    assert np.ptp(nothing) == 0


def test_a_patch_that_is_shown_is_the_part_of_the_image_in_its_box() -> None:
    model = small_reconstructor()
    image = torch.rand(1, 30, 44, generator=torch.Generator().manual_seed(0))
    found = Instances([[20.5, 9.5]], [[8, 8]])
    _, patches, _ = model.rebuild_from(image, found)
    np.testing.assert_allclose(patches[0], image[0, 6:14, 17:25].numpy(), atol=1e-5)

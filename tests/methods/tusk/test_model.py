"""What TUSK computes: keypoints, descriptors, pictures and masks, each against the same written out by hand."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from boxless import load
from boxless.errors import BoxlessError
from boxless.methods.tusk.model import Keypoints, Tusk
from boxless.methods.tusk.networks import Maps, unit
from boxless.ops.keypoints import refine, sample_at
from tests.methods.mist.small import spots
from tests.methods.tusk.small import small_model, spotting_model

pytestmark = pytest.mark.usefixtures("exact")

PLACES = [(10.0, 8.0), (30.0, 9.0), (21.0, 21.0)]


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed))


class Passes(nn.Module):
    """A decoder whose logits are the first channels of the map."""

    def __init__(self, outputs: int, bias: float = 0.0) -> None:
        super().__init__()
        self.outputs, self.bias = outputs, bias

    def forward(self, maps: Tensor) -> Tensor:
        return maps[:, : self.outputs] + self.bias


def drawn(point: Tensor, variance: float, height: int, width: int) -> Tensor:
    """One Gaussian of sum 1."""
    y, x = torch.meshgrid(torch.arange(float(height)), torch.arange(float(width)), indexing="ij")
    value = torch.exp(-((x - point[0]) ** 2 + (y - point[1]) ** 2) / (2 * variance))
    return value / value.sum()


class TestEncoding:
    def test_scores_are_the_sigmoid_of_the_first_map(self) -> None:
        model, images = small_model(), random(2, 1, 24, 31)
        scores, features = model.encoder(images)
        maps = model.encode(images)
        torch.testing.assert_close(maps.scores, 1 / (1 + torch.exp(-scores[:, 0])))
        torch.testing.assert_close(maps.features, features)
        assert maps.scores.shape == (2, 24, 31)

    def test_features_have_no_constant_of_their_own(self) -> None:
        assert small_model().encoder.to_features.bias is None


class TestKeypoints:
    def test_are_the_highest_local_maxima_between_the_pixels(self) -> None:
        """Height by height: the highest of each window of 5×5 that no higher one lies in."""
        model, maps = small_model(), Maps(random(2, 20, 26), random(2, 6, 20, 26, seed=1))
        found = model.extract(maps, 3)
        for b in range(2):
            padded = F.pad(maps.scores[b], (2,) * 4)
            maxima = [
                (maps.scores[b, y, x].item(), x, y)
                for y in range(20)
                for x in range(26)
                if maps.scores[b, y, x] == padded[y : y + 5, x : x + 5].max()
            ]
            highest = sorted(maxima, reverse=True)[:3]
            assert found.scores[b].tolist() == pytest.approx([score for score, _, _ in highest])
            peaks = torch.tensor([[[float(x), float(y)] for _, x, y in highest]])
            torch.testing.assert_close(found.centers[b : b + 1], refine(maps.scores[b : b + 1], peaks, 5, 0.2))
            features = sample_at(maps.features[b : b + 1], found.centers[b : b + 1])
            torch.testing.assert_close(found.features[b : b + 1], features)

    def test_lie_within_what_they_are_given(self) -> None:
        model, maps = small_model(), Maps(random(1, 20, 26), random(1, 6, 20, 26))
        within = torch.zeros(1, 20, 26, dtype=torch.bool)
        within[:, 5:15, 13:] = True
        found = model.extract(maps, 3, within)
        assert (found.centers[..., 0] > 11).all()
        assert found.valid.all()

    def test_the_loss_reaches_scores_places_and_features(self) -> None:
        scores, features = random(1, 12, 14).requires_grad_(), random(1, 6, 12, 14).requires_grad_()
        found = small_model().extract(Maps(scores, features), 2)
        for value, where in ((found.scores, scores), (found.centers, scores), (found.features, features)):
            (slope,) = torch.autograd.grad(value.sum(), where, retain_graph=True)
            assert slope.abs().max() > 0

    def test_descriptors_are_the_direction_from_the_middle(self) -> None:
        model = small_model()
        model.center.copy_(torch.arange(6.0))
        features = 10 * random(2, 3, 6)
        away = features - torch.arange(6.0)
        expected = away / away.norm(dim=-1, keepdim=True)
        torch.testing.assert_close(model.described(features), expected, rtol=1e-5, atol=1e-6)
        other = features - 1.0
        torch.testing.assert_close(model.described(features, torch.ones(6)), unit(other))

    def test_the_nearest_prototype_counts_by_its_direction(self) -> None:
        model = small_model()
        descriptors = unit(torch.randn(2, 5, 6, generator=torch.Generator().manual_seed(0)))
        with torch.no_grad():
            model.prototypes.mul_(torch.tensor([0.1, 3.0, 1.0, 0.5]).unsqueeze(1))
        cosine = F.cosine_similarity(descriptors.unsqueeze(2), model.prototypes, dim=-1)
        assert torch.equal(model.nearest(descriptors), cosine.argmax(-1))


def keypoints(model: Tusk, number: int = 3, size: tuple[int, int] = (12, 18)) -> tuple[Keypoints, Tensor]:
    centers = random(2, number, 2) * torch.tensor([size[1] - 1.0, size[0] - 1.0])
    features = random(2, number, 6, seed=1) - 0.5
    found = Keypoints(centers, random(2, number, seed=2), features, torch.ones(2, number, dtype=torch.bool))
    return found, model.described(features)


class TestDecoding:
    def test_one_map_of_all_keypoints_is_decoded(self) -> None:
        model = small_model(channels=3, variance=0.7)
        found, descriptors = keypoints(model)
        maps = torch.zeros(2, 6, 12, 18)
        for b in range(2):
            for k in range(3):
                gaussian = drawn(found.centers[b, k], 0.7, 12, 18)
                maps[b] += found.scores[b, k] * descriptors[b, k, :, None, None] * gaussian
        ours = model.decode(found, descriptors, (12, 18))
        assert ours.alphas is None
        torch.testing.assert_close(ours.image, torch.sigmoid(model.decoder(maps)))

    @pytest.mark.parametrize("channels", [1, 3])
    def test_with_masks_each_keypoint_is_a_layer_and_layers_are_blended(self, channels: int) -> None:
        model = small_model(channels=channels, masks=True, variance=0.7)
        found, descriptors = keypoints(model)
        ours = model.decode(found, descriptors, (12, 18))
        assert ours.alphas is not None
        expected = torch.zeros(2, channels, 12, 18)
        for b in range(2):
            layers = []
            for k in range(3):
                gaussian = drawn(found.centers[b, k], 0.7, 12, 18)
                one = found.scores[b, k] * descriptors[b, k, :, None, None] * gaussian
                layers.append(torch.sigmoid(model.decoder(one[None]))[0])
            total = torch.stack([layer[-1] for layer in layers]).sum(0).clamp_min(1.0)
            for k, layer in enumerate(layers):
                torch.testing.assert_close(ours.alphas[b, k], layer[-1])
                expected[b] += layer[:-1] * layer[-1] / total
        torch.testing.assert_close(ours.image, expected)

    @pytest.mark.parametrize("masks", [False, True])
    def test_keypoints_that_are_none_draw_nothing(self, masks: bool) -> None:
        model = small_model(masks=masks, variance=0.7)
        found, descriptors = keypoints(model)
        some = found._replace(valid=torch.tensor([[True, False, True]] * 2))
        ours = model.decode(some, descriptors, (12, 18))
        without = Keypoints(*(values[:, [0, 2]] for values in found))
        alone = model.decode(without, descriptors[:, [0, 2]], (12, 18))
        torch.testing.assert_close(ours.image, alone.image)
        assert not torch.allclose(ours.image, model.decode(found, descriptors, (12, 18)).image)
        if masks:
            assert ours.alphas is not None
            assert (ours.alphas[:, 1] == 0).all()

    def test_a_new_decoder_draws_dark_images(self) -> None:
        model = small_model()
        assert model.decode(*keypoints(model), (12, 18)).image.mean() < 0.3


class TestDetection:
    def test_finds_spots_between_the_pixels(self) -> None:
        places = [(10.5, 8.0), (30.25, 9.5), (21.0, 20.75)]
        found = spotting_model(temperature=0.02).detect(spots(places))
        assert np.abs(found.centers - np.array(places)).max() < 0.3
        assert found.sizes.tolist() == [[8.0, 8.0]] * 3
        assert found.image_size == (30, 44)
        assert (np.diff(found.scores) < 0).all()
        assert found.descriptors is not None
        np.testing.assert_allclose(np.linalg.norm(found.descriptors, axis=1), 1.0, atol=1e-5)

    def test_labels_are_the_classes_of_the_nearest_prototypes(self) -> None:
        model = spotting_model(class_names=("a", "b", "c"))
        model.class_of.copy_(torch.tensor([2, 0, 0, 1]))
        found = model.detect(spots(PLACES))
        assert found.descriptors is not None
        nearest = model.nearest(torch.from_numpy(found.descriptors))
        assert found.labels.tolist() == torch.tensor([2, 0, 0, 1])[nearest].tolist()
        assert found.class_names == ("a", "b", "c")

    def test_without_names_labels_are_the_prototypes(self) -> None:
        model = spotting_model()
        found = model.detect(spots(PLACES))
        assert found.descriptors is not None
        assert found.labels.tolist() == model.nearest(torch.from_numpy(found.descriptors)).tolist()
        assert found.class_names == ("kind 0", "kind 1", "kind 2", "kind 3")

    def test_keypoints_of_low_confidence_are_left_out_unless_a_number_is_asked_for(self) -> None:
        image = spots(PLACES)
        model = spotting_model()
        scores = model.detect(image).scores
        model.calibrated_threshold = float((scores[1] + scores[2]) / 2)
        assert len(model.detect(image)) == 2
        assert len(model.detect(image, threshold="auto")) == 2
        assert len(model.detect(image, k=3)) == 3
        assert len(model.detect(image, threshold=0.0, k=3)) == 3
        always = spotting_model(varying=False)
        always.calibrated_threshold = 1.0
        assert len(always.detect(image)) == 3

    def test_a_threshold_alone_gives_all_there_are(self) -> None:
        places = [*PLACES, (39.0, 25.0), (5.0, 25.0)]
        image = spots(places)
        model = spotting_model()
        assert len(model.detect(image)) == 3
        found = model.detect(image, threshold=0.16)  # an empty place has a score of 0.12
        assert len(found) == 5
        assert (found.scores >= 0.16).all()
        assert len(model.detect(image, threshold=0.99)) == 0

    def test_a_dark_image_has_no_more_than_one_peak(self) -> None:
        """Fillers, which only make up the number, are never objects."""
        assert len(spotting_model(varying=False).detect(torch.zeros(1, 30, 44))) <= 1

    @pytest.mark.parametrize("size", [(1, 1), (3, 40), (5, 5)])
    def test_an_image_smaller_than_its_windows(self, size: tuple[int, int]) -> None:
        model = small_model(varying=False)
        assert len(model.detect(random(1, *size))) <= 3
        assert model.reconstruct(random(1, *size)).shape == size

    def test_many_images_are_seen_a_few_at_once(self, monkeypatch: pytest.MonkeyPatch) -> None:
        model, images = small_model(varying=False), [random(1, 20, 24, seed=seed) for seed in range(5)]
        expected, pictures = model.detect(images), model.reconstruct(images)
        monkeypatch.setattr("boxless.methods.tusk.model.PIXELS_AT_ONCE", {"cpu": 1000})
        for one, other in zip(model.detect(images), expected, strict=True):
            np.testing.assert_allclose(one.centers, other.centers, atol=1e-4)
        for picture, before in zip(model.reconstruct(images), pictures, strict=True):
            np.testing.assert_allclose(picture, before, atol=1e-5)


def masking_model(**given: Any) -> Tusk:
    """Spots, each with a layer that is opaque within 3 pixels of its middle."""
    model = spotting_model(masks=True, variance=1.5, **given)

    class Opaque(nn.Module):
        def forward(self, maps: Tensor) -> Tensor:
            size = maps.abs().sum(1, keepdim=True)
            within = size > 0.05 * size.amax((2, 3), keepdim=True)  # e^(−r²/3) > 0.05
            return torch.cat((torch.full_like(size, 2.0), torch.where(within, 4.0, -4.0)), dim=1)

    model.decoder = Opaque()  # type: ignore[assignment]
    return model


class TestMasks:
    def test_boxes_are_those_of_the_masks(self) -> None:
        found = masking_model(varying=False).detect(spots(PLACES))
        assert found.masks is not None
        assert found.masks.shape == (3, 30, 44)
        for mask, center, size, place in zip(found.masks, found.centers, found.sizes, PLACES, strict=True):
            rows, columns = np.nonzero(mask)
            assert size.tolist() == [np.ptp(columns) + 1, np.ptp(rows) + 1] == [5.0, 5.0]
            assert center.tolist() == [(columns.min() + columns.max()) / 2, (rows.min() + rows.max()) / 2]
            assert np.hypot(*(center - np.array(place))) <= 1.0

    def test_an_empty_mask_leaves_the_usual_box_at_the_keypoint(self) -> None:
        model = masking_model(varying=False)
        model.decoder = Passes(2, bias=-9.0)  # type: ignore[assignment]
        found = model.detect(spots(PLACES))
        assert found.masks is not None
        assert not found.masks.any()
        assert found.sizes.tolist() == [[8.0, 8.0]] * 3
        assert np.abs(found.centers - np.array(PLACES)).max() <= 1.0

    def test_masks_are_those_of_the_image_that_was_given(self) -> None:
        image = F.interpolate(spots(PLACES)[None], scale_factor=2, mode="nearest")[0]
        found = masking_model(varying=False, max_side=44).detect(image)
        assert found.masks is not None
        assert found.masks.shape == (3, 60, 88)
        for mask, size in zip(found.masks, found.sizes, strict=True):
            rows, columns = np.nonzero(mask)
            assert size.tolist() == [np.ptp(columns) + 1, np.ptp(rows) + 1]

    def test_masks_of_an_image_have_nothing_to_do_with_the_others_of_its_batch(self) -> None:
        """Of two that overlap the dimmer, which is the more opaque, is left out: also beside an image with more."""
        model = masking_model(varying=False)

        class DimmerIsMoreOpaque(nn.Module):
            def forward(self, maps: Tensor) -> Tensor:
                size = maps.abs().sum(1, keepdim=True)
                highest = size.amax((2, 3), keepdim=True)
                alpha = torch.where(size > 0.05 * highest, 4.0 - torch.tanh(highest), -4.0)
                return torch.cat((torch.full_like(size, 2.0), alpha), dim=1)

        model.decoder = DimmerIsMoreOpaque()  # type: ignore[assignment]
        image = torch.maximum(spots([(20.0, 12.0)]), 0.5 * spots([(20.0, 17.0)]))
        every = model.detect(image, k=2)
        threshold = float(every.scores.mean())
        assert every.scores[0] > threshold > every.scores[1]
        full = spots([(x, y) for x in (5.0, 20.0, 35.0) for y in (5.0, 14.0, 24.0)])
        alone = model.detect([image], threshold=threshold)[0]
        beside = model.detect([image, full], threshold=threshold)[0]
        assert alone.masks is not None
        assert beside.masks is not None
        assert every.masks is not None
        assert len(alone) == len(beside) == 1
        assert (alone.masks == beside.masks).all()
        assert every.masks[0].sum() < alone.masks[0].sum()  # with the other counted in

    def test_segments_name_the_most_opaque_layer_of_each_pixel(self) -> None:
        model = masking_model(varying=False)
        image = spots(PLACES)
        (segments,) = model.segments([image])
        found = model.detect(image)
        assert found.masks is not None
        for number, mask in enumerate(found.masks):
            assert (segments[mask] == number).all()
        alphas = model(image[None]).alphas
        assert (segments == alphas[0].argmax(0).numpy()).all()

    def test_of_more_keypoints_there_are_more_segments(self) -> None:
        model, image = masking_model(varying=False), spots(PLACES)
        (segments,) = model.segments([image], 2)
        assert (segments == model(image[None], 2).alphas[0].argmax(0).numpy()).all()
        assert segments.max() == 1

    def test_a_model_without_masks_says_so(self) -> None:
        with pytest.raises(BoxlessError, match="draws no masks"):
            small_model().segments([spots(PLACES)])


class TestReconstruction:
    @pytest.mark.parametrize("channels", [1, 3])
    def test_is_the_image_of_the_forward_pass(self, channels: int) -> None:
        model, image = small_model(channels=channels), random(channels, 24, 30)
        rebuilt = model.reconstruct(image)
        expected = model(image[None]).image[0].permute(1, 2, 0).detach().numpy()
        assert rebuilt.shape == ((24, 30) if channels == 1 else (24, 30, 3))
        np.testing.assert_allclose(rebuilt, expected.reshape(rebuilt.shape), atol=1e-6)

    def test_a_list_of_several_sizes_keeps_its_order(self) -> None:
        model, images = small_model(), [random(1, 24, 30), random(1, 18, 20), random(1, 24, 30, seed=1)]
        for image, rebuilt in zip(images, model.reconstruct(images), strict=True):
            np.testing.assert_allclose(rebuilt, model.reconstruct(image), atol=1e-5)


class TestSaving:
    @pytest.mark.parametrize("given", [{}, {"masks": True, "channels": 3, "class_names": ("a", "b")}])
    def test_a_loaded_model_finds_the_same(self, given: dict[str, Any], tmp_path: Path) -> None:
        model = small_model(**given).channels_last()
        model.center.copy_(random(6))
        model.calibrated_threshold = 0.01
        model.class_of.copy_(torch.tensor([1, 0, 1, 1]))
        model.save(tmp_path)
        loaded = load(tmp_path)
        assert isinstance(loaded, Tusk)
        assert (loaded.config, loaded.calibrated_threshold) == (model.config, 0.01)
        image = random(model.config.channels, 24, 30)
        ours, theirs = loaded.detect(image), model.detect(image)
        for name in ("centers", "sizes", "scores", "labels", "descriptors"):
            np.testing.assert_array_equal(getattr(ours, name), getattr(theirs, name))

    def test_prototypes_of_another_number_do_not_fit(self, tmp_path: Path) -> None:
        small_model().save(tmp_path)
        text = (tmp_path / "model.json").read_text()
        (tmp_path / "model.json").write_text(text.replace('"prototypes": 4', '"prototypes": 5'))
        with pytest.raises(BoxlessError, match="does not fit"):
            load(tmp_path)

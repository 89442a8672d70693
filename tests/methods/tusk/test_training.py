"""One step of the iterative training against the same step written out by hand, and what surrounds the steps."""

import copy
import logging
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.data import DataLoader

import boxless.methods.tusk.training as training_module
from boxless.data.batch import Batch
from boxless.data.glyphs import load_glyphs
from boxless.data.hashing import generator, uniforms
from boxless.data.scenes import Layout, SceneGenerator
from boxless.hardware import autocast
from boxless.instances import Instances
from boxless.methods.tusk.calibration import DRAWN_IMAGES
from boxless.methods.tusk.config import TuskTrainingConfig
from boxless.methods.tusk.contents import content_sums, offsets_of
from boxless.methods.tusk.model import Tusk
from boxless.methods.tusk.prototype_losses import information_of, squares_of
from boxless.methods.tusk.prototypes import first_prototypes
from boxless.methods.tusk.training import (
    CENTER_RATE,
    FIRST,
    KIND_SHARPNESS,
    SAMPLES,
    STRONG,
    WEAK,
    WEAK_WARP,
    TuskTraining,
)
from boxless.methods.tusk.views import adversary_of, axes_of, views_of
from boxless.ops.clustering import mixture_weights, random_projections, sample_prototypes
from boxless.ops.keypoints import sample_at
from boxless.ops.warp import Warp, WarpRange, fit_warp, random_warp, valid_pixels, warp_images
from tests.engine.bare import fit
from tests.methods.tusk.small import small_model

SETTINGS = TuskTrainingConfig(
    rate=2e-3,
    warmup=1,
    decay=0.0,
    prototype_steps=3,
    cluster_weight=0.3,
    cluster_start=0.0,
    heatmap_weight=0.7,
    feature_weight=100.0,
    prototype_loss="wasserstein",
    prototype_rate=0.1,
    cluster_strength=1.0,
    information_weight=0.0,
    averaging=0.0,
)


def model(**given: Any) -> Tusk:
    return small_model(kernel_size=9, object_size=20.0, class_names=tuple("0123456789"), **given).train()


def training_of(settings: TuskTrainingConfig = SETTINGS, steps: int = 8, **given: Any) -> TuskTraining:
    torch.manual_seed(3)
    return TuskTraining(model(**given), settings, steps, compile=False)


def batches(number: int, size: int = 4) -> list[Batch]:
    """Scenes of three digits on 48×48 pixels, cut to 48 wide and 44 high."""
    scenes = SceneGenerator(load_glyphs("digits", "train"), Layout(counts=(3,), side=48))
    composed = [scenes.compose(torch.arange(size) + size * index) for index in range(number)]
    return [replace(batch, images=batch.images[:, :, :44]) for batch in composed]


def trained(training: TuskTraining, steps: list[Batch]) -> TuskTraining:
    fit(training, DataLoader(steps, batch_size=None))  # type: ignore[arg-type]
    assert training.steps_done == len(steps)
    return training


def listened(training: TuskTraining) -> dict[str, list[float]]:
    """What the training will have noted: by name the mean of each time."""
    noted: dict[str, list[float]] = {}
    note = training.note

    def noting(name: str, values: Tensor) -> None:
        noted.setdefault(name, []).append(values.mean().item())
        note(name, values)

    training.note = noting  # type: ignore[method-assign]
    return noted


def unit(vectors: Tensor, dim: int = -1) -> Tensor:
    return vectors / vectors.norm(dim=dim, keepdim=True)


def softmin_loss(descriptors: Tensor, prototypes: Tensor) -> Tensor:
    """Eq. 3: (..., C) to (...)."""
    distances = (descriptors.unsqueeze(-2) - prototypes).norm(dim=-1)
    return -torch.log((-distances).softmax(-1).max(-1).values)


def by_hand(training: TuskTraining, hand: Tusk, steps: list[Batch]) -> list[dict[str, float]]:
    """Iterative training, section 3.3, and its losses; with the random numbers of the training."""
    seed, settings = int(training.seed), training.settings
    autoencoder = torch.optim.Adam([*hand.encoder.parameters(), *hand.decoder.parameters()], settings.rate)
    prototype_optimizer = torch.optim.Adam([hand.prototypes], 0.1, betas=(0.5, 0.999))
    strong_range = WarpRange(0.95, 0.05, 0.25, 0.01, 0.1)
    told = []
    for step, batch in enumerate(steps):
        number = len(batch.images)
        draws = [uniforms((key, seed, step), torch.arange(number), 36) for key in (WEAK, STRONG)]
        weak, strong = random_warp(draws[0], WEAK_WARP, (44, 48)), random_warp(draws[1], strong_range, (44, 48))
        images = warp_images(batch.images, weak)
        seen = warp_images(torch.ones(number, 1, 44, 48), weak)[:, 0] > 0.99
        maps, warped = hand.encode(images), hand.encode(warp_images(images, strong))
        found = hand.extract(maps, 3, seen)
        middle = found.features.mean((0, 1))
        hand.center.lerp_(middle.detach(), 1.0 if step == 0 else CENTER_RATE)
        descriptors = unit(found.features - middle)
        flat = descriptors.detach().flatten(0, 1)
        if step == 0:
            with torch.no_grad():
                hand.prototypes.copy_(first_prototypes(flat, 4, generator((FIRST, seed))))
        drawn = hand.decode(found, descriptors, (44, 48)).image
        joint = settings.prototype_steps == 0
        valid = valid_pixels(strong)

        def distance(ours: Tensor, source: Tensor, strong: Any = strong, valid: Tensor = valid) -> Tensor:
            error = (ours - warp_images(source, strong)).square().mean(1)
            return ((error * valid).sum((1, 2)) / valid.sum((1, 2))).mean()

        features = [unit(each.features - middle.view(1, -1, 1, 1), dim=1) for each in (warped, maps)]
        losses = {
            "reconstruction": (((drawn - images)[:, 0] ** 2 * seen).sum((1, 2)) / seen.sum((1, 2))).mean(),
            "kmeans": softmin_loss(descriptors, hand.prototypes if joint else hand.prototypes.detach()).mean(),
            "heatmap": distance(warped.scores[:, None], maps.scores[:, None]),
            "features": distance(*features),
        }

        def wasserstein(flat: Tensor, turn: int, step: int = step) -> Tensor:
            numbers = generator((SAMPLES, seed, step, turn))
            samples = sample_prototypes(hand.prototypes, mixture_weights(flat, hand.prototypes), len(flat), numbers)
            directions = random_projections(100, 6, numbers)
            ours, theirs = (directions @ points.T for points in (flat, samples))
            return (ours.sort(1).values - theirs.sort(1).values).square().mean()

        weights = {"reconstruction": 1.0, "kmeans": 0.3, "heatmap": 0.7, "features": 100.0}
        if joint:
            losses["wasserstein"], weights["wasserstein"] = wasserstein(descriptors.flatten(0, 1), 0), 0.3
        autoencoder.zero_grad()
        prototype_optimizer.zero_grad()
        sum(weights[name] * loss for name, loss in losses.items()).backward()  # type: ignore[union-attr]
        autoencoder.step()
        for turn in range(settings.prototype_steps):
            prototype_optimizer.zero_grad()
            wasserstein(flat, turn).backward()
            prototype_optimizer.step()
            with torch.no_grad():
                hand.prototypes.copy_(unit(hand.prototypes))
        if joint:
            prototype_optimizer.step()
            with torch.no_grad():
                hand.prototypes.copy_(unit(hand.prototypes))
        told.append({name: loss.item() for name, loss in losses.items()})
    return told


@pytest.mark.parametrize("prototype_steps", [3, 0])
def test_a_step_is_the_paper_s(prototype_steps: int) -> None:
    """Encoder and decoder, then the prototypes; or all in one step of all losses (table 4)."""
    steps = batches(2)
    training = training_of(replace(SETTINGS, prototype_steps=prototype_steps))
    hand, new = copy.deepcopy(training.model), copy.deepcopy(training.model)
    noted = listened(training)
    trained(training, steps)
    told = by_hand(training, hand, steps)
    for name in told[0]:
        near = 3e-3  # short features are not quite of length 1 when they are scaled, and Adam makes noise of what is 0
        assert noted[f"loss/{name}"] == pytest.approx([each[name] for each in told], rel=near), name
    assert len(noted["loss/wasserstein"]) == 2 * (prototype_steps or 1)
    torch.testing.assert_close(training.model.prototypes, hand.prototypes, rtol=0, atol=1e-2)  # steps are of 0.1
    torch.testing.assert_close(training.model.center, hand.center, rtol=0, atol=1e-4)
    for part in ("encoder", "decoder"):
        networks = [getattr(one, part).named_parameters() for one in (training.model, hand, new)]
        far = [
            (name, (ours - theirs).abs().mean().item())
            for (name, ours), (_, theirs), (_, old) in zip(*networks, strict=True)
            if (theirs - old).abs().max() > 1e-3 and (ours - theirs).abs().mean() > 4e-4  # a fifth of a step
        ]
        assert not far


def test_clusters_count_for_nothing_before_their_start() -> None:
    """Of four steps the first two are those of a training without clusters, the third is not."""
    late, none = (replace(SETTINGS, cluster_start=0.5), replace(SETTINGS, cluster_weight=0.0))
    for number, same in ((2, True), (3, False)):
        ours, plain = (trained(training_of(each, steps=4), batches(number)).model.encoder for each in (late, none))
        pairs = zip(ours.parameters(), plain.parameters(), strict=True)
        assert all(torch.equal(*pair) for pair in pairs) is same


INFORMED = replace(SETTINGS, information_weight=0.5, information_start=0.5, information_kinds=7)


def test_information_is_of_the_kinds_of_what_both_images_show(monkeypatch: pytest.MonkeyPatch) -> None:
    """A keypoint that the warp takes out of the image has no second view."""
    training, batch = training_of(replace(INFORMED, weak_warp=False)), batches(1)[0]
    hand, kinds = training.model, unit(training.kinds)
    sideways = fit_warp(_grid_of_controls(44, 48) + torch.tensor([14.0, 3.0]), (44, 48)).coefficients.expand(4, -1, -1)
    warp = Warp(fit_warp(_grid_of_controls(44, 48), (44, 48)).controls, sideways, (44, 48))
    of_image, of_warped = hand.encode(batch.images), hand.encode(warp_images(batch.images, warp))
    found = hand.extract(of_image, 3)
    middle = found.features.mean((0, 1))
    joint, left = torch.zeros(7, 7), 0
    for image in range(4):
        for keypoint in range(3):
            x, y = (found.centers[image, keypoint] - torch.tensor([14.0, 3.0])).tolist()  # the image goes left and up
            if x < 0 or y < 0:
                left += 1
                continue
            there = sample_at(of_warped.features[image : image + 1], torch.tensor([[[x, y]]]))[0, 0]
            first, second = (
                torch.softmax(10 * kinds @ unit(one - middle), 0) for one in (found.features[image, keypoint], there)
            )
            joint += torch.outer(first, second) + torch.outer(second, first)
    assert 0 < left < 12
    joint /= joint.sum()
    expected = (joint * (joint / torch.outer(joint.sum(0), joint.sum(1))).log()).sum()
    views = views_of(hand, found, unit(found.features - middle), of_warped, middle, warp)
    (told,) = training._information(views, axes_of(training.kinds, KIND_SHARPNESS))
    torch.testing.assert_close(told, expected, rtol=1e-3, atol=1e-5)


def _grid_of_controls(height: int, width: int) -> Tensor:
    """(1, 16, 2) from corner to corner, in reading order."""
    y, x = torch.meshgrid(torch.linspace(0, height - 1, 4), torch.linspace(0, width - 1, 4), indexing="ij")
    return torch.stack((x, y), dim=-1).view(1, -1, 2)


def test_information_counts_from_its_start_on() -> None:
    """Of four steps the first two are those of a training without, the third is not."""
    none = replace(INFORMED, information_weight=0.0)
    for number, same in ((2, True), (3, False)):
        ours, plain = (trained(training_of(each, steps=4), batches(number)).model.encoder for each in (INFORMED, none))
        pairs = zip(ours.parameters(), plain.parameters(), strict=True)
        assert all(torch.equal(*pair) for pair in pairs) is same


def test_views_come_to_tell_more_of_each_other() -> None:
    batch = batches(1, size=6)[0]
    told = {}
    for weight in (1e-9, 1.0):
        settings = replace(INFORMED, information_weight=weight, information_start=0.0, rate=5e-3, feature_weight=0.1)
        training = training_of(settings, steps=80)
        noted = listened(training)
        trained(training, [batch] * 80)
        told[weight] = -np.mean(noted["loss/information"][-10:])
    assert told[1.0] > told[1e-9] + 0.1


def test_the_encoder_runs_once_a_step() -> None:
    training = training_of()
    calls = []
    training.model.encoder.register_forward_hook(lambda _, inputs, __: calls.append(len(inputs[0])))
    trained(training, batches(3))
    assert calls == [8, 8, 8]  # four images and their warps


def test_what_a_step_draws_depends_on_seed_and_step_alone() -> None:
    batch = batches(1)[0]
    training, again = training_of(), training_of()
    pair, same = training._pair(batch), again._pair(batch)
    assert torch.equal(pair.warped, same.warped)
    again.step_count += 1
    assert not torch.equal(again._pair(batch).warped, pair.warped)
    again.step_count -= 1
    again.seed += 1
    assert not torch.equal(again._pair(batch).warped, pair.warped)


def test_images_are_shifted_as_far_as_is_said() -> None:
    """A dot in the middle of 44×48 pixels goes up to half of the half height away, in x and in y."""
    images = torch.zeros(200, 1, 44, 48)
    images[:, :, 19:26, 21:28] = 1.0
    shifted = training_of(replace(SETTINGS, weak_shift=0.5))._pair(Batch(images, torch.full((200, 1), -1))).images[:, 0]
    total = shifted.sum((1, 2))
    x = (shifted.sum(1) * torch.arange(48)).sum(1) / total - 24
    y = (shifted.sum(2) * torch.arange(44)).sum(1) / total - 22
    for far in (x, y):
        assert 9.5 < far.abs().max() < 13
        assert far.std() == pytest.approx(21.5 * 0.5 / 3**0.5, rel=0.15)


def test_padding_is_no_place_for_a_keypoint_and_no_matter_to_rebuild() -> None:
    batch = batches(1)[0]
    extents = torch.tensor([[44, 48], [30, 48], [44, 25], [30, 25]])
    images = torch.ones_like(batch.images)
    pair = training_of(replace(SETTINGS, weak_warp=False))._pair(Batch(images, batch.labels, extents=extents))
    for seen, (height, width) in zip(pair.seen, extents.tolist(), strict=True):
        expected = torch.zeros(44, 48, dtype=torch.bool)
        expected[:height, :width] = True
        assert torch.equal(seen, expected)
    weakly = training_of()._pair(Batch(images, batch.labels, extents=extents))
    assert not weakly.seen[3, 34:].any()
    assert not weakly.seen[3, :, 29:].any()
    assert weakly.seen[3, 4:26, 4:21].all()


def test_it_does_not_matter_what_stands_in_the_padding() -> None:
    """Images go on as they end, to normalisation and at the edge; in a batch, as Lightning hands it over."""
    extents, ends = torch.tensor([[44, 48], [30, 48], [44, 25], [30, 25]]), []
    for padding in (0.0, 1.0):
        steps = [replace(batch, images=batch.images.clone(), extents=extents) for batch in batches(2)]
        for batch in steps:
            for image, (height, width) in zip(batch.images, extents.tolist(), strict=True):
                image[:, height:], image[:, :, width:] = padding, padding
        ends.append(list(trained(training_of(), steps).model.parameters()))
    assert all(torch.equal(own, other) for own, other in zip(*ends, strict=True))


def test_losses_fall_and_descriptors_stay_apart() -> None:
    """25 steps on the same images; without the middle taken off, descriptors are parallel by then."""
    batch = batches(1, size=6)[0]
    spreads, falls = {}, {}
    for centering in (True, False):
        training = training_of(replace(SETTINGS, centering=centering, rate=5e-3), net_channels=(8, 12, 16))
        noted = listened(training)
        before = _reconstruction(training, batch)
        trained(training, [batch] * 25)
        spreads[centering] = noted["descriptors/spread"][-1]
        falls[centering] = _reconstruction(training, batch) / before
    assert falls[True] < 0.95
    assert spreads[True] > 0.7
    assert spreads[False] < 0.1


def _reconstruction(training: TuskTraining, batch: Batch) -> float:
    with torch.no_grad():
        return F.mse_loss(training.model(batch.images).image, batch.images).item()


def test_rates_follow_the_schedule() -> None:
    """Adam's first step is as long as the rate; of the prototypes, before they are brought back to length 1."""
    training = training_of(replace(SETTINGS, warmup=4))
    before = copy.deepcopy(training.model.decoder)
    trained(training, batches(1))
    pairs = zip(training.model.decoder.parameters(), before.parameters(), strict=True)
    assert max((ours - old).abs().max().item() for ours, old in pairs) == pytest.approx(2e-3 / 4, rel=1e-2)
    assert {group["lr"] for group in training._optimizer(1).param_groups} == {0.1 / 4}


def test_prototypes_are_always_of_length_1() -> None:
    training = trained(training_of(), batches(3))
    torch.testing.assert_close(training.model.prototypes.norm(dim=1), torch.ones(4), rtol=0, atol=1e-4)


SQUARES = replace(SETTINGS, prototype_loss="squares", prototype_rate=0.01)


def test_by_squares_prototypes_begin_anew_where_the_clustering_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of four steps, after the first two; among the descriptors seen so far, in the averaged model too."""
    asked: list[tuple[int, Tensor]] = []
    monkeypatch.setattr(training_module, "clusters_of", lambda seen, number, seed: clusters(seen, number))

    def clusters(seen: Tensor, number: int) -> Tensor:
        asked.append((training.steps_done, seen.clone()))
        return unit(torch.arange(1.0, 25.0).view(number, 6).cos())

    training = training_of(replace(SQUARES, cluster_start=0.5, prototype_rate=1e-9, averaging=0.9), steps=4)
    trained(training, batches(3))
    ((step, seen),) = asked
    assert (step, seen.shape) == (2, (3 * 12, 6))
    torch.testing.assert_close(seen.norm(dim=1), torch.ones(36), rtol=0, atol=5e-2)
    expected = unit(torch.arange(1.0, 25.0).view(4, 6).cos())
    for model in (training.model, training.trained_model):
        torch.testing.assert_close(model.prototypes, expected, rtol=0, atol=1e-4)


INFORMING = replace(SQUARES, prototype_loss="mutual-information", information_weight=0.1, information_start=0.0)


def test_by_information_prototypes_begin_anew_by_both_views(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of one keypoint are alike; of what T(I) does not show there is none."""
    asked: list[tuple[Tensor, Tensor]] = []

    def clusters(first: Tensor, second: Tensor, number: int, seed: int) -> Tensor:
        asked.append((first.clone(), second.clone()))
        return unit(torch.arange(1.0, 25.0).view(number, 6).cos())

    monkeypatch.setattr(training_module, "telling_clusters_of", clusters)
    trained(training_of(replace(INFORMING, cluster_start=0.5, warp_shift=0.4), steps=4), batches(3))
    ((first, second),) = asked
    assert len(first) == len(second) == 3 * 12
    both = second.any(dim=1)
    assert 0 < both.sum() < 3 * 12
    for view in (first, second[both]):
        torch.testing.assert_close(view.norm(dim=1), torch.ones(len(view)), rtol=0, atol=5e-2)
    one, other = first[both], second[both]
    assert (one * other).sum(1).mean() > (one * other.roll(1, 0)).sum(1).mean() + 0.1


def test_by_information_prototypes_come_to_tell_more() -> None:
    """Of the newest keypoints; the encoder is asked for that from where the clustering starts."""
    training = training_of(replace(INFORMING, cluster_start=0.5, prototype_rate=0.05), steps=8)
    noted = listened(training)
    trained(training, batches(8))
    assert len(noted["loss/prototypes"]) == 4
    assert len(noted["loss/information"]) == 8
    of_steps = noted["loss/mutual-information"][-3:]
    assert of_steps[2] < of_steps[0]  # within the last batch
    pairs = training.recent[training.recent[:, 1].any(dim=1)]
    told = information_of(pairs[:, 0], pairs[:, 1], training.model.prototypes)
    assert told.item() == pytest.approx(-training._prototype_loss(pairs[:, 0], 0).item(), rel=1e-4)


def test_the_adversary_makes_keypoints_look_of_other_kinds() -> None:
    """Far more than noise of the same size; of its size over an object."""
    training = training_of(replace(SETTINGS, information_weight=0.1, information_start=0.0, adversary=0.002))
    (batch,) = batches(1)
    added = adversary_of(training.model, batch.images, [*training._kinds.values()], 0.002)
    noise = added.std() * torch.randn(added.shape, generator=torch.Generator().manual_seed(0))
    centers = training.model.extract(training.model.encode(batch.images), 3).centers.detach()

    def logits(images: Tensor) -> Tensor:
        features = sample_at(training.model.encode(images).features, centers)
        return (10 * training.model.described(features) @ unit(training.kinds).T).flatten(0, 1)

    kinds = logits(batch.images).argmax(1)
    before, after, noisy = (
        F.cross_entropy(logits(batch.images + change), kinds).item() for change in (0, added, noise)
    )
    assert after - before > 5 * abs(noisy - before)
    assert 0.001 < added.square().mean().sqrt() < 0.003
    assert all(parameter.grad is None for parameter in training.parameters())


def test_the_adversary_is_of_the_warped_image_alone() -> None:
    """With it the same step learns another encoder; the image that is rebuilt is as it was."""
    told = {}
    for adversary in (0.0, 0.2):
        settings = replace(SETTINGS, information_weight=0.1, information_start=0.0, adversary=adversary)
        training = training_of(settings)
        noted = listened(training)
        trained(training, batches(1))
        told[adversary] = {name: values[0] for name, values in noted.items()}
    assert told[0.0]["loss/reconstruction"] == told[0.2]["loss/reconstruction"]
    assert told[0.2]["loss/information"] > told[0.0]["loss/information"] + 0.01


def test_by_squares_prototypes_go_where_their_descriptors_are() -> None:
    training = training_of(SQUARES)
    descriptors = unit(torch.randn(64, 6, generator=torch.Generator().manual_seed(0)))
    training.model.prototypes.data = unit(descriptors[:4] + 0.1)

    def loss() -> float:
        return torch.cdist(descriptors, training.model.prototypes).amin(1).square().mean().item()

    before = loss()
    assert squares_of(descriptors, training.model.prototypes).mean().item() == pytest.approx(before, rel=1e-5)
    optimizer = torch.optim.Adam([training.model.prototypes], 0.01)
    training._optimizer = lambda index: optimizer  # type: ignore[method-assign, assignment]
    for number in range(100):
        training._step_prototypes(descriptors, number)
    assert loss() < 0.93 * before
    torch.testing.assert_close(training.model.prototypes.norm(dim=1), torch.ones(4), rtol=0, atol=1e-4)


def test_the_kept_model_is_the_average() -> None:
    training = trained(training_of(replace(SETTINGS, averaging=0.5)), batches(3))
    assert training.trained_model is not training.model
    assert not torch.equal(training.trained_model.prototypes, training.model.prototypes)
    last = training_of()
    assert last.trained_model is last.model


class TestCalibration:
    """What the kept model learns of the training images at each validation."""

    def training(self, settings: TuskTrainingConfig = SETTINGS, **given: Any) -> TuskTraining:
        training = training_of(settings, **given)
        training.on_train_epoch_start()
        return training

    def test_the_first_images_of_the_epoch_are_kept(self) -> None:
        training = training_of(replace(SETTINGS, naming_images=10))
        steps = batches(5)
        for epoch in range(2):
            training.on_train_epoch_start()
            for number, batch in enumerate(steps):
                training.on_train_batch_start(batch, number)
            assert [kept is batch for kept, batch in zip(training._kept, steps, strict=False)] == [True] * 3, epoch

    def test_the_middle_is_that_of_the_kept_images(self) -> None:
        training = self.training()
        training._kept = batches(2)
        training.model.center.fill_(9.0)
        expected = [
            training.model.extract(training.model.encode(batch.images), 3).features.mean((0, 1))
            for batch in training._kept
        ]
        training.on_validation_epoch_start()
        torch.testing.assert_close(training.model.center, torch.stack(expected).mean(0).detach(), rtol=0.05, atol=0.02)

    @pytest.mark.parametrize("given", [True, False])
    def test_boxes_lie_around_what_keypoints_draw_if_so_set(self, given: bool) -> None:
        training = self.training(replace(SETTINGS, centered_boxes=given, centering=False))
        model, training._kept = training.model, batches(3, size=16)
        sums = torch.zeros(4, 3)
        for image in torch.cat([batch.images for batch in training._kept])[:DRAWN_IMAGES]:
            with torch.no_grad(), autocast("cpu"):
                found = model.extract(model.encode(image[None]), 3)
                sums += content_sums(model, found, (image.shape[1], image.shape[2]))
        expected = offsets_of(sums) if given else torch.zeros(4, 2)
        training.on_validation_epoch_start()
        torch.testing.assert_close(model.offset_of, expected)

    @pytest.mark.parametrize("places", [True, False])
    def test_prototypes_get_the_classes_they_lie_on(self, places: bool) -> None:
        """A model that answers with objects where they are, of the prototype of their class; two are swapped."""
        training = self.training(prototypes=10)
        training._kept = batches(12, size=8)
        order = torch.tensor([0, 3, 2, 1, 4, 5, 6, 9, 8, 7])
        with torch.no_grad():
            training.model.prototypes.copy_(torch.randn(10, 6, generator=torch.Generator().manual_seed(0)))
        knowing(training.model, training._kept, order)
        if not places:
            training._kept = [replace(batch, centers=None, sizes=None) for batch in training._kept]
        training.on_validation_epoch_start()
        assert training.model.class_of.tolist() == order.argsort().tolist()

    @pytest.mark.parametrize("one_to_one", [True, False])
    def test_each_class_gets_a_prototype_if_so_set(self, one_to_one: bool) -> None:
        training = self.training(replace(SETTINGS, one_to_one=one_to_one), prototypes=10)
        training._kept = batches(12, size=8)
        knowing(training.model, training._kept, torch.zeros(10, dtype=torch.int64))
        training.on_validation_epoch_start()
        assert len(set(training.model.class_of.tolist())) == (10 if one_to_one else 1)

    def test_images_without_labels_name_nothing(self) -> None:
        training = self.training()
        training._kept = [replace(batch, labels=torch.full((4, 0), -1)) for batch in batches(2)]
        before = training.model.class_of.clone()
        training.on_validation_epoch_start()
        assert torch.equal(training.model.class_of, before)

    def test_confidence_parts_the_scores_of_the_training_images(self, monkeypatch: pytest.MonkeyPatch) -> None:
        training = self.training()
        training._kept = batches(3)
        asked = []

        def parting(scores: Tensor) -> float:
            asked.append(scores)
            return 0.625

        monkeypatch.setattr("boxless.methods.tusk.calibration.least_score", parting)
        training.on_validation_epoch_start()
        assert training.model.calibrated_threshold == 0.625
        found = training.model.detect([image for batch in training._kept for image in batch.images], k=3)
        np.testing.assert_allclose(asked[0].numpy(), np.concatenate([one.scores for one in found]), atol=1e-5)

    def test_with_masks_the_confidence_is_of_what_draws(self) -> None:
        """The keypoints of three images, of which the second found one fewer; three masks are empty."""
        scores = [[0.9, 0.2, 0.3], [0.8, 0.4], [0.1, 0.7, 0.95]]
        drawn = [[True, False, True], [True, True], [False, False, True]]
        found = [
            Instances(
                np.zeros((len(row), 2)),
                np.ones((len(row), 2)),
                scores=row,
                masks=np.array(own)[:, None, None],
                descriptors=np.zeros((len(row), small_model().config.descriptor_size), np.float32),
            )
            for row, own in zip(scores, drawn, strict=True)
        ]
        training = self.training(masks=True)
        answers = iter(found)
        training.model.detect = lambda images, k: [next(answers) for _ in images]  # type: ignore[method-assign, assignment]
        training._kept = batches(1, size=3)
        training.on_validation_epoch_start()
        assert training.model.calibrated_threshold == pytest.approx(0.25)  # 0.7 alone is on the wrong side

    def test_where_the_number_is_known_all_are_objects(self) -> None:
        training = self.training(varying=False)
        training._kept = batches(1)
        training.on_validation_epoch_start()
        assert training.model.calibrated_threshold is None


def knowing(model: Tusk, steps: list[Batch], order: Tensor) -> None:
    """Make ``detect`` give what is there, with the prototype ``order[class]`` as the descriptor."""
    truths: list[Instances] = []
    for batch in steps:
        assert batch.centers is not None
        assert batch.sizes is not None
        for labels, centers, sizes in zip(batch.labels, batch.centers, batch.sizes, strict=True):
            descriptors = model.prototypes.detach()[order[labels]]
            truths.append(Instances(centers, sizes, descriptors=descriptors.numpy()))
    answers = iter(truths)
    model.detect = lambda images, k: [next(answers) for _ in images]  # type: ignore[method-assign, assignment]


def test_a_collapse_is_told_at_the_end_of_an_epoch(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    training, logged = training_of(replace(SETTINGS, cluster_start=0.5)), {}
    monkeypatch.setattr(training, "log_dict", lambda values, **_: logged.update(values))
    for steps_done in (4, 6):  # of 8, whose fifth is the first to seek clusters
        assert not caplog.text
        training.step_count.fill_(steps_done)
        training._held = torch.tensor([97.0, 1.0, 1.0, 1.0])
        training.note("descriptors/spread", torch.tensor([0.8]))
        with caplog.at_level(logging.WARNING, "boxless"):
            training.on_train_epoch_end()
    assert "step 6: the prototypes collapse: 1 of 4 hold 97% of the descriptors" in caplog.text
    assert float(logged["prototypes/largest_share"]) == pytest.approx(0.97)
    assert float(logged["prototypes/smallest_share"]) == pytest.approx(0.01)
    assert [float(logged[f"prototypes/share_{number}"]) for number in range(4)] == pytest.approx([0.97] + [0.01] * 3)
    assert float(logged["descriptors/spread"]) == pytest.approx(0.8)
    assert 0.25 < float(logged["prototypes/used"]) < 0.35


def test_the_best_model_is_that_of_the_least_reconstruction_and_clustering_loss() -> None:
    """On the validation images, as the auto-encoder minimises it: λ_recon L_recon + λ_km L_km, whatever the step."""
    training = training_of(replace(SETTINGS, cluster_start=0.5)).eval()
    images = torch.rand(5, 1, 48, 56, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        output = training.trained_model(images)
        distances = torch.cdist(output.descriptors, training.trained_model.prototypes.expand(5, -1, -1))
        softmin = (-distances).softmax(-1).amax(-1)
        expected = (output.image - images).square().mean() - 0.3 * softmin.log().mean()
    for steps_done, early in ((4, 1.0), (5, 0.0)):  # of 8, the clusters are sought from the fifth on
        training.objective.reset()
        for part in (images[:3], images[3:]):
            training.validation_step(Batch(part, torch.full((len(part), 2), -1)), 0)
        training.step_count.fill_(steps_done)
        measures = training.own_measures()
        torch.testing.assert_close(measures["val/objective"], expected, rtol=1e-4, atol=1e-5)
        assert measures["val/score"] == -measures["val/objective"] - early
        assert training.objective.update_count == 0

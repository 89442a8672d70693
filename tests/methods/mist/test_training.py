"""One step of Algorithm 1 against the same step written out by hand, with copies of the networks."""

import copy
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.data import DataLoader

from boxless.data.batch import Batch
from boxless.data.glyphs import load_glyphs
from boxless.data.hashing import normals
from boxless.data.scenes import Layout, SceneGenerator
from boxless.methods.mist.candidates import faint_peaks, most_overlooked
from boxless.methods.mist.classification.model import MistClassifier
from boxless.methods.mist.classification.training import MistClassifierTraining
from boxless.methods.mist.config import MistClassifierTrainingConfig
from boxless.methods.mist.contents import content_centers
from boxless.methods.mist.heatmap_training import JITTER
from boxless.methods.mist.model import Keypoints
from boxless.methods.mist.registration import register
from boxless.methods.mist.training import CENTERING, LONGEST_MOVE, foreground_of
from boxless.methods.mist.worth import relative_worth, worth
from boxless.ops.heatmap import local_softmax, top_k_peaks
from boxless.ops.layout import channels_last
from boxless.ops.patches import crop, place
from tests.engine.bare import fit
from tests.methods.mist.small import small_model

K, SIZE, BORDER, SIDE = 3, 20, 5, 60
RATES = (3e-3, 2e-3)  # of the task network, of the heatmap network
GRADIENT = MistClassifierTrainingConfig(
    heatmap_rate=RATES[1],
    task_rate=RATES[0],
    warmup=1,
    decay=0.0,
    keypoint_step="gradient",
    keypoint_rate=50.0,
    keypoint_steps=2,
    target_sigma=0.0,
    reconstruction=0.0,
    averaging=0.0,
)
REGISTRATION = replace(
    GRADIENT,
    keypoint_step="registration",
    keypoint_rate=0.7,
    candidates=2,
    jitter=0.1,
    target_sigma=1.0,
    reconstruction=0.5,
)


def model(**given: Any) -> MistClassifier:
    digits = tuple("0123456789")
    return small_model(
        class_names=digits, object_size=float(SIZE), border=BORDER, softmax_size=15, suppression_size=11, **given
    ).train()


def batches(number: int, size: int = 4) -> list[Batch]:
    """Scenes of three digits on 60×60 pixels, cut to 60 wide and 56 high."""
    generator = SceneGenerator(load_glyphs("digits", "train"), Layout(counts=(3,), side=SIDE))
    composed = [generator.compose(torch.arange(size) + size * index) for index in range(number)]
    return [replace(batch, images=batch.images[:, :, :56]) for batch in composed]


def trained(training: MistClassifierTraining, steps: Sequence[Batch]) -> MistClassifierTraining:
    """The training after a step on each batch, by Lightning and in float32."""
    fit(training, DataLoader(steps, batch_size=None))  # type: ignore[arg-type]
    assert training.steps_done == len(steps)
    return training


def shares(batch: Batch) -> Tensor:
    rows = [[labels.tolist().count(name) / len(labels) for name in range(10)] for labels in batch.labels]
    return torch.tensor(rows)


def classification(logits: Tensor, batch: Batch) -> Tensor:
    """Half of eq. 9, (B,)."""
    return 0.5 * ((shares(batch) - logits.softmax(-1).mean(1)) ** 2).sum(1)


def patches_at(batch: Batch, keypoints: Tensor) -> Tensor:
    patches = crop(batch.images, keypoints, torch.full_like(keypoints, SIZE), 8).flatten(0, 1)
    return channels_last(patches)  # in another layout they are convolved by other kernels, which round otherwise


def detected(hand: MistClassifier, batch: Batch, k: int) -> tuple[Tensor, Tensor]:
    """H_η(I) away from the border, and E_K of it."""
    scores = hand.heatmap_net(batch.images)[:, :, BORDER:-BORDER, BORDER:-BORDER]
    heatmap = F.pad(local_softmax(scores, 15, 10.0), (BORDER,) * 4)[:, 0]
    return heatmap, top_k_peaks(heatmap, k, 11).centers


def adam(parameters: Any, rate: float) -> torch.optim.Adam:
    return torch.optim.Adam(parameters, rate)


def step(optimizer: torch.optim.Adam, loss: Tensor) -> None:
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()


def assert_equal_weights(ours: torch.nn.Module, hand: torch.nn.Module, before: torch.nn.Module) -> None:
    """Within 5e-6, and nearly every one of them moved by much more.

    A heatmap, as a softmax, does not depend on what is added to all scores: of these biases the gradient is rounding.
    """
    for (name, weight), theirs in zip(ours.named_parameters(), hand.parameters(), strict=True):
        if name in ("leave.bias", "blocks.0.conv2.bias"):
            continue
        torch.testing.assert_close(weight, theirs, rtol=0.0, atol=5e-6, msg=lambda text, n=name: f"{n}: {text}")
    moved = [(w - o).abs().max().item() for w, o in zip(hand.parameters(), before.parameters(), strict=True)]
    assert sum(length > 1e-4 for length in moved) > 0.7 * len(moved)


def test_gradient_steps_are_the_release_s() -> None:
    """Detect; move the keypoints down L_task by plain SGD, twice; train T on them; train H on G of them."""
    steps = batches(2)
    new = model()
    hand = copy.deepcopy(new)
    training = trained(MistClassifierTraining(copy.deepcopy(new), GRADIENT, 2, compile=False), steps)

    task_optimizer, heatmap_optimizer = (
        adam(hand.classifier.parameters(), RATES[0]),
        adam(hand.heatmap_net.parameters(), RATES[1]),
    )
    for batch in steps:
        heatmap, peaks = detected(hand, batch, K)
        keypoints = peaks
        for _ in range(2):
            keypoints = keypoints.detach().requires_grad_()
            logits, _ = hand.classifier(patches_at(batch, keypoints))
            (gradient,) = torch.autograd.grad(classification(logits.unflatten(0, (-1, K)), batch).sum(), keypoints)
            move = (-50.0 * gradient).clamp(-LONGEST_MOVE, LONGEST_MOVE)
            keypoints = keypoints.detach() + move
            keypoints = torch.stack((keypoints[..., 0].clamp(0, SIDE - 1), keypoints[..., 1].clamp(0, 55)), dim=-1)
        assert (keypoints - peaks).norm(dim=-1).mean() > 0.5  # enough to round to other pixels

        logits, _ = hand.classifier(patches_at(batch, keypoints))
        loss = classification(logits.unflatten(0, (-1, K)), batch)
        step(task_optimizer, loss.mean())

        target = torch.zeros_like(heatmap)
        for sample, points in enumerate(keypoints):
            for x, y in points.round().long().tolist():
                target[sample, y, x] = 1.0
        distance = ((heatmap - target) ** 2).mean((1, 2))
        trust = torch.exp(-5.0 * loss.detach())
        assert trust.max() > 1.05 * trust.min()  # else the weights would say nothing
        step(heatmap_optimizer, (trust * distance).mean())

    assert_equal_weights(training.model.classifier, hand.classifier, new.classifier)
    assert_equal_weights(training.model.heatmap_net, hand.heatmap_net, new.heatmap_net)


def test_registration_steps_train_on_the_peaks_and_lift_what_was_registered() -> None:
    """Detect K and candidates; train T on K of them; register its patches; train H on G of all by their worth."""
    steps = batches(2)
    training = MistClassifierTraining(model(), REGISTRATION, 2, compile=False)
    new = copy.deepcopy(training.model)
    hand, decoder = copy.deepcopy(training.model), copy.deepcopy(training.decoder)
    assert decoder is not None
    new_decoder = copy.deepcopy(decoder)
    trained(training, steps)

    task_optimizer, heatmap_optimizer = (
        adam([*hand.classifier.parameters(), *decoder.parameters()], RATES[0]),
        adam(hand.heatmap_net.parameters(), RATES[1]),
    )
    for index, batch in enumerate(steps):
        images = batch.images - batch.images.flatten(1).median(1).values.view(-1, 1, 1, 1)
        heatmap, peaks = detected(hand, batch, K)
        others = faint_peaks(hand, hand.responses(batch.images), K, 2).keypoints
        overlooked = most_overlooked(images, Keypoints(peaks, torch.full_like(peaks[..., 0], SIZE)), others, 2)
        peaks = torch.cat((peaks, others.taken(overlooked).centers), dim=1)
        shifts = normals((JITTER, int(training.seed), index), torch.arange(4 * (K + 2)), 2).view(4, K + 2, 2).float()
        places = peaks + 0.1 * SIZE * shifts
        places = torch.stack((places[..., 0].clamp(0, SIDE - 1), places[..., 1].clamp(0, 55)), dim=-1)
        assert (places - peaks).norm(dim=-1).mean() > 1.0
        sizes = torch.full_like(places, SIZE)

        logits, features = hand.classifier(patches_at(batch, places))
        loss = classification(logits.unflatten(0, (-1, K + 2))[:, :K], batch)
        patches = decoder(features).unflatten(0, (-1, K + 2))
        synthesis = place(patches[:, :K], places[:, :K], sizes[:, :K], (56, SIDE))
        rebuilt = ((images - synthesis) ** 2).mean((1, 2, 3))
        step(task_optimizer, (loss + 0.5 * rebuilt).mean())

        patches, synthesis = patches.detach(), synthesis.detach()
        chosen = Keypoints(places[:, :K], sizes[:, :K, 0])
        moved = register(patches[:, :K], chosen, images, 2, 0.7).centers
        offsets = content_centers(patches[:, :K], chosen) - places[:, :K]
        moves = (moved + CENTERING * offsets - places[:, :K]).clamp(-LONGEST_MOVE, LONGEST_MOVE)
        moved = places[:, :K] + moves
        moved = torch.stack((moved[..., 0].clamp(0, SIDE - 1), moved[..., 1].clamp(0, 55)), dim=-1)
        shares = worth(images, synthesis, patches, Keypoints(places, sizes[..., 0]), K)
        heights = relative_worth(shares, shares[:, :K].mean())
        y, x = torch.meshgrid(torch.arange(56.0), torch.arange(float(SIDE)), indexing="ij")
        target = torch.zeros_like(heatmap)
        for sample, points in enumerate(torch.cat((moved, places[:, K:]), dim=1)):
            for (left, top), height in zip(points.tolist(), heights[sample], strict=True):
                bell = height * torch.exp(-((x - left) ** 2 + (y - top) ** 2) / 2)
                target[sample] = torch.maximum(target[sample], bell)
        distance = ((heatmap - target) ** 2).mean((1, 2))
        step(heatmap_optimizer, (torch.exp(-5.0 * loss.detach()) * distance).mean())

    assert training.decoder is not None
    assert_equal_weights(training.decoder, decoder, new_decoder)
    assert_equal_weights(training.model.classifier, hand.classifier, new.classifier)
    assert_equal_weights(training.model.heatmap_net, hand.heatmap_net, new.heatmap_net)


def test_rates_follow_the_schedule() -> None:
    """Adam's first step is as long as the rate: with a warm-up of four steps, a quarter of it."""
    settings = replace(GRADIENT, warmup=4)
    training = MistClassifierTraining(model(), settings, 8, compile=False)
    before = copy.deepcopy(training.model)
    trained(training, batches(1))
    for part, rate in (("classifier", RATES[0]), ("heatmap_net", RATES[1])):
        weights = zip(getattr(training.model, part).parameters(), getattr(before, part).parameters(), strict=True)
        longest = max((ours - old).abs().max().item() for ours, old in weights)
        assert longest == pytest.approx(rate / 4, rel=1e-2)


def test_the_averaged_weights_forget_the_first_sooner_than_the_decay_says() -> None:
    steps = batches(3)
    settings = replace(GRADIENT, averaging=0.2)
    new = model()
    states = []
    for number in (1, 2, 3):
        training = trained(MistClassifierTraining(copy.deepcopy(new), settings, 8, compile=False), steps[:number])
        states.append(copy.deepcopy(training.model).state_dict())
    kept = training.trained_model.state_dict()
    for name in ("heatmap_net.enter.weight", "classifier.classify.bias", "peak_height"):
        average = states[0][name]
        for count, state in enumerate(states[1:], start=1):
            share = min(0.2, (1 + count) / (10 + count))
            average = share * average + (1 - share) * state[name]
        torch.testing.assert_close(kept[name], average)
        assert not torch.allclose(kept[name], states[2][name], rtol=1e-5, atol=0.0)


def test_without_averaging_the_last_weights_are_kept() -> None:
    training = MistClassifierTraining(model(), GRADIENT, 2, compile=False)
    assert training.trained_model is training.model


def test_the_height_of_the_peaks_is_that_of_the_first_batch_and_then_followed() -> None:
    steps = batches(2)
    heights = []
    for number in (1, 2):
        training = MistClassifierTraining(model(), GRADIENT, 2, compile=False)
        trained(training, steps[:number])
        heights.append(training.model.peak_height.item())
    new = model()
    peaks = detected(new, steps[0], K)[1]
    heatmap = new.heatmap(steps[0].images)
    of_the_first = heatmap[torch.arange(4)[:, None], peaks[..., 1].long(), peaks[..., 0].long()].mean().item()
    assert heights[0] == pytest.approx(of_the_first - 1 / 15**2, rel=1e-4)
    assert heights[1] != heights[0]
    assert heights[1] == pytest.approx(heights[0], rel=0.02)


def test_moves_are_limited_and_end_within_the_image() -> None:
    training = MistClassifierTraining(model(), GRADIENT, 2, compile=False)
    batch = batches(1, size=1)[0]
    keypoints = torch.tensor([[[1.0, 2.0], [58.0, 54.0], [30.0, 30.0], [30.0, 30.0]]])
    moves = torch.tensor([[[-9.0, 0.5], [8.0, 7.0], [-40.0, 2.0], [0.25, -0.5]]])
    expected = [[[0.0, 2.5], [59.0, 55.0], [27.0, 32.0], [30.25, 29.5]]]
    before, after = (Keypoints(places, torch.full((1, 4), 20.0)) for places in (keypoints, keypoints + moves))
    assert training._within(batch, before, after).centers.tolist() == expected
    padded = replace(batch, extents=torch.tensor([[31, 50]]))
    assert training._within(padded, before, after).centers.tolist() == [
        [[0.0, 2.5], [49.0, 30.0], [27.0, 30.0], [30.25, 29.5]]
    ]


def test_in_a_padded_batch_keypoints_lie_within_the_extents_and_the_heatmap_is_zero_outside() -> None:
    training = MistClassifierTraining(model(), GRADIENT, 2, compile=False)
    extents = torch.tensor([[56, 30], [31, 60], [56, 60], [28, 33]])
    batch = replace(batches(1)[0], extents=extents)
    responses = training._responses(batch)
    heatmap, keypoints = responses.sharp[:, 0], training._detect(batch, responses, 0).centers
    for sample, (height, width) in enumerate(extents.tolist()):
        x, y = keypoints[sample].unbind(-1)
        assert ((x >= BORDER) & (x < width - BORDER) & (y >= BORDER) & (y < height - BORDER)).all()
        assert not heatmap[sample, height:].any()
        assert not heatmap[sample, :, width:].any()
        assert heatmap[sample, :height, :width].any()


def test_the_foreground_is_what_differs_from_the_median_of_each_image() -> None:
    images = torch.full((2, 3, 8, 10), 0.9)
    images[1] = torch.tensor([0.2, 0.4, 0.6]).view(3, 1, 1)
    images[:, :, 2:5, 3:7] = 0.1
    found = foreground_of(Batch(images, torch.zeros(2, 1, dtype=torch.int64)))
    expected = torch.zeros(2, 3, 8, 10)
    expected[0, :, 2:5, 3:7] = -0.8
    expected[1, :, 2:5, 3:7] = torch.tensor([-0.1, -0.3, -0.5]).view(3, 1, 1)
    torch.testing.assert_close(found, expected)


def test_what_pads_an_image_is_no_foreground_and_says_nothing_of_the_background() -> None:
    """A white sheet in a batch of larger images: its padding is black, and more than half of it."""
    images = torch.zeros(1, 1, 20, 30)
    images[:, :, :9, :14] = 1.0
    images[0, 0, 4, 5] = 0.25
    batch = Batch(images, torch.zeros(1, 1, dtype=torch.int64), extents=torch.tensor([[9, 14]]))
    expected = torch.zeros(1, 1, 20, 30)
    expected[0, 0, 4, 5] = -0.75
    assert torch.equal(foreground_of(batch), expected)


def test_a_training_with_background_learns_from_images_with_fewer_objects() -> None:
    """Eq. 9 with the left-over patches as a class: the loss of a batch with no object but background falls."""
    batch = replace(batches(1)[0], labels=torch.full((4, 3), -1))
    training = MistClassifierTraining(model(background=True), replace(GRADIENT, keypoint_rate=0.0), 40, compile=False)
    before = training.task(batch, training._detect(batch, training._responses(batch), 0)).doubt.mean()
    trained(training, [batch] * 40)
    after = training.task(batch, training._detect(batch, training._responses(batch), 0)).doubt.mean()
    assert after < 0.5 * before


def test_the_losses_of_an_image_are_those_that_it_has_beside_smaller_ones() -> None:
    """Means over its own pixels, not over the padding as well."""
    training = MistClassifierTraining(model(), REGISTRATION, 1, compile=False)
    training.note = lambda name, values: None  # type: ignore[method-assign]
    batch = batches(1, size=2)[0]
    wide = replace(batch, images=F.pad(batch.images, (0, 80, 0, 40)), extents=torch.tensor([[56, 60]] * 2))
    keypoints = Keypoints(torch.tensor([[[20.0, 20.0], [35.0, 30.0], [40.0, 20.0]]] * 2), torch.full((2, K), 20.0))
    responses = torch.rand(2, 1, 56, 60)
    alone, beside = (training.task(one, keypoints).terms["reconstruction"] for one in (batch, wide))
    torch.testing.assert_close(beside, alone)
    alone = training._heatmap_fit(batch, responses, keypoints, None)
    torch.testing.assert_close(training._heatmap_fit(wide, F.pad(responses, (0, 80, 0, 40)), keypoints, None), alone)

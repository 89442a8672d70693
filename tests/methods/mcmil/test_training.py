import copy
import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor
from torch.utils.data import DataLoader

from boxless.data.batch import Batch
from boxless.methods.mcmil.augmentation import recolored, warped
from boxless.methods.mcmil.config import McmilConfig, McmilTrainingConfig
from boxless.methods.mcmil.losses import likelihood_loss, maxima_loss
from boxless.methods.mcmil.model import McmilDetector
from boxless.methods.mcmil.training import McmilTraining
from tests.engine.bare import fit

SETTINGS = McmilTrainingConfig(rate=3e-3, warmup=1, decay=0.0, averaging=0.0)


def detector(width: int = 8) -> McmilDetector:
    torch.manual_seed(0)
    config = McmilConfig(
        class_names=("bar", "blot"), widths=(width, width), strides=(1, 2, 1), paddings=(2, 2, 0), object_size=6.0
    )
    return McmilDetector(config).train()


def scenes(number: int, seed: int) -> Batch:
    """Bars and blots, one or two things an image, on 24×32 pixels."""
    generator = torch.Generator().manual_seed(seed)
    images, labels = torch.zeros(number, 1, 24, 32), torch.full((number, 2), -1)
    for image, own in zip(images, labels, strict=True):
        for thing in range(int(torch.randint(1, 3, (), generator=generator))):
            label, x, y = (
                int(torch.randint(*limits, (), generator=generator)) for limits in ((0, 2), (6, 26), (6, 18))
            )
            own[thing] = label
            reach = (3, 0) if label == 0 else (1, 1)
            image[0, y - reach[0] : y + reach[0] + 1, x - reach[1] : x + reach[1] + 1] = 1.0
    return Batch(images, labels)


def trained(training: McmilTraining, steps: list[Batch]) -> McmilTraining:
    fit(training, DataLoader(steps, batch_size=None))  # type: ignore[arg-type]
    return training


def test_steps_are_those_of_adamw_on_the_likelihood() -> None:
    new, steps = detector(), [scenes(4, 0), scenes(4, 1)]
    hand = copy.deepcopy(new)
    ours = trained(McmilTraining(new, SETTINGS, 2, compile=False), steps).model
    optimizer = torch.optim.AdamW(hand.parameters(), 3e-3, (0.9, 0.95), weight_decay=0.01)
    places, things = 8 * 12, (steps[0].counts(2) > 0).sum().item() / 4
    with torch.no_grad():
        bias = hand.network.last.bias
        assert bias is not None
        bias[-1] = math.log(2 * (places / things - 1))
    for batch in steps:
        optimizer.zero_grad()
        likelihood_loss(hand(batch.images).logits, batch.counts(2) > 0).mean().backward()
        optimizer.step()
    for own, theirs in zip(ours.parameters(), hand.parameters(), strict=True):
        torch.testing.assert_close(own, theirs, rtol=0, atol=1e-6)


def test_the_first_map_emits_as_many_things_as_there_are() -> None:
    training, batch = McmilTraining(detector(), SETTINGS, 1, compile=False), scenes(8, 0)
    training._expect_what_is_there(batch, batch.counts(2) > 0)
    weight = training.model.network.last.weight
    with torch.no_grad():
        weight.zero_()
    emitted = training.model(batch.images).probabilities[:, :-1].sum((1, 2, 3))
    expected = (batch.counts(2) > 0).sum(1).float().mean()
    torch.testing.assert_close(emitted, expected.expand(8), rtol=1e-4, atol=0)


def test_images_are_seen_otherwise_anew_at_each_step_as_a_resumed_training_needs_it() -> None:
    images = scenes(64, 0).images
    settings = replace(SETTINGS, warped=0.5, recolored=0.5)
    training = McmilTraining(detector(), settings, 2, compile=False)
    first = training._seen_otherwise(images)
    assert torch.equal(first, training._seen_otherwise(images))
    key = (int(training.seed), 0)
    assert torch.equal(first, recolored(warped(images, 0.5, False, *key), 0.5, *key))
    training.finish_step()
    assert not torch.equal(first, training._seen_otherwise(images))
    assert McmilTraining(detector(), SETTINGS, 2, compile=False)._seen_otherwise(images) is images


@pytest.mark.parametrize(("height", "width"), [(24, 32), (23, 31), (17, 30)])
def test_a_padded_image_has_the_places_that_it_has_alone(height: int, width: int) -> None:
    batch = scenes(3, 0)
    noise = torch.rand(3, 1, 27, 45, generator=torch.Generator().manual_seed(3))
    noise[:, :, :height, :width] = batch.images[:, :, :height, :width]
    training = McmilTraining(detector(), SETTINGS, 1, compile=False)
    logits = training.model(noise).logits
    outside = training._outside(Batch(noise, batch.labels, extents=torch.tensor([[height, width]] * 3)), logits)
    assert outside is not None
    rows, columns = training.model(batch.images[:, :, :height, :width]).logits.shape[2:]
    expected = torch.ones(logits.shape[2:], dtype=torch.bool)
    expected[:rows, :columns] = False
    assert torch.equal(outside, expected.expand(3, -1, -1))


def test_padding_of_photos_is_what_convolutions_pad_with() -> None:
    """Mid grey, whatever stands there: an image ends alike in a batch of larger ones, and in detection."""
    photos = McmilDetector(replace(detector().config, centered=True)).train()
    extents, ends = torch.tensor([[24, 20], [15, 32], [24, 32], [9, 9]]), []
    for padding in (0.0, 1.0):
        batch = replace(scenes(4, 0), extents=extents)
        for image, (height, width) in zip(batch.images, extents.tolist(), strict=True):
            image[:, height:], image[:, :, width:] = padding, padding
        training = trained(McmilTraining(copy.deepcopy(photos), SETTINGS, 1, compile=False), [batch])
        ends.append(list(training.model.parameters()))
        seen = training.model.network.layers[0](4.0 * (training.on_after_batch_transfer(batch, 0).images - 0.5))
        alone = training.model.network.layers[0](4.0 * (batch.images[:1, :, :, :20] - 0.5))
        torch.testing.assert_close(seen[:1, :, :, :20], alone)
    assert all(torch.equal(own, other) for own, other in zip(*ends, strict=True))


@pytest.fixture(scope="module")
def reader() -> McmilDetector:
    """A network that learned from which kinds an image holds, in seconds."""
    steps = [scenes(16, 100 + number) for number in range(150)]
    settings = SETTINGS
    return trained(McmilTraining(detector(16), settings, 150, compile=False), steps).trained_model.eval()


def test_it_learns_to_read_place_and_name_from_sets_alone(reader: McmilDetector) -> None:
    batch = scenes(64, 7)
    sets = [set(row[row >= 0].tolist()) for row in batch.labels]
    read = [set(own) for own in reader.classes_in(list(batch.images))]
    assert sum(own == true for own, true in zip(read, sets, strict=True)) >= 62
    single = torch.zeros(1, 24, 32)
    single[0, 7:14, 20] = 1.0
    found = reader.detect(single)
    assert found.labels.tolist() == [0]
    assert abs(found.centers[0] - [20, 10]).max() <= 3


def test_the_average_of_the_weights_is_what_is_kept() -> None:
    settings = McmilTrainingConfig(averaging=0.9, warmup=1)
    training = McmilTraining(detector(), settings, 3, compile=False)
    first: Tensor = next(training.model.parameters()).detach().clone()
    trained(training, [scenes(4, n) for n in range(3)])
    last, kept = next(training.model.parameters()), next(training.trained_model.parameters())
    assert not torch.equal(last, kept)
    assert (kept - first).abs().mean() < (last - first).abs().mean()


def test_a_map_of_one_softmax_learns_by_the_traditional_loss() -> None:
    torch.manual_seed(0)
    config = replace(detector().config, softmax="map")
    new, batch = McmilDetector(config).train(), scenes(4, 0)
    hand = copy.deepcopy(new)
    ours = trained(McmilTraining(new, SETTINGS, 1, compile=False), [batch]).model
    optimizer = torch.optim.AdamW(hand.parameters(), 3e-3, weight_decay=0.01)
    maxima_loss(hand(batch.images).logits, batch.counts(2) > 0).mean().backward()
    optimizer.step()
    for own, theirs in zip(ours.parameters(), hand.parameters(), strict=True):
        torch.testing.assert_close(own, theirs, rtol=0, atol=1e-6)

from dataclasses import replace
from functools import lru_cache

import pytest
import torch
from tests.data.svhn_files import GROUND, digit_tile
from torch import Tensor

from boxless.data.house_digits import HouseDigits, strokes_of, styles_of
from boxless.data.house_numbers import HouseNumberGenerator, HouseNumberLayout

INDICES = torch.arange(200)


def digits(walls: Tensor | None = None) -> HouseDigits:
    """One of each class, red, green or blue by its class, on grounds and walls of one grey."""
    grey = torch.full((1, 3, 64, 64), GROUND, dtype=torch.uint8)
    images = torch.stack([torch.from_numpy(digit_tile(label)).permute(2, 0, 1) for label in range(10)])
    every = torch.arange(10)
    grounds, inks = styles_of(images)[:, :3], styles_of(images)[:, 3:6]
    strokes = strokes_of(images, grounds, inks)
    return HouseDigits(images, every, grounds, inks, strokes, every.expand(10, 10), grey if walls is None else walls)


@lru_cache
def generator(*counts: int) -> HouseNumberGenerator:
    return HouseNumberGenerator(digits(), HouseNumberLayout(counts or HouseNumberLayout.counts), 3, 1)


def ink(images: Tensor) -> Tensor:
    """How far each pixel is from grey, (B, H, W)."""
    return images.amax(1) - images.amin(1)


def test_a_number_is_the_same_in_whatever_batch_and_another_by_another_seed_or_stream() -> None:
    numbers = generator().compose(torch.arange(12))
    alone = generator().compose(torch.tensor([7]))
    torch.testing.assert_close(alone.images[0], numbers.images[7], rtol=0, atol=1.01 / 255)
    assert torch.equal(alone.labels[0], numbers.labels[7])
    assert alone.centers is not None
    assert numbers.centers is not None
    assert torch.equal(alone.centers[0], numbers.centers[7])
    for other in (HouseNumberGenerator(digits(), generator().layout, *key) for key in ((4, 1), (3, 0))):
        assert not torch.equal(other.compose(torch.arange(12)).labels, numbers.labels)


def test_labels_come_in_the_order_in_which_the_number_is_read() -> None:
    numbers = generator(2, 3, 5).compose(INDICES)
    assert numbers.centers is not None
    level = 0
    for labels, centers in zip(numbers.labels, numbers.centers, strict=True):
        own = centers[labels >= 0]
        across, down = (own[1:] - own[:-1]).unbind(1)
        stacked = bool(own[-1, 1] - own[0, 1] > (own[-1, 0] - own[0, 0]).abs())
        assert ((down if stacked else across) > 0).all()
        level += not stacked
    assert 0.85 * len(INDICES) < level < len(INDICES)


def test_digits_are_in_their_boxes_in_the_colour_of_their_class_or_painted_all_in_one() -> None:
    numbers = generator(1, 2, 3).compose(INDICES)
    assert numbers.centers is not None
    painted = generator(1, 2, 3)._by_strokes(INDICES)
    assert 0.4 < float(painted.float().mean()) < 0.6
    for image, labels, centers, in_one in zip(
        numbers.images, numbers.labels, numbers.centers.round().long(), painted, strict=True
    ):
        pairs = zip(labels.tolist(), centers.tolist(), strict=True)
        there = [(label, image[:, y, x]) for label, (x, y) in pairs if label >= 0]
        assert all(colour.amax() - colour.amin() > 0.2 for _, colour in there)
        channels = [int(colour.argmax()) for _, colour in there]
        if in_one:
            assert len(set(channels)) == 1
        else:
            assert channels == [label % 3 for label, _ in there]


def test_of_a_painted_digit_nothing_shows_but_its_strokes() -> None:
    """White on black in crops whose sides are grey, on a wall of another grey: no pixel is of the crops' sides."""
    images = torch.full((1, 3, 32, 32), 0, dtype=torch.uint8)
    images[:, :, 4:28, 12:20] = 255
    images[:, 0, :, :10] = 30  # not quite the ground
    styles = styles_of(images)
    assert styles[0, :6].tolist() == pytest.approx([0.0] * 3 + [1.0] * 3, abs=1e-3)
    strokes = strokes_of(images, styles[:, :3], styles[:, 3:6])
    assert torch.equal(strokes[0, 0] == 255, images[0, 1] == 255)
    assert int((strokes > 0).sum()) == 24 * 8
    halved = strokes_of(torch.full((1, 3, 32, 32), 127, dtype=torch.uint8), styles[:, :3], styles[:, 3:6])
    assert (halved.float() / 255 - 0.5).abs().max() < 0.01


def test_the_middle_and_the_size_of_a_digit_to_a_fraction_of_a_pixel() -> None:
    """The block is 8 of the crop's 32 pixels wide, 24 high; its box is 0.51 or 0.38 crops wide and one high."""
    numbers = generator(1).compose(INDICES[:40])
    assert numbers.centers is not None
    assert numbers.sizes is not None
    weight = (ink(numbers.images) - 0.15).clamp_min(0)  # of the ground, which light may tint
    place = torch.arange(64.0)
    total = weight.sum((1, 2))
    middles = torch.stack(((weight.sum(1) * place).sum(1), (weight.sum(2) * place).sum(1)), dim=1) / total[:, None]
    inside = (numbers.sizes[:, 0, 1] < 60) & ((numbers.centers[:, 0] - 31.5).abs().amax(1) < 1.5)
    assert inside.sum() > 5
    torch.testing.assert_close(middles[inside], numbers.centers[inside, 0], rtol=0, atol=0.1)
    heights = total / weight.amax(1).sum(1)  # mean height of the block, by its area over the sum of its columns
    torch.testing.assert_close(heights[inside], numbers.sizes[inside, 0, 1] * 24 / 32, rtol=0.05, atol=0)


def test_a_number_fills_the_square_and_stays_as_wide_as_it_is() -> None:
    numbers = generator(2, 4).compose(INDICES)
    assert numbers.centers is not None
    assert numbers.sizes is not None
    there = (numbers.labels >= 0)[..., None]
    low = (numbers.centers - numbers.sizes / 2).masked_fill(~there, 1e9).amin(1)
    high = (numbers.centers + numbers.sizes / 2).masked_fill(~there, -1e9).amax(1)
    longest = (high - low).amax(1)
    assert 0.9 * 64 <= longest.min() < 0.92 * 64
    assert 1.02 * 64 < longest.max() <= 1.04 * 64 + 1e-3
    assert ((low + high) / 2 - 31.5).abs().max() <= 2.001


def test_every_number_of_digits_that_is_asked_for() -> None:
    numbers = generator().compose(torch.arange(600)).labels
    found = (numbers >= 0).sum(1).bincount(minlength=6)[1:] / 600
    counts = generator().layout.counts
    expected = [counts.count(number) / len(counts) for number in range(1, 6)]
    assert found.tolist() == pytest.approx(expected, abs=0.05)


def test_walls_show_around_the_digits_as_they_are_or_in_the_colour_of_the_ground() -> None:
    """A wall that is white on its left and black on its right, seen at a single digit's left and right edge."""
    wall = torch.zeros(1, 3, 64, 64, dtype=torch.uint8)
    wall[..., :32] = 255
    images = HouseNumberGenerator(digits(wall), HouseNumberLayout((1,)), 0, 0).compose(INDICES).images
    edges = images[:, :, 20:44][..., [0, -1]].mean((1, 2))
    difference = (edges[:, 0] - edges[:, 1]).abs()
    assert (difference < 0.2).float().mean() > 0.08  # faint
    assert (difference > 0.6).float().mean() > 0.1  # as it is
    assert ((edges[:, 0] > edges[:, 1]).float().mean() - 0.5).abs() < 0.1  # turned over half of the time


def test_digits_of_a_number_are_of_the_style_of_its_first() -> None:
    """Two styles: even classes and odd ones."""
    two = replace(digits(), similar=torch.stack([torch.arange(label % 2, 10, 2) for label in range(10)]))
    labels = HouseNumberGenerator(two, HouseNumberLayout((4,)), 0, 0).compose(INDICES).labels
    assert (labels % 2 == labels[:, :1] % 2).all()
    assert len(labels.unique()) == 10

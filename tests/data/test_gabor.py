import math

import pytest
import torch
from torch import Tensor

from boxless.data.batch import Batch
from boxless.data.gabor import GaborGenerator, GaborNoise
from boxless.data.hashing import uniforms
from boxless.errors import BoxlessError

ONE = GaborNoise(counts=(1,), side=40, size=16.0, wavelength=7.0, margin=14.0)


def compose(noise: GaborNoise, number: int, seed: int = 0, stream: int = 0) -> Batch:
    return GaborGenerator(noise, seed, stream).compose(torch.arange(number))


def places(batch: Batch) -> Tensor:
    assert batch.centers is not None
    return batch.centers


@pytest.mark.parametrize("count", [16, 36])
def test_image_is_the_same_alone_and_in_any_batch(count: int) -> None:
    generator = GaborGenerator(GaborNoise(counts=(count,)), seed=3, stream=1)
    together = generator.compose(torch.arange(33))
    for indices in (torch.tensor([17]), torch.tensor([32, 0, 31])):
        some = generator.compose(indices)
        assert torch.equal(some.images, together.images[indices])
        assert torch.equal(places(some), places(together)[indices])


def test_seed_and_stream_make_other_images() -> None:
    images = [compose(ONE, 4, seed, stream).images for seed, stream in ((0, 0), (1, 0), (0, 1), (1, 1))]
    assert all(not torch.equal(images[i][k], images[j][k]) for k in range(4) for i in range(4) for j in range(i))


def test_image_is_the_kernels_of_lagae_added_to_grey() -> None:
    """Pixel by pixel, K exp(−π a² r²) cos(2π F₀ (x cos ω + y sin ω)), a from r of 5 %."""
    noise = GaborNoise(counts=(1, 3), side=20, size=14.0, wavelength=6.0, amplitude=(-1.5, 1.5), margin=2.0)
    batch = compose(noise, 6, seed=5, stream=2)
    a = math.sqrt(-math.log(0.05) / math.pi) / 7.0
    draws = uniforms((5, 2, 0), torch.arange(6), 13)
    numbers = []
    for b in range(6):
        number = (1, 3)[int(draws[b, 0] * 2)]
        numbers.append(number)
        expected = torch.full((20, 20), 0.5, dtype=torch.float64)
        for k in range(number):
            u, v, turn, height = draws[b, 1 + 4 * k : 5 + 4 * k].tolist()
            center_x, center_y = 1.5 + 16 * u, 1.5 + 16 * v
            assert places(batch)[b, k].tolist() == pytest.approx([center_x, center_y])
            for row in range(20):
                for column in range(20):
                    x, y = column - center_x, row - center_y
                    along = x * math.cos(math.pi * turn) + y * math.sin(math.pi * turn)
                    wave = math.cos(2 * math.pi * along / 6.0)
                    expected[row, column] += (-1.5 + 3 * height) * math.exp(-math.pi * a**2 * (x**2 + y**2)) * wave
        torch.testing.assert_close(batch.images[b, 0].double(), expected.clamp(0, 1), rtol=0, atol=3e-5)
        assert batch.labels[b].tolist() == [0] * number + [-1] * (3 - number)
    assert set(numbers) == {1, 3}
    assert (batch.images == 0).any()
    assert (batch.images == 1).any()


def test_centre_is_the_middle_of_the_kernels_energy() -> None:
    batch = compose(ONE, 30)
    energy = (batch.images[:, 0] - 0.5).square()
    step = torch.arange(40.0)
    x = (energy.sum(1) * step).sum(1) / energy.sum((1, 2))
    y = (energy.sum(2) * step).sum(1) / energy.sum((1, 2))
    torch.testing.assert_close(torch.stack((x, y), dim=1), places(batch)[:, 0], rtol=0, atol=0.01)


def test_places_lie_anywhere_within_the_margin_alike() -> None:
    noise = GaborNoise(counts=(4,), side=8, size=2.0, margin=2.0)
    inner = places(compose(noise, 1600)) - 1.5  # of 4
    assert inner.min() >= 0
    assert inner.max() <= 4
    cells = (inner.flatten(0, 1) * 2).long()
    counts = torch.bincount(cells[:, 1] * 8 + cells[:, 0], minlength=64).double()
    assert len(counts) == 64
    assert 31.0 < ((counts - 100).square() / 100).sum() < 113.6  # 63 degrees: once in 10,000 below, and above


def test_kernels_keep_no_distance_and_form_no_crowd() -> None:
    """Points of a Poisson process of known number: how many of 16 lie to the left, or above, is binomial."""
    inner = places(compose(GaborNoise(side=26, size=2.0), 2000)) > 12.5
    numbers = inner.sum(dim=1).double()
    assert numbers.mean(dim=0).tolist() == pytest.approx([8.0] * 2, abs=4 * math.sqrt(4 / 2000))
    assert numbers.var(dim=0).tolist() == pytest.approx([4.0] * 2, abs=4 * 4.0 * math.sqrt(2 / 2000))
    assert torch.corrcoef(numbers.T)[0, 1].abs() < 4 / math.sqrt(2000)


def test_stripes_turn_by_any_angle_alike() -> None:
    """Angles by the structure tensor of the pixels, doubled, as half a turn is none."""
    image = compose(ONE, 800).images[:, 0]
    gy, gx = torch.gradient(image, dim=(1, 2))
    angle = torch.atan2(2 * (gx * gy).sum((1, 2)), (gx.square() - gy.square()).sum((1, 2)))
    counts = torch.bincount(((angle / (2 * math.pi) + 0.5) * 8).long().clamp(0, 7), minlength=8).double()
    assert ((counts - 100).square() / 100).sum() < 29.9  # 7 degrees of freedom: once in 10,000 above


def test_amplitudes_fill_their_range() -> None:
    """By the energy of a kernel, A² / (4 a²) · (1 + exp(−2π F₀² / a²))."""
    energy = (compose(ONE, 400).images - 0.5).square().sum((1, 2, 3))
    a = math.sqrt(-math.log(0.05) / math.pi) / 8.0
    amplitude = (energy * 4 * a**2 / (1 + math.exp(-2 * math.pi / (7.0 * a) ** 2))).sqrt()
    assert amplitude.min() > 0.249
    assert amplitude.max() < 0.501
    assert amplitude.mean().item() == pytest.approx(0.375, abs=4 * 0.25 / math.sqrt(12 * 400))
    assert amplitude.std().item() == pytest.approx(0.25 / math.sqrt(12), rel=0.12)


def test_size_is_that_of_the_envelope() -> None:
    batch = compose(ONE, 3)
    assert batch.sizes is not None
    assert batch.sizes.tolist() == [[[16.0, 16.0]]] * 3


def test_margin_that_leaves_no_place_is_reported() -> None:
    with pytest.raises(BoxlessError, match="leaves no place on 24 pixels"):
        GaborGenerator(GaborNoise(side=24))

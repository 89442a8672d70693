import pytest
import torch
from torch import Tensor

from boxless.ops.equivariance import equivariance_loss
from boxless.ops.warp import Warp, WarpRange, random_warp, valid_pixels, warp_images

STRONG = WarpRange(0.95, 0.05, 0.25, 0.05, 0.1)
SIZE = (14, 22)


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def some_warp(batch: int = 3) -> Warp:
    return random_warp(random(batch, STRONG.draws), STRONG, SIZE)


def test_is_the_mean_squared_difference_over_valid_pixels() -> None:
    warp, ours, source = some_warp(), random(3, 2, *SIZE), random(3, 2, *SIZE, seed=1)
    warped, valid = warp_images(source, warp), valid_pixels(warp)
    expected = []
    for b in range(3):
        squares = [
            ((ours[b, :, y, x] - warped[b, :, y, x]) ** 2).mean()
            for y in range(SIZE[0])
            for x in range(SIZE[1])
            if valid[b, y, x]
        ]
        assert len(squares) < SIZE[0] * SIZE[1]
        expected.append(torch.stack(squares).mean())
    torch.testing.assert_close(equivariance_loss(ours, source, warp), torch.stack(expected))


def test_a_network_of_single_pixels_is_equivariant_but_for_what_comes_from_outside() -> None:
    """A linear one commutes with interpolation; its offset differs from the zero outside, which does not count."""
    warp, images = some_warp(), random(3, 1, *SIZE)

    def network(pictures: Tensor) -> Tensor:
        return torch.cat((3 * pictures + 5, 1 - pictures), dim=1)

    loss = equivariance_loss(network(warp_images(images, warp)), network(images), warp)
    assert not valid_pixels(warp).all()
    assert loss.max() < 1e-4


def test_a_network_that_ignores_the_warp_pays() -> None:
    warp, ramp = some_warp(), torch.arange(float(SIZE[1])).expand(3, 1, *SIZE)
    assert equivariance_loss(ramp, ramp, warp).min() > 0.1


def test_of_a_shift_by_whole_pixels_in_closed_form() -> None:
    """A ramp along x looked at 2 pixels further right is 2 more, everywhere."""
    ranges = WarpRange(shift=0.8)
    draws = torch.full((1, ranges.draws), 0.5)
    draws[0, 2] = 1.0  # 0.8 of half of 6 pixels
    warp = random_warp(draws, ranges, (6, 9))
    ramp = torch.arange(9.0).expand(1, 4, 6, 9)
    torch.testing.assert_close(equivariance_loss(ramp, ramp, warp), torch.tensor([4.0]), rtol=1e-4, atol=0)


def test_nothing_valid_is_zero_not_nan() -> None:
    ranges = WarpRange(shift=9.0)
    warp = random_warp(torch.ones(1, ranges.draws), ranges, SIZE)
    maps = torch.ones(1, 1, *SIZE, requires_grad=True)
    loss = equivariance_loss(maps, maps, warp)
    loss.sum().backward()  # type: ignore[no-untyped-call]
    assert loss.item() == 0
    assert maps.grad is not None
    assert (maps.grad == 0).all()


def test_gradient_goes_to_both_maps() -> None:
    warp = random_warp(random(2, STRONG.draws), STRONG, (4, 6))
    first, second = random(2, 1, 4, 6).requires_grad_(), random(2, 1, 4, 6, seed=1).requires_grad_()
    assert torch.autograd.gradcheck(lambda a, b: equivariance_loss(a, b, warp), (first, second))


def test_maps_of_different_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match="the two maps are of one shape"):
        equivariance_loss(torch.zeros(3, 1, *SIZE), torch.zeros(3, 2, *SIZE), some_warp())

"""What misleads the most for how little is seen of it, against the same written out with loops."""

import pytest
import torch
from torch import Tensor

from boxless.ops.adversary import LEAST_SHARE, misleading


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def by_hand(slope: Tensor, size: int, strength: float) -> Tensor:
    """Pixel by pixel; beyond the border there is nothing."""
    half, (height, width) = size // 2, slope.shape[1:]
    power = torch.zeros(height, width)
    for row in range(height):
        for column in range(width):
            window = slope[:, max(0, row - half) : row + half + 1, max(0, column - half) : column + half + 1]
            power[row, column] = window.square().sum() / (size**2 * len(slope))
    return strength * slope / power.clamp_min(LEAST_SHARE * float(power.max())).sqrt()


def test_is_the_same_written_out() -> None:
    slope = random(2, 3, 9, 14)
    slope[1] *= 1e-4  # each image by itself
    slope[1, :, :, 7:] *= 1e-5  # where next to nothing is to be misled
    ours = misleading(slope, 5, 0.2)
    for number in range(2):
        torch.testing.assert_close(ours[number], by_hand(slope[number], 5, 0.2), rtol=1e-4, atol=1e-6)


def test_each_window_sees_as_much_of_it() -> None:
    """However steep the slope is there; of one that is as steep within a window."""
    signs = random(1, 1, 30, 40).sign()
    steps = torch.where(torch.arange(40) < 20, 1.0, 0.1)
    added = misleading(signs * steps, 5, 0.15)
    torch.testing.assert_close(added.sign(), signs)
    for columns in (slice(4, 16), slice(24, 36)):
        assert added[..., 4:26, columns].square().mean().sqrt().item() == pytest.approx(0.15, rel=1e-5)


def test_no_slope_is_nothing_added() -> None:
    slope = torch.zeros(2, 1, 6, 8)
    slope[1] = 1.0
    added = misleading(slope, 3, 0.1)
    assert not added[0].any()
    assert added[1].all()

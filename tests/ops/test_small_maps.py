"""Convolutions of small maps as a matrix product."""

import pytest
import torch
import torch.nn.functional as F

from boxless.ops.small_maps import convolve_small, sees_all


@pytest.mark.parametrize(
    ("height", "width", "kernel"), [(1, 1, 1), (1, 1, 3), (2, 2, 3), (1, 2, 3), (2, 1, 3), (3, 2, 5), (1, 3, 5)]
)
def test_it_is_the_convolution_in_values_and_gradients(height: int, width: int, kernel: int) -> None:
    draw = torch.Generator().manual_seed(0)
    maps = torch.randn(3, 4, height, width, generator=draw, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(5, 4, kernel, kernel, generator=draw, dtype=torch.float64, requires_grad=True)
    bias = torch.randn(5, generator=draw, dtype=torch.float64, requires_grad=True)
    assert sees_all((height, width), kernel)
    ours, torchs = convolve_small(maps, weight, bias), F.conv2d(maps, weight, bias, padding=kernel // 2)
    torch.testing.assert_close(ours, torchs)
    target = torch.randn(ours.shape, generator=draw, dtype=torch.float64)
    for mine, theirs in zip(
        *(torch.autograd.grad(one, (maps, weight, bias), target) for one in (ours, torchs)), strict=True
    ):
        torch.testing.assert_close(mine, theirs)
    assert ours.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize(("size", "kernel"), [((2, 1), 1), ((3, 2), 3), ((2, 3), 3), ((4, 4), 5)])
def test_larger_maps_are_not_seen_all_at_once(size: tuple[int, int], kernel: int) -> None:
    assert not sees_all(size, kernel)

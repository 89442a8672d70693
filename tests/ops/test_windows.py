"""Windows put together of parts of 1, 2, 4, ... values."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from boxless.ops.windows import along, of_windows, window_sums


def random(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


@pytest.mark.parametrize("size", range(1, 18))
@pytest.mark.parametrize("dim", [1, 2])
def test_a_row_is_combined_whole_and_nothing_twice(dim: int, size: int) -> None:
    values = random(2, 19, 17)
    rows = values.unfold(dim, size, 1)
    torch.testing.assert_close(along(values, size, dim, torch.add), rows.sum(-1))
    torch.testing.assert_close(along(values, size, dim, torch.maximum), rows.amax(-1), rtol=0, atol=0)


@pytest.mark.parametrize("size", [1, 3, 7, 15])
def test_sums_of_windows_of_a_rectangle_smaller_than_some(size: int) -> None:
    values = random(2, 3, 6, 11)
    expected = F.avg_pool2d(values, size, stride=1, padding=size // 2, divisor_override=1)
    torch.testing.assert_close(window_sums(values, size), expected)
    torch.testing.assert_close(
        of_windows(values, size, torch.logaddexp, -torch.inf).exp(), window_sums(values.exp(), size)
    )


def test_gradient_of_the_sums() -> None:
    values = random(1, 2, 4, 6).requires_grad_()
    assert torch.autograd.gradcheck(lambda of: window_sums(of, 3), values)
    assert torch.autograd.gradgradcheck(lambda of: window_sums(of, 3).square(), values)

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter
from torch import Tensor

from boxless.ops.blur import gaussian_blur


def random(*shape: int) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


@pytest.mark.parametrize("sigma", [1.5, 2.5, 4.0])
def test_equals_scipy(sigma: float) -> None:
    images = random(2, 3, 13, 22)
    axes = (0, 0, sigma, sigma)
    expected = gaussian_filter(images.numpy(), axes, mode="constant", truncate=3)
    np.testing.assert_allclose(gaussian_blur(images, sigma).numpy(), expected, rtol=1e-12, atol=1e-14)


@given(
    sigma=st.floats(0.3, 5.0),
    height=st.integers(1, 12),
    width=st.integers(1, 12),
)
def test_reaches_three_standard_deviations_rounded_up_in_any_rectangle(sigma: float, height: int, width: int) -> None:
    images = random(1, 1, height, width)
    reach = int(np.ceil(3 * sigma))
    expected = gaussian_filter(images[0, 0].numpy(), sigma, mode="constant", radius=reach)
    np.testing.assert_allclose(gaussian_blur(images, sigma)[0, 0].numpy(), expected, rtol=1e-10, atol=1e-14)


def test_a_point_becomes_the_same_gaussian_along_x_and_y() -> None:
    images = torch.zeros(1, 1, 21, 31, dtype=torch.float64)
    images[0, 0, 9, 17] = 1.0
    blurred = gaussian_blur(images, 2.0)[0, 0]
    offsets = torch.arange(-6, 7, dtype=torch.float64)
    bell = torch.exp(-(offsets**2) / 8)
    bell = bell / bell.sum()
    torch.testing.assert_close(blurred[3:16, 11:24], bell.outer(bell))
    assert blurred.sum().item() == pytest.approx(1.0)


def test_what_is_blurred_over_the_border_is_lost() -> None:
    images = torch.ones(1, 1, 5, 40, dtype=torch.float64)
    blurred = gaussian_blur(images, 1.0)[0, 0]
    assert blurred[2, 20] < 1.0  # 2 of its 3 pixels of reach above and below
    assert blurred[0, 20] < 0.75
    assert blurred[2, 0] < blurred[2, 3] == pytest.approx(blurred[2, 20].item())


def test_gradient() -> None:
    assert torch.autograd.gradcheck(lambda x: gaussian_blur(x, 0.8), random(1, 2, 3, 5).requires_grad_())


@pytest.mark.parametrize("sigma", [0.0, -1.0, float("nan")])
def test_a_standard_deviation_of_nothing_is_refused(sigma: float) -> None:
    with pytest.raises(ValueError, match="above 0 pixels"):
        gaussian_blur(random(1, 1, 4, 4), sigma)

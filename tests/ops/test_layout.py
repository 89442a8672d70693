import pytest
import torch
from torch import nn

from boxless.ops.layout import channels_last


@pytest.mark.parametrize("channels", [1, 3])
def test_values_stay_and_what_a_convolution_makes_lies_with_its_channels_side_by_side(channels: int) -> None:
    images = torch.rand(2, channels, 6, 9, generator=torch.Generator().manual_seed(0))
    laid = channels_last(images)
    assert torch.equal(laid, images)
    assert nn.Conv2d(channels, 5, 3)(laid).is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("channels", [1, 2])
def test_gradient(channels: int) -> None:
    images = torch.rand(2, channels, 3, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: channels_last(x).square(), images)


def test_a_part_of_a_larger_image_is_taken() -> None:
    images = torch.arange(48.0).view(1, 1, 6, 8)[:, :, 1:5, 2:7]
    assert torch.equal(channels_last(images), images)

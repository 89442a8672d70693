"""The U-Net: as large as the image, equivariant to shifts by whole cells, and the same whatever lies beside."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from boxless.hardware import can_compile
from boxless.nets.unet import UNet


def unet(inputs: int = 1, channels: tuple[int, ...] = (3, 4, 5)) -> UNet:
    torch.manual_seed(0)
    return UNet(inputs, channels)


def random(*shape: int) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("size", [(16, 24), (17, 22), (1, 1), (3, 9)])
def test_features_are_as_large_as_the_image(size: tuple[int, int]) -> None:
    assert unet()(random(2, 1, *size)).shape == (2, 3, *size)


def test_a_size_between_cells_is_the_image_with_its_border_repeated() -> None:
    """13×18 pixels in cells of 4 are seen as 16×20."""
    image = random(1, 1, 13, 18)
    rows, columns = torch.arange(16).clamp_max(12), torch.arange(20).clamp_max(17)
    network = unet()
    torch.testing.assert_close(network(image), network(image[:, :, rows][..., columns])[:, :, :13, :18])


def test_an_image_does_not_depend_on_the_others_of_its_batch() -> None:
    images = random(3, 1, 16, 24)
    network = unet()
    torch.testing.assert_close(network(images)[1:2], network(images[1:2]))


def test_an_object_moved_by_a_cell_has_the_same_features_there() -> None:
    """Of an object on black, far from the border: what it changes moves with it."""
    network = unet().double()
    images = torch.zeros(2, 1, 128, 128, dtype=torch.float64)
    images[0, 0, 56:64, 52:60] = random(8, 8).double()
    images[1, 0, 60:68, 60:68] = images[0, 0, 56:64, 52:60]
    features = network(images)
    first, second = features[0, :, 52:68, 48:64], features[1, :, 56:72, 56:72]
    assert first.std() > 0.1
    torch.testing.assert_close(first, second)


def test_it_sees_far_and_at_full_resolution() -> None:
    """A pixel's features depend on its neighbour, and on a pixel that only the lowest level can tell of."""
    network = unet(channels=(4, 4, 4, 4)).double()
    image = random(1, 1, 64, 64).double().requires_grad_()
    (slope,) = torch.autograd.grad(network(image)[0, :, 32, 32].sum(), image)
    near, far = slope[0, 0, 32, 33].abs(), slope[0, 0, 32 - 20 : 32 + 21, 32 - 20 : 32 + 21].abs()
    assert near > 10 * far[0, 0] > 0


def test_every_weight_learns() -> None:
    network = unet(2)
    loss = (network(random(2, 2, 16, 16)) * random(2, 3, 16, 16)).sum()
    loss.backward()  # type: ignore[no-untyped-call]
    assert all(weight.grad is not None and weight.grad.abs().max() > 0 for weight in network.parameters())


@pytest.mark.skipif(not can_compile("cpu"), reason="no C++ compiler")
@pytest.mark.parametrize("side", [16, 15])
def test_compiled_in_bf16_every_layer_gets_its_gradient(side: int) -> None:
    """As in a training: channels last, skips beside what comes up, pooling whose backward pass must not end there.

    The input too, as the decoder's does; also through a border that is repeated.
    """
    network = unet(2, (8, 16)).to(memory_format=torch.channels_last)
    image = random(4, 2, side, side).contiguous(memory_format=torch.channels_last).requires_grad_()
    target = torch.randn(4, 8, side, side, generator=torch.Generator().manual_seed(2))
    gradients = []
    for function, reduced in ((network, False), (torch.compile(network, dynamic=False), True)):
        with torch.autocast("cpu", torch.bfloat16, enabled=reduced):
            output = function(image)
        gradients.append(torch.autograd.grad((output.float() * target).mean(), [image, *network.parameters()]))
    for full, half in zip(*gradients, strict=True):
        assert F.cosine_similarity(full.flatten(), half.flatten(), dim=0) > 0.9

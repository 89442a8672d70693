import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from boxless.nets.heatmap import HeatmapNet, init_for_relu
from boxless.nets.residual import ResidualBlock


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed))


def net(inputs: int = 1, channels: int = 4, blocks: int = 2) -> HeatmapNet:
    torch.manual_seed(0)
    network = HeatmapNet(inputs, channels, blocks)
    network.normalise.running_mean = torch.full((inputs,), 0.3)
    network.normalise.running_var = torch.full((inputs,), 0.5)
    return network.eval()


def test_scores_are_those_of_the_image_with_its_edge_repeated_and_as_large_as_the_image() -> None:
    network, images = net(inputs=3), random(2, 3, 7, 11)
    wide = torch.from_numpy(np.pad(images.numpy(), ((0, 0), (0, 0), (4, 4), (4, 4)), mode="edge"))
    x = (wide - 0.3) / (0.5 + 1e-5) ** 0.5
    x = F.conv2d(x, network.enter.weight, network.enter.bias)
    for block in network.blocks:
        assert isinstance(block, ResidualBlock)
        y = F.conv2d(F.group_norm(x, 1).relu(), block.conv1.weight, block.conv1.bias)
        x = x[:, :, 2:-2, 2:-2] + F.conv2d(F.group_norm(y, 1).relu(), block.conv2.weight, block.conv2.bias)
    expected = F.conv2d(x, network.leave.weight, network.leave.bias)
    scores = network(images)
    assert scores.shape == (2, 1, 7, 11)
    torch.testing.assert_close(scores, expected, rtol=1e-4, atol=1e-5)


def test_scores_move_with_the_image_by_whole_pixels() -> None:
    """A blob on black that stays clear of the border leaves the statistics of the layer norms as they are."""
    network = net()
    images = torch.zeros(1, 1, 40, 50)
    images[:, :, 15:21, 20:27] = random(1, 1, 6, 7)
    reach = network.margin + 4  # the blob's trace, and one more block
    before, after = network(images), network(images.roll((3, -5), dims=(2, 3)))
    inside = (slice(None), slice(None), slice(reach, -reach), slice(reach, -reach))
    torch.testing.assert_close(after[inside], before.roll((3, -5), dims=(2, 3))[inside], rtol=1e-4, atol=1e-4)
    assert before.max() - before.min() > 0.1


def test_a_score_sees_no_further_than_the_margin() -> None:
    """With the layer norms taken out, a changed pixel moves the scores up to ``margin`` pixels away, and no others."""
    network = net()
    for block in network.blocks:
        assert isinstance(block, ResidualBlock)
        block.norm1 = block.norm2 = nn.Identity()  # type: ignore[assignment]
    images = random(1, 1, 21, 31)
    changed = images.clone()
    changed[0, 0, 9, 14] += 5.0
    moved = (network(images) != network(changed))[0, 0].nonzero()
    assert moved.amin(0).tolist() == [9 - network.margin, 14 - network.margin]
    assert moved.amax(0).tolist() == [9 + network.margin, 14 + network.margin]


def test_an_image_is_scored_alike_alone_and_among_others() -> None:
    network, images = net(), random(4, 1, 12, 9)
    torch.testing.assert_close(network(images)[2:3], network(images[2:3]))


def test_every_weight_gets_a_gradient() -> None:
    network = net().train()
    network(random(2, 1, 12, 9)).square().sum().backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name


@pytest.mark.parametrize(("height", "width"), [(1, 20), (8, 1)])
def test_an_image_of_one_pixel_across_has_scores(height: int, width: int) -> None:
    assert net(blocks=4)(random(1, 1, height, width)).shape == (1, 1, height, width)


def test_init_for_relu_fills_the_kaiming_range_and_zeroes_biases() -> None:
    network = HeatmapNet(1, 16, 2)
    init_for_relu(network)
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d):
            bound = (6 / (layer.in_channels * layer.kernel_size[0] ** 2)) ** 0.5
            assert 0.8 * bound < layer.weight.abs().max().item() <= bound * (1 + 1e-6)
            assert layer.bias is not None
            assert (layer.bias == 0).all()


@pytest.mark.parametrize("padding", [0.0, 1.0, 50.0])
def test_a_padded_image_has_the_scores_that_it_has_alone(padding: float) -> None:
    """The blocks normalise over all that they see, which would be the padding as well."""
    network = net(channels=8).eval()
    extents = torch.tensor([[9, 20], [17, 11], [9, 20], [17, 20]])
    images = torch.full((4, 1, 17, 20), padding)
    for image, (height, width) in zip(images, extents.tolist(), strict=True):
        image[:, :height, :width] = torch.rand(1, height, width)
    scores = network(images, extents)
    for own, image, (height, width) in zip(scores, images, extents.tolist(), strict=True):
        torch.testing.assert_close(own[:, :height, :width], network(image[None, :, :height, :width])[0])
        assert not own[:, height:].any()
        assert not own[:, :, width:].any()


def test_scores_of_padded_images_have_a_gradient_to_the_weights_and_none_from_the_padding() -> None:
    network = net()
    images = torch.rand(2, 1, 12, 15, requires_grad=True)
    network.normalise.eval()
    network(images, torch.tensor([[12, 9], [7, 15]])).square().sum().backward()
    assert images.grad is not None
    assert images.grad[0, :, :, :9].abs().min() > 0
    assert not images.grad[0, :, :, 9:].any()
    assert not images.grad[1, :, 7:].any()
    assert all(parameter.grad is not None for parameter in network.blocks.parameters())


def test_padding_has_no_part_in_what_the_input_is_normalised_by() -> None:
    """Black beside bright images would be most of the spread."""
    network = net(channels=8).train()
    extents = torch.tensor([[9, 20], [17, 11]])
    images = torch.zeros(2, 1, 17, 20)
    for image, (height, width) in zip(images, extents.tolist(), strict=True):
        image[:, :height, :width] = 0.8 + 0.05 * torch.randn(1, height, width)
    images[1, 0, 16, :11] = 0.0  # a last row that differs, which counts once
    network.normalise.momentum = 1.0
    network(images, extents)
    own = torch.cat([image[0, :h, :w].flatten() for image, (h, w) in zip(images, extents.tolist(), strict=True)])
    assert network.normalise.running_mean is not None
    assert network.normalise.running_var is not None
    assert network.normalise.running_mean.item() == pytest.approx(own.mean().item(), rel=1e-4)
    assert network.normalise.running_var.item() == pytest.approx(own.var().item(), rel=1e-3)

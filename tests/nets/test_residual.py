from typing import cast

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from boxless.hardware import can_compile
from boxless.nets.residual import PyramidEncoder, ResidualBlock


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def shuffle_weights(module: nn.Module) -> None:
    """Weights and biases that no symmetry hides behind."""
    for i, parameter in enumerate(module.parameters()):
        parameter.data = 0.3 * random(*parameter.shape, seed=i + 1)


def plain_block(block: ResidualBlock, x: Tensor) -> Tensor:
    """A padded block out of torch's own functions."""
    y = F.group_norm(x, 1, block.norm1.weight, block.norm1.bias)
    y = F.conv2d(y.relu(), block.conv1.weight, block.conv1.bias, padding=1)
    y = F.group_norm(y, 1, block.norm2.weight, block.norm2.bias)
    return F.conv2d(y.relu(), block.conv2.weight, block.conv2.bias, padding=1)


class TestResidualBlock:
    def test_padded_block_is_normalise_relu_convolve_twice_beside_the_input(self) -> None:
        block = ResidualBlock(3, 3)
        shuffle_weights(block)
        x = random(2, 3, 6, 9)
        torch.testing.assert_close(block(x), x + plain_block(block, x), rtol=1e-4, atol=1e-5)

    def test_other_channels_go_through_one_by_one(self) -> None:
        block = ResidualBlock(2, 5)
        shuffle_weights(block)
        x = random(2, 2, 6, 9)
        shortcut = cast(nn.Conv2d, block.shortcut)
        beside = F.conv2d(x, shortcut.weight, shortcut.bias)
        torch.testing.assert_close(block(x), beside + plain_block(block, x), rtol=1e-4, atol=1e-5)

    def test_unpadded_block_takes_two_pixels_off_each_side(self) -> None:
        block = ResidualBlock(3, 3, padded=False)
        shuffle_weights(block)
        x = random(2, 3, 8, 11)
        y = F.conv2d(
            F.group_norm(x, 1, block.norm1.weight, block.norm1.bias).relu(), block.conv1.weight, block.conv1.bias
        )
        y = F.conv2d(
            F.group_norm(y, 1, block.norm2.weight, block.norm2.bias).relu(), block.conv2.weight, block.conv2.bias
        )
        torch.testing.assert_close(block(x), x[:, :, 2:6, 2:9] + y, rtol=1e-4, atol=1e-5)


class TestPyramidEncoder:
    def test_each_level_is_its_blocks_and_a_maximum_of_two_by_two(self) -> None:
        encoder = PyramidEncoder(1, (2, 3), blocks=2)
        shuffle_weights(encoder)
        patches = random(4, 1, 8, 12)
        blocks = [layer for layer in encoder.layers if isinstance(layer, ResidualBlock)]
        x = F.max_pool2d(blocks[1](blocks[0](patches)), 2)
        x = F.max_pool2d(blocks[3](blocks[2](x)), 2)
        torch.testing.assert_close(encoder(patches), blocks[5](blocks[4](x)))
        assert [block.conv1.in_channels for block in blocks] == [1, 2, 2, 3, 3, 3]

    def test_five_levels_bring_a_patch_of_32_to_one_pixel_of_features(self) -> None:
        encoder = PyramidEncoder(1).eval()
        assert encoder(random(1, 1, 32, 32)).shape == (1, encoder.features, 1, 1)
        assert encoder.features == 128

    def test_a_patch_is_encoded_alike_alone_and_among_others(self) -> None:
        encoder = PyramidEncoder(2, (2, 4))
        patches = random(5, 2, 8, 8)
        torch.testing.assert_close(encoder(patches)[3:4], encoder(patches[3:4]))

    @pytest.mark.parametrize("blocks", [1, 3])
    def test_blocks_per_level(self, blocks: int) -> None:
        encoder = PyramidEncoder(1, (2, 4), blocks=blocks)
        assert sum(isinstance(layer, ResidualBlock) for layer in encoder.layers) == 3 * blocks


@pytest.mark.skipif(not can_compile("cpu"), reason="no C++ compiler")
@pytest.mark.parametrize("patches", [24, 96])
def test_a_compiled_encoder_in_bf16_gives_every_layer_its_gradient(patches: int) -> None:
    # nn.MaxPool2d compiles into a backward pass that ends at the pooling: seen with the whole encoder and 96 patches in
    # channels_last, which take a minute to compile; at this size it happens to be right, so this guards the rest alone.
    torch.manual_seed(0)  # with weights by which a gradient is next to nothing rounding is all of it
    encoder = PyramidEncoder(1, (8, 16), blocks=1)
    x, target = random(patches, 1, 16, 16), random(patches, 16, 4, 4, seed=1)
    gradients = []
    for network, reduced in ((encoder, False), (torch.compile(encoder, dynamic=False), True)):
        with torch.autocast("cpu", torch.bfloat16, enabled=reduced):
            output = network(x)
        gradients.append(torch.autograd.grad((output.float() * target).mean(), list(encoder.parameters())))
    for full, half in zip(*gradients, strict=True):
        if full.numel() > 1:  # the shift of a single channel is little but rounding
            assert F.cosine_similarity(full.flatten(), half.flatten(), dim=0) > 0.9


def test_of_no_patch_at_all_there_are_no_features() -> None:
    """As where nothing was found in an image."""
    encoder = PyramidEncoder(1, (8, 8, 8)).eval()
    with torch.inference_mode():
        assert encoder(torch.zeros(0, 1, 8, 8).contiguous(memory_format=torch.channels_last)).shape == (0, 8, 1, 1)

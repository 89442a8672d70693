"""Layer normalisation of maps."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from boxless.hardware import can_compile
from boxless.ops.layer_norm import layer_norm
from boxless.ops.layout import channels_last


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def scale_and_shift(channels: int) -> tuple[Tensor, Tensor]:
    """That no symmetry hides behind."""
    return 0.3 * random(channels, seed=1), 0.3 * random(channels, seed=2)


def test_it_is_group_norm_of_one_group_in_values_and_gradients() -> None:
    inputs = [one.requires_grad_() for one in (3 * random(2, 4, 5, 7) + 1.5, *scale_and_shift(4))]
    target = random(2, 4, 5, 7, seed=9)
    results = []
    for output in (layer_norm(*inputs), F.group_norm(inputs[0], 1, *inputs[1:])):
        results.append((output, *torch.autograd.grad(output, inputs, target)))
    for mine, torchs in zip(*results, strict=True):
        torch.testing.assert_close(mine, torchs)


def test_gradient() -> None:
    inputs = [one.requires_grad_() for one in (random(2, 3, 2, 4), *scale_and_shift(3))]
    assert torch.autograd.gradcheck(layer_norm, inputs)


@pytest.mark.parametrize("channels", [1, 2, 8, 12, 16, 40])
@pytest.mark.parametrize("width", [7, 8, 32])
@torch.no_grad()
def test_without_gradient_it_is_the_same_in_any_layout(channels: int, width: int) -> None:
    x = 3 * random(2, channels, 5, width) + 1.5
    for laid in (x, channels_last(x)):
        expected = F.group_norm(x, 1, *scale_and_shift(channels))
        torch.testing.assert_close(layer_norm(laid, *scale_and_shift(channels)), expected)


@pytest.mark.parametrize("learning", [False, True])
def test_statistics_of_bfloat16_are_taken_in_float32(learning: bool) -> None:
    x = (40 + random(2, 3, 16, 16)).bfloat16()
    with torch.set_grad_enabled(learning):
        ours = layer_norm(x, torch.ones(3), torch.zeros(3))
    assert ours.dtype == torch.bfloat16
    torch.testing.assert_close(ours.double(), F.group_norm(x.double(), 1), rtol=2**-8, atol=1e-4)


def test_gradients_of_bfloat16_are_those_of_float64_but_for_its_rounding() -> None:
    x, target = (5 + random(2, 8, 16, 16)).bfloat16(), random(2, 8, 16, 16, seed=9).bfloat16()
    gradients = []
    for kind, parameters in ((torch.bfloat16, torch.float32), (torch.float64, torch.float64)):
        inputs = [x.to(kind), *(one.to(parameters) for one in scale_and_shift(8))]
        output = layer_norm(*(one.requires_grad_() for one in inputs))
        gradients.append(torch.autograd.grad(output, inputs, target.to(kind)))
    for mine, exact in zip(*gradients, strict=True):
        torch.testing.assert_close(mine.double(), exact, rtol=2**-8, atol=1e-3)


def test_constant_input_gives_the_bias() -> None:
    weight, bias = scale_and_shift(3)
    ours = layer_norm(torch.full((1, 3, 4, 5), 7.0).double().requires_grad_(), weight, bias)
    torch.testing.assert_close(ours, bias.view(1, 3, 1, 1).expand(1, 3, 4, 5), rtol=0, atol=1e-3)


@pytest.mark.skipif(not can_compile("cpu"), reason="no C++ compiler")
def test_compiled_it_is_the_same() -> None:
    inputs = [one.requires_grad_() for one in (channels_last(random(2, 4, 5, 7)), *scale_and_shift(4))]
    target = random(2, 4, 5, 7, seed=9)
    results = []
    for function in (layer_norm, torch.compile(layer_norm, dynamic=False)):
        output = function(*inputs)
        results.append((output, *torch.autograd.grad(output, inputs, target)))
    for plain, compiled in zip(*results, strict=True):
        torch.testing.assert_close(compiled, plain)

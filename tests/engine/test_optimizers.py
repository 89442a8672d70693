"""Kernels by Muon, the rest by Adam."""

import copy

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from boxless.engine.optimizers import KernelMuon, optimizers_for, orthogonal, set_rates


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(2, 6, 3, padding=1), nn.ReLU(), nn.ConvTranspose2d(6, 4, 2, stride=2), nn.ReLU(), nn.Conv2d(4, 1, 1)
    )


def loss_of(net: nn.Module, seed: int) -> Tensor:
    images = torch.rand(3, 2, 5, 8, generator=torch.Generator().manual_seed(seed))
    return F.mse_loss(net(images), torch.ones(3, 1, 10, 16))


def train(net: nn.Module, optimizers: list[torch.optim.Optimizer], seeds: range) -> None:
    for seed in seeds:
        for optimizer in optimizers:
            optimizer.zero_grad()
        loss_of(net, seed).backward()
        for optimizer in optimizers:
            optimizer.step()


@pytest.mark.parametrize("of_slope", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_a_kernel_takes_the_step_of_its_matrix(layout: torch.memory_format, of_slope: torch.memory_format) -> None:
    kernel = nn.Parameter(torch.randn(5, 3, 3, 2).to(memory_format=layout))
    matrix = nn.Parameter(kernel.detach().flatten(1).clone())
    ours, plain = KernelMuon([kernel], 0.1), torch.optim.Muon([matrix], 0.1, weight_decay=0.0)
    for _ in range(3):
        slope = torch.randn(5, 3, 3, 2)
        kernel.grad, matrix.grad = slope.to(memory_format=of_slope), slope.flatten(1)
        ours.step()
        plain.step()
    torch.testing.assert_close(kernel.flatten(1), matrix, rtol=0, atol=2e-3)  # bfloat16 inside, steps of 0.1
    assert kernel.is_contiguous(memory_format=layout)


def test_kernels_of_many_shapes_take_the_steps_of_their_matrices() -> None:
    shapes = [(4, 2, 3, 3), (9, 2, 2, 1), (4, 2, 3, 3), (9, 4, 1, 1), (4, 18, 1, 1)]
    kernels = [nn.Parameter(torch.randn(shape)) for shape in shapes]
    matrices = [nn.Parameter(kernel.detach().flatten(1).clone()) for kernel in kernels]
    ours, plain = KernelMuon(kernels, 0.1), torch.optim.Muon(matrices, 0.1, weight_decay=0.0)
    for left_out in (1, 2, None):
        for index, (kernel, matrix) in enumerate(zip(kernels, matrices, strict=True)):
            matrix.grad = None if index == left_out else torch.randn_like(matrix)
            kernel.grad = None if matrix.grad is None else matrix.grad.view_as(kernel)
        ours.step()
        plain.step()
    for kernel, matrix in zip(kernels, matrices, strict=True):
        torch.testing.assert_close(kernel.flatten(1), matrix, rtol=0, atol=2e-3)


@pytest.mark.parametrize("shape", [(5, 40), (40, 5), (12, 24)])
def test_singular_values_become_one_roughly(shape: tuple[int, int]) -> None:
    matrices = torch.randn(3, *shape)
    left, _, right = torch.linalg.svd(matrices, full_matrices=False)
    found = orthogonal(matrices).float()
    values = torch.linalg.svdvals(found)
    assert 0.6 < values.min() <= values.max() < 1.3
    assert F.cosine_similarity(found.flatten(1), (left @ right).flatten(1)).min() > 0.95


def test_all_parameters_move_and_the_loss_falls() -> None:
    net = network()
    before, first = copy.deepcopy(net.state_dict()), loss_of(net, 0).item()
    train(net, optimizers_for(net.parameters(), "muon", 1e-2), range(20))
    assert all(not torch.equal(value, before[name]) for name, value in net.state_dict().items())
    assert loss_of(net, 0).item() < 0.3 * first


def test_each_parameter_has_one_optimizer() -> None:
    net = network()
    kernels, rest = optimizers_for(net.parameters(), "muon", 1e-3)
    assert isinstance(kernels, KernelMuon)
    numbers = [sum(p.numel() for group in one.param_groups for p in group["params"]) for one in (kernels, rest)]
    assert numbers[0] == net[0].weight.numel() + net[2].weight.numel()
    assert sum(numbers) == sum(parameter.numel() for parameter in net.parameters())
    (alone,) = optimizers_for(net.parameters(), "adam", 1e-3)
    assert isinstance(alone, torch.optim.Adam)


def test_a_network_may_lie_elsewhere_between_steps() -> None:
    moved, kept = network(), network()
    pairs = [(net, optimizers_for(net.parameters(), "muon", 1e-3)) for net in (moved, kept)]
    for net, optimizers in pairs:
        train(net, optimizers, range(1))
    moved.double().float()
    for net, optimizers in pairs:
        train(net, optimizers, range(1, 3))
    for one, other in zip(moved.parameters(), kept.parameters(), strict=True):
        assert torch.equal(one, other)


def test_a_resumed_training_takes_the_same_steps() -> None:
    whole, first = network(), network()
    train(whole, optimizers_for(whole.parameters(), "muon", 1e-3), range(4))
    begun = optimizers_for(first.parameters(), "muon", 1e-3)
    train(first, begun, range(2))
    second = network()
    second.load_state_dict(first.state_dict())
    resumed = optimizers_for(second.parameters(), "muon", 1e-3)
    for optimizer, saved in zip(resumed, begun, strict=True):
        optimizer.load_state_dict(copy.deepcopy(saved.state_dict()))
    train(second, resumed, range(2, 4))
    for one, other in zip(second.parameters(), whole.parameters(), strict=True):
        assert torch.equal(one, other)


def test_rates_are_factors_of_the_first() -> None:
    optimizers = optimizers_for(network().parameters(), "muon", 1e-3)
    for factor in (0.5, 0.25):
        set_rates(optimizers, factor)
    assert [one.param_groups[0]["lr"] for one in optimizers] == pytest.approx([0.25 * 0.03, 0.25 * 1e-3])

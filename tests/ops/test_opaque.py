import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from boxless.hardware import can_compile
from boxless.ops.opaque import halve, trim


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


LAYOUTS = pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])


@LAYOUTS
@pytest.mark.parametrize("margin", [0, 1, 2])
def test_trim_is_slicing_of_a_rectangle(margin: int, layout: torch.memory_format) -> None:
    images = random(2, 3, 7, 9).to(memory_format=layout)
    expected = images[:, :, margin : 7 - margin, margin : 9 - margin]
    assert torch.equal(trim(images, margin), expected)
    with torch.no_grad():
        assert torch.equal(trim(images, margin), expected)


def test_gradient_of_trim() -> None:
    assert torch.autograd.gradcheck(lambda images: trim(images, 2), random(2, 3, 6, 7).requires_grad_())


@LAYOUTS
@pytest.mark.parametrize("size", [(8, 6), (7, 9), (2, 2)])
def test_halve_is_max_pooling(size: tuple[int, int], layout: torch.memory_format) -> None:
    images = random(2, 3, *size).to(memory_format=layout).requires_grad_()
    target = random(2, 3, size[0] // 2, size[1] // 2, seed=1)
    results = []
    for pooled in (halve(images), F.max_pool2d(images, 2)):
        results.append((pooled, *torch.autograd.grad((pooled * target).sum(), images)))
    for ours, theirs in zip(*results, strict=True):
        assert torch.equal(ours, theirs)
    with torch.no_grad():
        assert torch.equal(halve(images), results[0][0])


def test_gradient_of_halve() -> None:
    assert torch.autograd.gradcheck(halve, random(2, 3, 5, 6).requires_grad_())


@LAYOUTS
@pytest.mark.parametrize("operation", [torch.ops.boxless.trim, torch.ops.boxless.halve])
def test_what_the_compiler_is_told_is_true(operation: object, layout: torch.memory_format) -> None:
    images = random(2, 3, 9, 12).to(memory_format=layout).requires_grad_()
    arguments = (images, 2) if operation is torch.ops.boxless.trim else (images,)
    torch.library.opcheck(operation.default, arguments)  # type: ignore[attr-defined]


@pytest.mark.skipif(not can_compile("cpu"), reason="no C++ compiler")
def test_compiled_they_are_what_they_are_without() -> None:
    def network(images: Tensor) -> Tensor:
        return halve(trim(images.square(), 1)).sum(1)

    images = random(2, 8, 12, 10).to(memory_format=torch.channels_last).requires_grad_()
    results = []
    for run in (network, torch.compile(network, dynamic=False)):
        output = run(images)
        results.append((output, *torch.autograd.grad(output.square().sum(), images)))
    for plain, compiled in zip(*results, strict=True):
        torch.testing.assert_close(compiled, plain)

import pytest
import torch
import torch.nn.functional as F

from boxless.ops.relu import relu_


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("grad", [False, True])
def test_it_is_relu_in_place(dtype: torch.dtype, grad: bool) -> None:
    x = torch.randn(2, 3, 5, 7, generator=torch.Generator().manual_seed(0)).to(dtype)
    x = x.contiguous(memory_format=torch.channels_last)
    x[0, 0, 0] = torch.tensor([0.0, -0.0, torch.inf, -torch.inf, 1e-39, -1e-39, 3e38]).to(dtype)
    expected = F.relu(x)
    with torch.set_grad_enabled(grad):
        assert relu_(x) is x
    assert torch.equal(x, expected)


def test_its_gradient_is_that_of_relu() -> None:
    x = torch.tensor([-1.0, 2.0], dtype=torch.bfloat16, requires_grad=True)
    relu_(x * 1).sum().backward()
    assert x.grad is not None
    assert x.grad.tolist() == [0.0, 1.0]

"""The likelihood of counts against the sum over all ways to name the patches."""

import itertools

import pytest
import torch
from torch import Tensor

from boxless.ops.count_likelihood import count_log_likelihoods, number_log_probs


def random_log_probs(*shape: int, scale: float = 2.0) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return (scale * torch.randn(shape, generator=generator, dtype=torch.float64)).log_softmax(-1)


@pytest.mark.parametrize("patches", [1, 2, 3, 5, 6])
def test_numbers_are_as_likely_as_all_namings_that_have_them(patches: int) -> None:
    log_probs = random_log_probs(2, patches, 3)
    expected = torch.zeros(2, 3, patches + 1, dtype=torch.float64)
    for naming in itertools.product(range(3), repeat=patches):
        likely = torch.stack([log_probs[:, k, c].exp() for k, c in enumerate(naming)]).prod(0)
        for label in range(3):
            expected[:, label, naming.count(label)] += likely
    torch.testing.assert_close(number_log_probs(log_probs).exp(), expected)
    torch.testing.assert_close(expected.sum(-1), torch.ones(2, 3, dtype=torch.float64))


def test_a_range_of_numbers_adds_up() -> None:
    log_probs = random_log_probs(1, 4, 2)
    least, most = torch.tensor([[1, 0]]), torch.tensor([[3, 4]])
    numbers = number_log_probs(log_probs).exp()
    expected = torch.stack((numbers[:, 0, 1:4].sum(-1), numbers[:, 1].sum(-1)), dim=1)
    torch.testing.assert_close(count_log_likelihoods(log_probs, least, most).exp(), expected)


def test_gradient_is_that_of_differences() -> None:
    log_probs = random_log_probs(2, 5, 3).requires_grad_()
    counts = torch.tensor([[1, 0, 4], [5, 0, 0]])
    torch.autograd.gradcheck(lambda values: count_log_likelihoods(values.log_softmax(-1), counts, counts), (log_probs,))


def test_certain_and_impossible_names_have_finite_values_and_gradients() -> None:
    log_probs = torch.tensor([[[0.0, -torch.inf], [-torch.inf, 0.0], [-90.0, 0.0]]], requires_grad=True)
    right, wrong = torch.tensor([[1, 2]]), torch.tensor([[3, 0]])
    assert count_log_likelihoods(log_probs, right, right).exp().tolist()[0] == pytest.approx([1.0, 1.0], abs=1e-5)
    likelihood = count_log_likelihoods(log_probs, wrong, wrong)
    assert likelihood.isfinite().all()
    assert (likelihood < -90).all()
    likelihood.sum().backward()
    assert log_probs.grad is not None
    assert log_probs.grad.isfinite().all()


def test_a_patch_that_is_surely_wrong_is_told_so() -> None:
    """The slope of eq. 9 vanishes there: each factor p·(1 − p) does."""
    logits = torch.tensor([[[30.0, 0.0], [0.0, 30.0]]], requires_grad=True)
    counts = torch.tensor([[2, 0]])
    count_log_likelihoods(logits.log_softmax(-1), counts, counts).sum().backward()
    assert logits.grad is not None
    assert logits.grad[0, 1].tolist() == pytest.approx([2.0, -2.0], abs=0.01)


def test_shapes_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="share B and C"):
        count_log_likelihoods(torch.zeros(2, 3, 4), torch.zeros(2, 3), torch.zeros(2, 3))

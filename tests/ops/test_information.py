"""Mutual information of two views against scikit-learn's, and what the loss rewards."""

import pytest
import torch
from sklearn.metrics import mutual_info_score

from boxless.ops.information import joint_assignments, mutual_information


def certain(kinds: torch.Tensor, number: int) -> torch.Tensor:
    return torch.nn.functional.one_hot(kinds, number).double()


def test_information_of_certain_kinds_is_scikit_learns() -> None:
    """Of both orders of each pair, as neither view is the first."""
    draws = torch.Generator().manual_seed(0)
    first = torch.randint(0, 5, (200,), generator=draws)
    second = torch.where(torch.rand(200, generator=draws) < 0.6, first, torch.randint(0, 5, (200,), generator=draws))
    ours = mutual_information(joint_assignments(certain(first, 5), certain(second, 5)))
    assert ours.item() == pytest.approx(mutual_info_score(torch.cat((first, second)), torch.cat((second, first))))


def test_joint_is_the_mean_over_pairs_written_out() -> None:
    draws = torch.Generator().manual_seed(1)
    first, second = (torch.rand(7, 4, generator=draws, dtype=torch.float64).softmax(1) for _ in range(2))
    expected = sum((torch.outer(p, q) + torch.outer(q, p)) / 2 for p, q in zip(first, second, strict=True))
    torch.testing.assert_close(joint_assignments(first, second), expected)


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ([0, 1, 2, 3], [0, 1, 2, 3], 4),  # views agree, and kinds are as frequent
        ([0, 0, 0, 0], [0, 0, 0, 0], 1),  # they agree, on one kind
        ([0, 0, 1, 1], [0, 1, 0, 1], 1),  # they tell nothing of each other
        ([0, 0, 3, 3], [0, 0, 3, 3], 2),
    ],
)
def test_as_many_kinds_as_are_told_apart(first: list[int], second: list[int], expected: int) -> None:
    joint = joint_assignments(*(certain(torch.tensor(each), 4) for each in (first, second)))
    assert mutual_information(joint).exp().item() == pytest.approx(expected, abs=1e-6)


def test_several_at_once_are_as_each_by_itself() -> None:
    draws = torch.Generator().manual_seed(4)
    first, second = (torch.rand(2, 3, 9, 5, generator=draws, dtype=torch.float64).softmax(-1) for _ in range(2))
    joint = joint_assignments(first, second)
    told = mutual_information(joint)
    assert told.shape == (2, 3)
    torch.testing.assert_close(joint[1, 2], joint_assignments(first[1, 2], second[1, 2]))
    torch.testing.assert_close(told[1, 2], mutual_information(joint[1, 2]))


def test_gradient_is_right() -> None:
    draws = torch.Generator().manual_seed(2)
    logits = [torch.randn(5, 3, generator=draws, dtype=torch.float64, requires_grad=True) for _ in range(2)]

    def information(first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
        return mutual_information(joint_assignments(first.softmax(1), second.softmax(1)))

    assert torch.autograd.gradcheck(information, logits)


def test_nothing_seen_is_no_information_and_no_nan() -> None:
    first = torch.zeros(0, 6, requires_grad=True)
    told = mutual_information(joint_assignments(first, first))
    told.backward()
    assert told.item() == 0
    assert first.grad is not None
    assert mutual_information(joint_assignments(torch.eye(6)[:1], torch.eye(6)[:1])).item() == pytest.approx(0)


def test_half_precision_is_computed_in_full() -> None:
    draws = torch.Generator().manual_seed(3)
    views = [torch.rand(300, 8, generator=draws).softmax(1).bfloat16() for _ in range(2)]
    with torch.autocast("cpu", torch.bfloat16):
        joint = joint_assignments(*views)
    torch.testing.assert_close(joint, joint_assignments(*(view.double() for view in views)).float())


def test_views_of_unequal_numbers_are_refused() -> None:
    with pytest.raises(ValueError, match=r"N, M\)"):
        joint_assignments(torch.zeros(3, 4), torch.zeros(2, 4))

"""The least score of an object: between two groups where there are two, and nothing where there is one."""

import numpy as np
import pytest
import torch
from torch import Tensor

from boxless.methods.tusk.confidence import DISTINCT, least_score, score_of_drawn


def normal(mean: float, deviation: float, number: int, seed: int = 0) -> Tensor:
    drawn = torch.randn(number, generator=torch.Generator().manual_seed(seed))
    return (mean + deviation * drawn).clamp(0, 1)


def by_hand(scores: Tensor) -> float | None:
    """Every cut, one after the other."""
    values = np.sort(scores.numpy().astype(np.float64))
    cuts = [(i * (len(values) - i) * (values[i:].mean() - values[:i].mean()) ** 2, i) for i in range(1, len(values))]
    _, best = max(cuts)
    low, high = values[:best], values[best:]
    apart = np.sqrt(2) * (high.mean() - low.mean()) / np.sqrt(low.var() + high.var())
    enough = min(len(low), len(high)) >= 0.01 * len(values)
    return float((low.mean() + high.mean()) / 2) if apart >= DISTINCT and enough else None


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_two_groups_are_parted_between_them(share: float) -> None:
    used = round(500 * share)
    scores = torch.cat((normal(0.85, 0.05, used), normal(0.2, 0.05, 500 - used, seed=1)))
    assert least_score(scores) == pytest.approx(by_hand(scores))
    assert 0.4 < (least_score(scores) or 0) < 0.65


@pytest.mark.parametrize("deviation", [0.02, 0.15])
def test_one_group_is_left_whole(deviation: float) -> None:
    scores = normal(0.6, deviation, 500)
    assert by_hand(scores) is None
    assert least_score(scores) is None


def test_a_uniform_distribution_and_a_long_tail_are_one_group() -> None:
    assert least_score(torch.linspace(0, 1, 300)) is None
    assert (
        least_score((1 - 0.1 * torch.distributions.Exponential(1.0).icdf(torch.linspace(0, 0.99, 300))).clamp(0))
        is None
    )


def test_a_single_outlier_is_no_group() -> None:
    assert least_score(torch.cat((normal(0.8, 0.01, 500), torch.tensor([0.1])))) is None


@pytest.mark.parametrize("scores", [[], [0.5], [0.5, 0.5, 0.5]])
def test_of_nothing_to_part_none_is_left_out(scores: list[float]) -> None:
    assert least_score(torch.tensor(scores)) is None


def test_with_masks_the_cut_is_where_fewest_stand_wrong() -> None:
    scores = torch.rand(200, generator=torch.Generator().manual_seed(0))
    noise = 0.2 * torch.randn(200, generator=torch.Generator().manual_seed(1))
    drawn = scores + noise > 0.3
    cut = score_of_drawn(scores, drawn)
    assert cut is not None
    wrong = [int((drawn != (scores >= least)).sum()) for least in [*scores.tolist(), 2.0]]
    assert int((drawn != (scores >= cut)).sum()) == min(wrong)


def test_low_scores_of_what_is_drawn_are_kept() -> None:
    """As of sprites: unused keypoints score alike and low, used ones anywhere above them."""
    unused, used = normal(0.15, 0.01, 300), torch.linspace(0.2, 1.0, 300)
    scores, drawn = torch.cat((used, unused)), torch.arange(600) < 300
    assert score_of_drawn(scores, drawn) == pytest.approx(float(unused.max() + 0.2) / 2)
    parted = least_score(scores)
    assert parted is None or parted > 0.3  # the scores alone do not tell


@pytest.mark.parametrize("drawn", [True, False])
def test_where_all_or_none_are_drawn_none_is_left_out(drawn: bool) -> None:
    assert score_of_drawn(torch.linspace(0, 1, 9), torch.full((9,), drawn)) is None


def test_of_no_keypoint_none_is_left_out() -> None:
    assert score_of_drawn(torch.empty(0), torch.empty(0, dtype=torch.bool)) is None

import math
from itertools import product

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from boxless.methods.mcmil.losses import likelihood_loss, maxima_loss


def logits(*shape: int, seed: int = 0) -> Tensor:
    return 2 * torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_a_map_of_one_place_gives_the_cross_entropy() -> None:
    scores, labels = logits(7, 5, 1, 1), torch.tensor([0, 1, 2, 3, 0, 2, 2])
    expected = F.cross_entropy(scores[:, :, 0, 0], labels, reduction="none")
    torch.testing.assert_close(likelihood_loss(scores, F.one_hot(labels, 4).bool()), expected)


@pytest.mark.parametrize("present", [(True, False), (True, True), (False, False)])
def test_the_likelihood_by_all_emissions(present: tuple[bool, bool]) -> None:
    scores = logits(1, 3, 2, 2)
    p = scores.softmax(1)[0].flatten(1)
    wanted = {c for c in range(2) if present[c]}
    total = sum(
        math.prod(p[c, place].item() for place, c in enumerate(emitted))
        for emitted in product(range(3), repeat=4)
        if set(emitted) - {2} == wanted
    )
    assert likelihood_loss(scores, torch.tensor([present])).item() == pytest.approx(-math.log(total) / 4)


def test_places_outside_of_the_image_hold_nothing_for_sure() -> None:
    scores, present = logits(2, 4, 3, 5), torch.tensor([[True, False, True], [False, True, False]])
    outside = torch.zeros(2, 3, 5, dtype=torch.bool)
    outside[:, :, 3:] = True
    expected = likelihood_loss(scores[..., :3], present)
    torch.testing.assert_close(likelihood_loss(scores, present, outside), expected)
    torch.testing.assert_close(maxima_loss(scores, present, outside), maxima_loss(scores[..., :3], present))


def test_no_gradient_comes_from_outside_and_all_are_finite() -> None:
    scores = logits(1, 4, 3, 5).requires_grad_()
    outside = torch.zeros(1, 3, 5, dtype=torch.bool)
    outside[:, 2] = True
    for loss in (likelihood_loss, maxima_loss):
        (gradient,) = torch.autograd.grad(loss(scores, torch.tensor([[True, True, False]]), outside).sum(), scores)
        assert gradient.isfinite().all()
        assert (gradient[:, :, 2] == 0).all()
        assert gradient[:, :, :2].abs().sum() > 0


def test_traditional_loss_by_a_loop() -> None:
    scores, present = logits(3, 4, 2, 3), torch.tensor([[True, False, True], [False, True, False], [False] * 3])
    for values, mask, ours in zip(scores, present, maxima_loss(scores, present), strict=True):
        p = values.exp() / values.exp().sum()
        terms = [-math.log(p[c].max().item()) for c in range(3) if mask[c]]
        assert ours.item() == pytest.approx(sum(terms) / max(1, len(terms)))

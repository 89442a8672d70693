"""The losses against loops over samples, patches and instances, written as the paper writes them."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from boxless.methods.mist.losses import count_cross_entropy, count_loss, count_targets, heatmap_loss, image_loss


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_count_loss_is_half_of_equation_9() -> None:
    instances = [[0, 2, 2], [1], [3, 3, 0, 1, 2]]  # labels of each image, L of them
    logits = 3 * random(3, 4, 4) - 1.5  # K = 4 patches, C = 4 classes
    expected = []
    for sample, labels in enumerate(instances):
        probabilities = [
            [torch.exp(logits[sample, k, c]) / torch.exp(logits[sample, k]).sum() for c in range(4)] for k in range(4)
        ]
        squares = 0.0
        for c in range(4):
            truth = sum(1.0 for label in labels if label == c) / len(labels)
            squares += float(truth - sum(p[c] for p in probabilities) / 4) ** 2
        expected.append(squares / 2)
    counts = torch.tensor([[labels.count(c) for c in range(4)] for labels in instances], dtype=torch.float64)
    losses = count_loss(logits, count_targets(counts, 4, background=False))
    assert losses.tolist() == pytest.approx(expected, rel=1e-9)


def test_patches_left_over_are_background() -> None:
    counts = torch.tensor([[2.0, 0.0, 1.0], [0.0, 0.0, 0.0], [1.0, 4.0, 0.0]])
    expected = [[2 / 5, 0, 1 / 5, 2 / 5], [0, 0, 0, 1], [1 / 5, 4 / 5, 0, 0]]
    assert torch.allclose(count_targets(counts, 5, background=True), torch.tensor(expected))


def test_more_objects_than_patches_count_by_shares() -> None:
    counts = torch.tensor([[6.0, 2.0]])
    assert count_targets(counts, 4, background=True).tolist() == [[0.75, 0.25, 0.0]]
    assert count_targets(counts, 4, background=False).tolist() == [[0.75, 0.25]]


def test_an_empty_image_without_background_asks_for_nothing() -> None:
    assert count_targets(torch.zeros(1, 3), 4, background=False).tolist() == [[0.0, 0.0, 0.0]]


@given(
    counts=st.lists(st.integers(0, 6), min_size=1, max_size=5),
    k=st.integers(1, 9),
    background=st.booleans(),
)
def test_targets_are_the_counts_of_the_patches_that_have_them(counts: list[int], k: int, background: bool) -> None:
    """Patches labelled so have no loss: the targets are reached by labels for K (or, of more objects, L) patches."""
    total = sum(counts)
    patches = [label for label, number in enumerate(counts) for _ in range(number)]
    if background:
        patches += [len(counts)] * (k - total)
    targets = count_targets(torch.tensor([counts], dtype=torch.float64), k, background)
    if patches:
        logits = 200 * torch.nn.functional.one_hot(torch.tensor([patches]), len(counts) + int(background)).double()
        assert count_loss(logits, targets).item() == pytest.approx(0.0, abs=1e-12)
    else:
        assert not targets.any()


def test_patches_are_a_set() -> None:
    logits, targets = random(2, 5, 3), random(2, 3, seed=1)
    assert torch.allclose(count_loss(logits, targets), count_loss(logits[:, [3, 1, 4, 0, 2]], targets))


def test_image_and_heatmap_losses_are_means_over_the_pixels_of_each_sample() -> None:
    ours, theirs = random(3, 2, 5, 7), random(3, 2, 5, 7, seed=1)
    by_hand = [
        sum((ours[b, c, y, x] - theirs[b, c, y, x]).item() ** 2 for c in range(2) for y in range(5) for x in range(7))
        for b in range(3)
    ]
    assert image_loss(ours, theirs).tolist() == pytest.approx([total / 70 for total in by_hand])
    assert heatmap_loss(ours, theirs).tolist() == pytest.approx([total / 70 for total in by_hand])


def test_a_bad_sample_spoils_its_own_loss_alone() -> None:
    logits, heatmap, images = random(3, 4, 2), random(3, 2, 5, 6), random(3, 1, 5, 6)
    for tensor in (logits, heatmap, images):
        tensor[1] = torch.nan
    for losses in (
        count_loss(logits, random(3, 2)),
        count_cross_entropy(logits, random(3, 2)),
        heatmap_loss(heatmap, random(3, 2, 5, 6)),
        image_loss(images, random(3, 1, 5, 6)),
    ):
        assert losses.isnan().tolist() == [False, True, False]


def test_count_loss_gradient() -> None:
    targets = random(2, 3)
    assert torch.autograd.gradcheck(lambda x: count_loss(x, targets), random(2, 4, 3, seed=1).requires_grad_())


def test_cross_entropy_of_shares_is_that_of_the_mean_probabilities() -> None:
    logits = torch.tensor([[[0.0, 1.0, -1.0], [2.0, 0.5, 0.0]]], dtype=torch.float64)
    targets = torch.tensor([[0.5, 0.5, 0.0]], dtype=torch.float64)
    exponentials = logits[0].exp()
    mean = (exponentials / exponentials.sum(1, keepdim=True)).mean(0)
    expected = -(0.5 * math.log(mean[0]) + 0.5 * math.log(mean[1]))
    assert count_cross_entropy(logits, targets).item() == pytest.approx(expected, rel=1e-12)


def test_cross_entropy_of_one_patch_is_torch_s() -> None:
    logits, labels = random(4, 1, 3), torch.tensor([0, 2, 1, 1])
    ours = count_cross_entropy(logits, torch.nn.functional.one_hot(labels, 3).double())
    torch.testing.assert_close(ours, torch.nn.functional.cross_entropy(logits[:, 0], labels, reduction="none"))

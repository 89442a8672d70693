import itertools
import math

import pytest
import torch
from torch import Tensor

from boxless.ops.rendering import render, render_each


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def keypoints(height: int, width: int) -> tuple[Tensor, Tensor, Tensor]:
    centers = random(2, 3, 2) * torch.tensor([width - 1, height - 1])
    return centers, random(2, 3, 4, seed=1) - 0.5, random(2, 3, seed=2)


def drawn(center: list[float], height: int, width: int, variance: float) -> Tensor:
    """One Gaussian, pixel by pixel, of sum 1."""
    value = torch.zeros(height, width, dtype=torch.float64)
    for y, x in itertools.product(range(height), range(width)):
        value[y, x] = math.exp(-((x - center[0]) ** 2 + (y - center[1]) ** 2) / (2 * variance))
    return value / value.sum()


@pytest.mark.parametrize("variance", [0.05, 1.3])
def test_is_the_sum_of_scores_times_descriptors_times_gaussians(variance: float) -> None:
    centers, descriptors, scores = keypoints(6, 9)
    expected = torch.zeros(2, 4, 6, 9, dtype=torch.float64)
    for b, k in itertools.product(range(2), range(3)):
        gaussian = drawn(centers[b, k].tolist(), 6, 9, variance)
        expected[b] += scores[b, k] * descriptors[b, k, :, None, None] * gaussian
    torch.testing.assert_close(render(centers, descriptors, scores, (6, 9), variance), expected)


def test_each_keypoint_alone_sums_up_to_all() -> None:
    arguments = (*keypoints(6, 9), (6, 9))
    each = render_each(*arguments)
    one = render_each(*(argument[:, 1:2] for argument in arguments[:3]), (6, 9))
    torch.testing.assert_close(each[:, 1:2], one)
    torch.testing.assert_close(each.sum(1), render(*arguments))


def test_keypoint_on_a_pixel_half_way_and_outside() -> None:
    """At variance 0.05 a whole pixel away is e⁻¹⁰; half way two pixels share; outside the nearest has all."""
    centers = torch.tensor([[[3.0, 1.0]], [[3.5, 1.0]], [[90.0, 1.0]]], dtype=torch.float64)
    ones = torch.ones(3, 1, 1, dtype=torch.float64)
    rows = render(centers, ones, ones[..., 0], (4, 7))[:, 0].sum(1)
    torch.testing.assert_close(rows.sum(1), ones[:, 0, 0])
    assert rows[0, 3].item() == pytest.approx(1 / (1 + 2 * math.exp(-10)), abs=1e-9)
    assert rows[1, 3:5].tolist() == pytest.approx([0.5, 0.5], abs=1e-8)
    assert rows[2, 6].item() == pytest.approx(1)


def test_x_goes_right() -> None:
    canvas = render(torch.tensor([[[5.0, 1.0]]]), torch.ones(1, 1, 1), torch.ones(1, 1), (4, 7))[0, 0]
    assert divmod(int(canvas.argmax()), 7) == (1, 5)


def test_gradient_to_centres_descriptors_and_scores() -> None:
    arguments = tuple(argument.requires_grad_() for argument in keypoints(4, 5))
    for function in (render, render_each):
        assert torch.autograd.gradcheck(lambda c, d, s, f=function: f(c, d, s, (4, 5), 0.4), arguments)


def test_stays_exact_under_autocast() -> None:
    centers, descriptors, scores = (argument.float() for argument in keypoints(6, 9))
    with torch.autocast("cpu", torch.bfloat16):
        ours = render(centers, descriptors, scores, (6, 9))
    assert torch.equal(ours, render(centers, descriptors, scores, (6, 9)))


def test_shapes_that_do_not_fit_and_no_variance_are_refused() -> None:
    with pytest.raises(ValueError, match="share B and K"):
        render(torch.zeros(1, 3, 2), torch.zeros(1, 2, 4), torch.zeros(1, 3), (4, 5))
    with pytest.raises(ValueError, match="above 0 pixels², not 0"):
        render(torch.zeros(1, 3, 2), torch.zeros(1, 3, 4), torch.zeros(1, 3), (4, 5), variance=0)

import itertools

import pytest
import torch
from torch import Tensor

from boxless.ops.blending import blend


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_is_the_share_of_each_layer_pixel_by_pixel() -> None:
    colors, alphas = random(2, 3, 3, 4, 5), random(2, 3, 4, 5, seed=1)
    images, shares = blend(colors, alphas)
    crowded = 0
    for b, y, x in itertools.product(range(2), range(4), range(5)):
        opacity = alphas[b, :, y, x].tolist()
        crowded += sum(opacity) > 1
        expected = [a / max(1.0, sum(opacity)) for a in opacity]
        assert shares[b, :, y, x].tolist() == pytest.approx(expected)
        for c in range(3):
            value = sum(share * color for share, color in zip(expected, colors[b, :, c, y, x].tolist(), strict=True))
            assert images[b, c, y, x].item() == pytest.approx(value)
    assert 0 < crowded < 40


def test_layers_that_do_not_overlap_are_composited_one_over_the_other() -> None:
    colors, alphas = random(1, 2, 3, 4, 6), random(1, 2, 4, 6, seed=1)
    alphas[:, 0, :, 3:] = 0
    alphas[:, 1, :, :3] = 0
    over = torch.zeros(1, 3, 4, 6, dtype=torch.float64)
    for k in range(2):
        alpha = alphas[:, k].unsqueeze(1)
        over = alpha * colors[:, k] + (1 - alpha) * over
    torch.testing.assert_close(blend(colors, alphas).images, over)


def test_order_of_layers_does_not_count() -> None:
    colors, alphas = random(1, 4, 3, 5, 5), random(1, 4, 5, 5, seed=1)
    turned = [2, 0, 3, 1]
    torch.testing.assert_close(blend(colors[:, turned], alphas[:, turned]).images, blend(colors, alphas).images)


def test_opaque_layer_hides_a_layer_with_no_alpha_and_stays_in_range() -> None:
    colors = torch.ones(1, 3, 1, 1, 1)
    colors[0, 1] = 0.25
    alphas = torch.tensor([0.0, 1.0, 0.0]).view(1, 3, 1, 1)
    assert blend(colors, alphas).images.item() == 0.25
    assert blend(torch.ones_like(colors), torch.ones_like(alphas)).images.item() == pytest.approx(1.0)


def test_gradient_to_colours_and_alphas() -> None:
    colors, alphas = random(1, 3, 2, 2, 3).requires_grad_(), random(1, 3, 2, 3, seed=1).requires_grad_()
    assert (alphas.sum(1) - 1).abs().min() > 1e-3  # no pixel at the kink
    assert torch.autograd.gradcheck(lambda c, a: blend(c, a)[0], (colors, alphas))


def test_shapes_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="share all but C"):
        blend(torch.zeros(1, 2, 3, 4, 5), torch.zeros(1, 2, 5, 4))

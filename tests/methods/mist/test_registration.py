"""Registration: its gradient, and that displaced patches find back."""

import pytest
import torch
from scipy.ndimage import gaussian_filter
from torch import Tensor

from boxless.hardware import can_compile
from boxless.methods.mist.heatmap_training import compiled
from boxless.methods.mist.model import Keypoints
from boxless.methods.mist.registration import register, registration_loss, synthesize
from boxless.methods.mist.worth import worth
from boxless.ops.patches import paste

HEIGHT, WIDTH = 36, 50
PLACES = torch.tensor([[[14.0, 12.0], [34.0, 20.0]]])  # x and y, apart
SIZES = torch.full_like(PLACES, 11.0)
SIDES = SIZES[..., 0]


def blobs() -> Tensor:
    """(1, 2, 1, 11, 11): a slanted bar and a ring."""
    y, x = torch.meshgrid(torch.arange(11.0) - 5, torch.arange(11.0) - 5, indexing="ij")
    bar = torch.exp(-((x - 0.5 * y) ** 2) / 3 - y**2 / 18)
    ring = torch.exp(-(((x**2 + y**2).sqrt() - 3) ** 2) / 2)
    return torch.stack((bar, ring))[None, :, None]


def image() -> Tensor:
    return paste(blobs(), PLACES, SIZES, (HEIGHT, WIDTH))


def test_the_loss_is_the_residual_blurred_by_each_gaussian_times_its_width() -> None:
    residual = (paste(blobs(), PLACES + 1.5, SIZES, (HEIGHT, WIDTH)) - image())[0, 0].double().numpy()
    blurred = {sigma: gaussian_filter(residual, sigma, mode="constant", truncate=3) for sigma in (1.5, 2.5, 4.0)}
    expected = sum(sigma * (values**2).mean() for sigma, values in blurred.items())
    assert registration_loss(blobs(), Keypoints(PLACES + 1.5, SIDES), image()).item() == pytest.approx(
        expected, rel=1e-4
    )


def test_gradient_through_place_and_blur() -> None:
    generator = torch.Generator().manual_seed(0)
    patches = torch.rand(1, 2, 2, 4, 4, generator=generator, dtype=torch.float64)
    images = torch.rand(1, 2, 9, 14, generator=generator, dtype=torch.float64)
    places = torch.tensor([[[4.3, 3.6], [9.7, 5.25]]], dtype=torch.float64)
    sides = torch.tensor([[4.7, 3.2]], dtype=torch.float64)
    assert torch.autograd.gradcheck(
        lambda x, s, p: registration_loss(p, Keypoints(x, s), images),
        (places.requires_grad_(), sides.requires_grad_(), patches.requires_grad_()),
    )


@pytest.mark.parametrize("shift", [(3.0, 0.0), (-3.0, 0.0), (0.0, 3.0), (0.0, -3.0), (2.1, -2.1), (-2.1, -2.1)])
def test_a_patch_displaced_by_three_pixels_moves_back(shift: tuple[float, float]) -> None:
    displaced = PLACES.clone()
    displaced[0, 0] += torch.tensor(shift)
    first = register(blobs(), Keypoints(displaced, SIDES), image(), steps=1, length=0.7).centers
    towards = torch.nn.functional.cosine_similarity(first[0, 0] - displaced[0, 0], -torch.tensor(shift), dim=0)
    assert towards > 0.8
    places = displaced
    for _ in range(8):
        places = register(blobs(), Keypoints(places, SIDES), image(), steps=1, length=0.5).centers
    assert (places - PLACES)[0, 0].norm() < 0.6


def test_a_patch_is_pushed_off_what_another_covers() -> None:
    """Two patches on the bar: the other one, a ring between bar and ring, is drawn to the ring that nobody covers."""
    places = PLACES.clone()
    places[0, 1] = torch.tensor([26.0, 16.5])
    moved = register(blobs(), Keypoints(places, SIDES), image(), steps=1, length=0.7).centers
    assert (moved - PLACES)[0, 1].norm() < (places - PLACES)[0, 1].norm() - 0.5


def test_the_loss_is_least_where_the_patches_rebuild_the_image() -> None:
    at_place = registration_loss(blobs(), Keypoints(PLACES, SIDES), image())
    assert at_place.item() == pytest.approx(0.0, abs=1e-10)
    for dx, dy in ((0.5, 0.0), (0.0, -0.5), (2.0, 2.0)):
        assert registration_loss(blobs(), Keypoints(PLACES + torch.tensor([dx, dy]), SIDES), image()).item() > 1e-5


def test_one_step_is_as_long_as_asked() -> None:
    moved = register(blobs(), Keypoints(PLACES + 2.0, SIDES), image(), steps=1, length=0.7).centers
    assert (moved - PLACES - 2.0).norm(dim=-1).flatten().tolist() == pytest.approx([0.7, 0.7], abs=1e-5)


def test_several_steps_are_together_as_long_and_nearly_straight() -> None:
    start = PLACES + torch.tensor([3.0, 0.0])
    one, three = (register(blobs(), Keypoints(start, SIDES), image(), steps, length=0.9).centers for steps in (1, 3))
    lengths = (three - start).norm(dim=-1)
    assert (lengths <= 0.9 + 1e-5).all()
    assert (lengths > 0.8).all()
    assert (one - three).norm(dim=-1).max() < 0.3


def test_a_patch_of_nothing_stays() -> None:
    places = PLACES + 1.3
    start = Keypoints(places, SIDES)
    moved = register(torch.zeros(1, 2, 1, 11, 11), start, image(), steps=2, length=0.7)
    assert torch.equal(moved.centers, places)
    assert torch.equal(moved.sides, SIDES)


def test_samples_move_apart_from_each_other() -> None:
    other = image().roll((2, 5), dims=(2, 3))
    both = register(
        blobs().expand(2, -1, -1, -1, -1),
        Keypoints((PLACES + 2).expand(2, -1, -1), SIDES.expand(2, -1)),
        torch.cat((image(), other)),
        steps=2,
        length=0.7,
    ).centers
    alone = register(blobs(), Keypoints(PLACES + 2, SIDES), other, steps=2, length=0.7).centers
    torch.testing.assert_close(both[1:], alone, rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("side", [7.0, 11.0, 16.0])
def test_a_pasted_patch_is_as_bright_in_every_size(side: float) -> None:
    """The middle of a white patch: one, but for the ripple of samples that lie more than a pixel apart."""
    keypoints = Keypoints(torch.tensor([[[20.0, 15.0]]]), torch.tensor([[side]]))
    canvas = synthesize(torch.ones(1, 1, 1, 16, 16), keypoints, (HEIGHT, WIDTH))[0, 0]
    assert canvas[13:18, 18:23].mean().item() == pytest.approx(1.0, abs=0.04)
    assert canvas.sum().item() == pytest.approx(side**2, rel=1e-4)


def test_autocast_rounds_neither_the_synthesis_nor_the_moves() -> None:
    """Of patches that lie nearly right the residual is small, and little more than rounding in bfloat16."""
    generator = torch.Generator().manual_seed(0)
    patches = torch.rand(2, 4, 1, 10, 10, generator=generator)
    keypoints = Keypoints(8 + 24 * torch.rand(2, 4, 2, generator=generator), torch.full((2, 4), 10.0))
    images = synthesize(patches, keypoints, (40, 40)) + 0.02 * torch.rand(2, 1, 40, 40, generator=generator)
    exact = synthesize(patches, keypoints, (40, 40)), register(patches, keypoints, images, 1, 0.7)
    with torch.autocast("cpu", torch.bfloat16):
        found = synthesize(patches, keypoints, (40, 40)), register(patches, keypoints, images, 1, 0.7)
    assert torch.equal(found[0], exact[0])
    assert torch.equal(found[1].centers, exact[1].centers)
    assert torch.equal(found[1].sides, exact[1].sides)


@pytest.mark.skipif(not can_compile("cpu"), reason="no C++ compiler")
def test_compiled_as_a_training_has_them_its_functions_give_what_they_give_without() -> None:
    displaced = Keypoints(PLACES + torch.tensor([1.3, -0.8]), SIDES)
    patches, size = blobs().requires_grad_(), (HEIGHT, WIDTH)
    synthesis = synthesize(patches, displaced, size)
    again = compiled(synthesize, True)(patches, displaced, size)
    torch.testing.assert_close(again, synthesis)
    gradients = [torch.autograd.grad((own - image()).square().sum(), patches)[0] for own in (again, synthesis)]
    torch.testing.assert_close(*gradients)
    moved = register(patches, displaced, image(), 2, 0.7, compiled(registration_loss, True)).centers
    torch.testing.assert_close(moved, register(patches, displaced, image(), 2, 0.7).centers)
    assert (moved - displaced.centers).norm(dim=-1).min() > 0.5
    with torch.no_grad():
        shares = compiled(worth, True)(image(), synthesis, patches, displaced, 1)
        torch.testing.assert_close(shares, worth(image(), synthesis, patches, displaced, 1))

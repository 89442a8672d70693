"""Boxes fitted to what they show: a step comes nearer to the object, whatever its neighbours."""

import pytest
import torch
from scipy.stats import norm
from torch import Tensor

from boxless.methods.mist import contents
from boxless.methods.mist.contents import FILLED, MARGIN, TAIL, content_centers, fit_to_contents
from boxless.methods.mist.model import Keypoints
from boxless.ops.patches import crop, place

HEIGHT, WIDTH = 70, 96
SAMPLES = 24
PLACES = torch.tensor([[[30.0, 28.0], [66.0, 40.0]]])  # x and y
SIDES = torch.tensor([[20.0, 28.0]])


def glyphs() -> Tensor:
    """(2, 40, 40): a tall bar and a ring, both as long as their box."""
    y, x = torch.meshgrid(torch.arange(40.0) - 19.5, torch.arange(40.0) - 19.5, indexing="ij")
    return torch.stack(((x.abs() < 4).float(), ((x**2 + y**2).sqrt() - 17).abs().lt(3).float()))


def scene(*numbers: int) -> Tensor:
    """(1, 1, H, W) of these of the two objects."""
    chosen = list(numbers)
    return place(glyphs()[chosen][None, :, None], PLACES[:, chosen], _square(SIDES[:, chosen]), (HEIGHT, WIDTH))


def fitted(image: Tensor, keypoints: Keypoints, others: Tensor | None = None) -> Keypoints:
    """Of keypoints whose patches show just what is there; ``others`` is explained by other patches."""
    image = image if others is None else image - others
    patches = crop(image, keypoints.centers, keypoints.sizes, SAMPLES)
    synthesis = place(patches, keypoints.centers, keypoints.sizes, (HEIGHT, WIDTH))
    return fit_to_contents(image, synthesis, patches, keypoints)


def _square(sides: Tensor) -> Tensor:
    return sides.unsqueeze(-1).expand(*sides.shape, 2)


@pytest.mark.parametrize("factor", [0.6, 0.75, 1.0, 1.3, 1.6])
def test_steps_lead_to_a_box_of_the_right_size(factor: float) -> None:
    keypoints = Keypoints(PLACES, factor * SIDES)
    first = fitted(scene(0, 1), keypoints)
    if factor != 1.0:
        assert ((first.sides / SIDES).log().abs() < (keypoints.sides / SIDES).log().abs() + 0.06).all()
    for _ in range(12):
        keypoints = fitted(scene(0, 1), keypoints)
    assert (keypoints.sides / SIDES).flatten().tolist() == pytest.approx([1.0, 1.0], abs=0.2)
    assert (keypoints.centers - PLACES).norm(dim=-1).max() < 1.0


@pytest.mark.parametrize("shift", [(5.0, 0.0), (-5.0, 0.0), (0.0, 5.0), (0.0, -5.0), (3.5, -3.5)])
def test_a_box_off_the_middle_moves_there(shift: tuple[float, float]) -> None:
    """Along x and along y, on a canvas that is no square."""
    keypoints = Keypoints(PLACES + torch.tensor(shift), SIDES)
    away = [5.0, 5.0]
    for _ in range(6):
        keypoints = fitted(scene(0, 1), keypoints)
        now = (keypoints.centers - PLACES).norm(dim=-1).flatten().tolist()
        assert all(new <= old + 0.05 for new, old in zip(now, away, strict=True))
        away = now
    assert max(away) < 1.5


def test_what_other_patches_explain_does_not_count() -> None:
    """A large box around the bar reaches the ring, unless that is explained."""
    keypoints = Keypoints(PLACES[:, :1] + 4.0, torch.tensor([[40.0]]))
    alone = fitted(scene(0), keypoints)
    explained = fitted(scene(0, 1), keypoints, others=scene(1))
    torch.testing.assert_close(explained, alone, rtol=1e-4, atol=1e-3)
    assert not torch.allclose(fitted(scene(0, 1), keypoints).centers, alone.centers, atol=0.5)


def test_a_box_of_nothing_stays() -> None:
    keypoints = Keypoints(PLACES, SIDES)
    far = torch.zeros(1, 1, HEIGHT, WIDTH)
    far[..., -5:, :5] = 1.0
    nothing = fit_to_contents(far, torch.zeros_like(far), torch.zeros(1, 2, 1, SAMPLES, SAMPLES), keypoints)
    assert torch.equal(nothing.centers, PLACES)
    assert torch.equal(nothing.sides, SIDES)


def test_dark_content_is_as_heavy_as_bright() -> None:
    keypoints = Keypoints(PLACES + 3.0, 1.2 * SIDES)
    torch.testing.assert_close(fitted(-scene(0, 1), keypoints), fitted(scene(0, 1), keypoints))


def test_by_hand_an_even_patch_seen_through_the_gaussian(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its middle 94 percent, as long as the Gaussian cut off at the edges of the patch says."""
    monkeypatch.setattr(contents, "STEPS", 1)
    keypoints = Keypoints(torch.tensor([[[40.0, 30.0]]]), torch.tensor([[20.0]]))
    patches = torch.ones(1, 1, 1, 80, 80)
    image = place(patches, keypoints.centers, keypoints.sizes, (HEIGHT, WIDTH))
    found = fit_to_contents(image, image, patches, keypoints)
    edge = 0.5 / MARGIN / contents.WIDTH  # of the patch, in standard deviations
    held = norm.cdf(edge) - norm.cdf(-edge)
    longest = -norm.ppf(norm.cdf(-edge) + TAIL * held) * contents.WIDTH * 2  # in windows
    assert found.sides.item() == pytest.approx(20.0 * MARGIN * longest / FILLED, rel=0.02)
    assert found.centers.flatten().tolist() == pytest.approx([40.0, 30.0], abs=1e-4)


def test_a_box_beyond_the_first_has_nothing_taken_out() -> None:
    """Of two boxes at one place, one with its patch taken out and one without: the same object, the same fit."""
    keypoints = Keypoints(PLACES[:, :1] + 2.0, SIDES[:, :1])
    taken = fitted(scene(0), keypoints)
    nothing = torch.zeros(1, 0, 1, SAMPLES, SAMPLES)
    bare = fit_to_contents(scene(0), torch.zeros_like(scene(0)), nothing, keypoints)
    torch.testing.assert_close(bare, taken, rtol=0.05, atol=0.1)


def test_a_faint_image_is_fitted_as_a_bright_one() -> None:
    keypoints = Keypoints(PLACES + 3.0, 1.2 * SIDES)
    torch.testing.assert_close(fitted(0.05 * scene(0, 1), keypoints), fitted(scene(0, 1), keypoints))


def test_a_patch_belongs_at_the_centre_of_mass_of_what_it_shows() -> None:
    """Two bright samples and a dark one, weighed by their squares, in a box of 10 pixels seen by 5 samples."""
    patches = torch.zeros(1, 2, 1, 5, 5)
    patches[0, 0, 0, 2, 4], patches[0, 0, 0, 0, 2], patches[0, 0, 0, 4, 4] = 1.0, 2.0, -1.0
    keypoints = Keypoints(torch.tensor([[[20.0, 9.0], [4.0, 5.0]]]), torch.tensor([[10.0, 7.0]]))
    found = content_centers(patches, keypoints)
    x, y = (1 * 4 + 4 * 0 + 1 * 4) / 6, (1 * 0 + 4 * -4 + 1 * 4) / 6  # pixels from the centre, a sample is two
    assert found[0, 0].tolist() == pytest.approx([20.0 + x, 9.0 + y], abs=1e-5)
    assert found[0, 1].tolist() == [4.0, 5.0]  # nothing in it

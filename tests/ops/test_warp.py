import math

import pytest
import torch
from torch import Tensor

from boxless.ops.warp import (
    Warp,
    WarpRange,
    fit_warp,
    random_warp,
    unwarp_points,
    valid_pixels,
    warp_images,
    warp_points,
)

WEAK = WarpRange(0.98, 0.02, 0.05, 0.02, 0.03)
STRONG = WarpRange(0.95, 0.05, 0.25, 0.01, 0.1)
SIZES = [(80, 80), (64, 97), (97, 64)]


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def drawn(ranges: WarpRange, batch: int, size: tuple[int, int], seed: int = 0) -> Warp:
    return random_warp(random(batch, ranges.draws, seed=seed), ranges, size)


def extreme(ranges: WarpRange, size: tuple[int, int], **draws: float) -> Warp:
    """One warp of the middle draws but for those named: scale, rotation, x or y."""
    middle = torch.full((1, ranges.draws), 0.5, dtype=torch.float64)
    for i, name in enumerate(("scale", "rotation", "x", "y")):
        middle[0, i] = draws.get(name, 0.5)
    return random_warp(middle, ranges, size)


def blob(points: Tensor, size: tuple[int, int], sigma: float) -> Tensor:
    """(B, 1, H, W): a Gaussian around each of (B, 2) points."""
    y, x = torch.meshgrid(torch.arange(size[0]), torch.arange(size[1]), indexing="ij")
    squared = (x - points[:, 0, None, None]).square() + (y - points[:, 1, None, None]).square()
    return torch.exp(-squared / (2 * sigma**2)).unsqueeze(1)


def centroid(images: Tensor) -> Tensor:
    """(B, 2) x and y of (B, 1, H, W)."""
    weight = images[:, 0] / images.sum((1, 2, 3)).view(-1, 1, 1)
    y, x = torch.meshgrid(torch.arange(images.shape[2]), torch.arange(images.shape[3]), indexing="ij")
    return torch.stack(((weight * x).sum((1, 2)), (weight * y).sum((1, 2))), dim=-1)


class TestPointsAndImagesAgree:
    @pytest.mark.parametrize("size", SIZES)
    @pytest.mark.parametrize("ranges", [WEAK, STRONG])
    def test_warped_point_lands_where_the_warped_image_shows_it(self, ranges: WarpRange, size: tuple[int, int]) -> None:
        warp = drawn(ranges, 100, size)
        points = 10 + random(100, 2, seed=1) * (torch.tensor([size[1], size[0]]) - 21)
        landed = warp_points(points.unsqueeze(1), warp)[:, 0]
        span = torch.tensor([size[1] - 1, size[0] - 1])
        kept = ((landed > 8) & (landed < span - 8)).all(dim=-1)  # the whole blob is on the canvas
        # a blob that a curved map deforms has its centroid off by σ² times the curvature: extrapolated to σ = 0
        narrow, wide = (centroid(warp_images(blob(points, size, sigma), warp)) for sigma in (0.8, 1.6))
        shown = (4 * narrow - wide) / 3
        assert kept.sum() > 70
        assert (landed - points)[kept].abs().max() > 2  # they do move
        assert (landed - shown)[kept].abs().max() < 0.1

    @pytest.mark.parametrize("size", SIZES)
    def test_point_to_the_warped_image_and_back_is_the_point_at_borders_and_beyond(self, size: tuple[int, int]) -> None:
        warp = drawn(STRONG, 200, size)
        points = (random(200, 30, 2, seed=2) * (torch.tensor([size[1], size[0]]) + 4) - 2.5).float()
        torch.testing.assert_close(unwarp_points(warp_points(points, warp), warp), points, rtol=0, atol=0.001)

    def test_image_is_sampled_at_the_unwarped_pixels(self) -> None:
        """On a plane a + b·x + c·y bilinear sampling is exact, within the source."""
        size = (23, 38)
        y, x = torch.meshgrid(torch.arange(23.0), torch.arange(38.0), indexing="ij")
        warp = drawn(STRONG, 4, size)
        shown = warp_images((7 + 2 * x + 5 * y).expand(4, 1, *size), warp)[:, 0]
        u, v = warp.source_places.unbind(-1)
        inside = valid_pixels(warp) & (u >= 0) & (v >= 0) & (u <= 37) & (v <= 22)
        torch.testing.assert_close(shown[inside], (7 + 2 * u + 5 * v)[inside], rtol=0, atol=1e-3)

    def test_gradient_to_the_points_is_the_inverse_slope(self) -> None:
        warp = drawn(STRONG, 2, (20, 31))
        points = (random(2, 3, 2, seed=3) * 18).requires_grad_()
        assert torch.autograd.gradcheck(lambda p: warp_points(p, warp), (points,))
        assert torch.autograd.gradcheck(lambda p: unwarp_points(p, warp), (points,))

    def test_place_that_a_folded_warp_does_not_show_is_nan(self) -> None:
        """All control points on one line: the warped image shows that line alone."""
        sources = torch.zeros(1, 9, 2, dtype=torch.float64)
        sources[0, :, 0] = torch.tensor([0.0, 5.0, 10.0]).repeat(3)
        warp = fit_warp(sources, (11, 11))
        assert warp_points(torch.tensor([[[5.0, 4.0]]]), warp).isnan().all()


class TestClosedForms:
    @pytest.mark.parametrize("size", SIZES)
    def test_identity_shows_the_image_itself(self, size: tuple[int, int]) -> None:
        warp = drawn(WarpRange(), 2, size)
        images = random(2, 3, *size).float()
        points = random(2, 5, 2).float() * 30
        torch.testing.assert_close(warp_images(images, warp), images, rtol=0, atol=1e-4)
        torch.testing.assert_close(warp_points(points, warp), points, rtol=0, atol=1e-4)
        assert valid_pixels(warp).all()

    def test_shift_is_in_halves_of_the_shorter_side(self) -> None:
        """On 21 rows half the side is 10 pixels: 0.3 of it looks 3 pixels further right, and 2 further down."""
        size = (21, 33)
        images = random(1, 2, *size).float()
        warp = extreme(WarpRange(shift=0.3), size, x=1.0, y=0.5 + 1 / 3)
        expected = torch.zeros_like(images)
        expected[..., :19, :30] = images[..., 2:, 3:]
        torch.testing.assert_close(warp_images(images, warp), expected, rtol=0, atol=1e-4)
        repeated = images[:, :, (torch.arange(21) + 2).clamp(max=20)][..., (torch.arange(33) + 3).clamp(max=32)]
        torch.testing.assert_close(warp_images(images, warp, "border"), repeated, rtol=0, atol=1e-4)
        torch.testing.assert_close(
            warp_points(torch.tensor([[[13.0, 9.0]]]), warp), torch.tensor([[[10.0, 7.0]]]), rtol=0, atol=1e-4
        )
        valid = torch.zeros(1, *size, dtype=torch.bool)
        valid[:, :19, :30] = True
        assert torch.equal(valid_pixels(warp), valid)

    def test_quarter_turn_of_a_square(self) -> None:
        """The source is looked up turned clockwise (x to y), so the image turns counter-clockwise."""
        images = random(1, 3, 17, 17).float()
        warp = extreme(WarpRange(rotation=math.pi / 2), (17, 17), rotation=1.0)
        torch.testing.assert_close(warp_images(images, warp), torch.rot90(images, 1, (2, 3)), rtol=0, atol=1e-4)

    def test_half_turn_of_a_rectangle(self) -> None:
        images = random(1, 3, 12, 19).float()
        warp = extreme(WarpRange(rotation=math.pi), (12, 19), rotation=1.0)
        torch.testing.assert_close(warp_images(images, warp), images.flip(2, 3), rtol=0, atol=1e-4)

    def test_rotation_of_a_rectangle_keeps_distances(self) -> None:
        warp = extreme(WarpRange(rotation=0.7), (24, 70), rotation=1.0)
        points = random(1, 12, 2).float() * 40
        torch.testing.assert_close(torch.pdist(warp_points(points, warp)[0]), torch.pdist(points[0]))

    def test_scale_is_the_share_of_the_source_that_is_seen(self) -> None:
        size = (31, 51)
        warp = extreme(WarpRange(scale=0.75, scale_spread=0.25), size, scale=0.0)  # 0.5
        points = torch.tensor([[[25.0, 15.0], [20.0, 18.0]]])  # the middle, and (−5, 3) from it
        expected = torch.tensor([[[25.0, 15.0], [15.0, 21.0]]])
        torch.testing.assert_close(warp_points(points, warp), expected, rtol=0, atol=1e-4)
        assert valid_pixels(warp).all()

    def test_control_points_look_where_they_are_told(self) -> None:
        size = (16, 25)
        y, x = torch.meshgrid(torch.linspace(0, 15, 3), torch.linspace(0, 24, 3), indexing="ij")
        controls = torch.stack((x, y), dim=-1).view(1, 9, 2)
        sources = controls + random(4, 9, 2).float() * 2 - 1
        warp = fit_warp(sources, size)
        torch.testing.assert_close(unwarp_points(controls[0], warp), sources, rtol=0, atol=1e-4)
        torch.testing.assert_close(warp_points(sources, warp), controls.expand(4, -1, -1), rtol=0, atol=1e-3)

    def test_spline_does_not_bend_where_it_need_not(self) -> None:
        """Σ w = 0 and Σ w cᵀ = 0: the thin plate spline, of all interpolations the one that bends least."""
        warp = drawn(STRONG, 5, (40, 30))
        bend = warp.coefficients[:, :-3]
        conditions = torch.cat((torch.ones(16, 1), warp.controls), dim=1).T @ bend
        assert bend.abs().max() > 0.01
        torch.testing.assert_close(conditions, torch.zeros_like(conditions), rtol=0, atol=1e-5)


class TestAgainstKornia:
    """Its evaluation of the same splines, in a frame that is [−1, 1]² for a square."""

    def test_points(self) -> None:
        from kornia.geometry.transform import warp_points_tps

        size, unit = (33, 33), 16.0
        warp = drawn(STRONG, 3, size)
        points = random(3, 20, 2).float() * 32
        controls = warp.controls.expand(3, -1, -1)
        bend, affine = warp.coefficients[:, :-3], warp.coefficients[:, -3:]
        expected = warp_points_tps(points / unit - 1, controls, bend, affine) * unit + unit
        torch.testing.assert_close(unwarp_points(points, warp), expected, rtol=0, atol=1e-4)

    def test_images(self) -> None:
        from kornia.geometry.transform import warp_image_tps

        warp = drawn(STRONG, 3, (33, 33))
        images = random(3, 2, 33, 33).float()
        controls = warp.controls.expand(3, -1, -1)
        bend, affine = warp.coefficients[:, :-3], warp.coefficients[:, -3:]
        expected = warp_image_tps(images, controls, bend, affine, align_corners=True)
        torch.testing.assert_close(warp_images(images, warp), expected, rtol=0, atol=1e-4)


class TestDraws:
    def test_reach_both_ends_of_their_ranges(self) -> None:
        size = (41, 41)
        low, high = (extreme(STRONG, size, scale=end, rotation=end) for end in (0.0, 1.0))
        for warp, scale, angle in ((low, 0.9, -0.25), (high, 1.0, 0.25)):
            linear = warp.coefficients[0, -2:].T
            expected = scale * torch.tensor([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
            torch.testing.assert_close(linear, expected)

    def test_jitter_moves_each_control_point_by_its_own_draw(self) -> None:
        ranges, size = WarpRange(jitter=0.1), (41, 41)
        draws = random(2, ranges.draws)
        warp = random_warp(draws, ranges, size)
        line = torch.linspace(0, 40, 4)
        y, x = torch.meshgrid(line, line, indexing="ij")
        controls = torch.stack((x, y), dim=-1).view(16, 2)
        expected = controls + 20 * 0.1 * (2 * draws[:, 4:].view(2, 16, 2) - 1).float()
        torch.testing.assert_close(unwarp_points(controls, warp), expected, rtol=0, atol=1e-4)

    def test_warp_is_the_same_alone_and_in_a_batch(self) -> None:
        draws = random(6, STRONG.draws)
        together = random_warp(draws, STRONG, (20, 30)).coefficients
        torch.testing.assert_close(random_warp(draws[4:5], STRONG, (20, 30)).coefficients, together[4:5])

    def test_coordinates_stay_exact_under_autocast(self) -> None:
        points = random(2, 9, 2).float() * 60
        draws = random(2, STRONG.draws)
        images = random(2, 1, 64, 64).float()
        expected = random_warp(draws, STRONG, (64, 64))
        with torch.autocast("cpu", torch.bfloat16):
            warp = random_warp(draws, STRONG, (64, 64))
            landed, shown = warp_points(points, warp), warp_images(images.bfloat16(), warp)
        assert landed.dtype == shown.dtype == torch.float32
        assert torch.equal(landed, warp_points(points, expected))
        torch.testing.assert_close(shown, warp_images(images.bfloat16().float(), expected))


class TestRefusals:
    def test_images_of_another_size(self) -> None:
        with pytest.raises(ValueError, match=r"the warp is for \(2, C, 20, 30\), not images of \(2, 3, 30, 20\)"):
            warp_images(torch.zeros(2, 3, 30, 20), drawn(WEAK, 2, (20, 30)))

    def test_points_of_another_batch(self) -> None:
        with pytest.raises(ValueError, match=r"points are \(2, P, 2\)"):
            warp_points(torch.zeros(1, 3, 2), drawn(WEAK, 2, (20, 30)))

    def test_another_number_of_draws(self) -> None:
        with pytest.raises(ValueError, match="a warp takes 36 draws"):
            random_warp(torch.zeros(2, 35), WEAK, (20, 30))

    def test_control_points_that_are_no_grid(self) -> None:
        with pytest.raises(ValueError, match=r"control points are \(B, n², 2\)"):
            fit_warp(torch.zeros(1, 8, 2), (20, 30))

    def test_image_of_one_row(self) -> None:
        with pytest.raises(ValueError, match="at least 2×2 pixels, not 1×30"):
            drawn(WEAK, 1, (1, 30))

import itertools
import math

import pytest
import torch
from torch import Tensor

from boxless.ops.keypoints import refine, sample_at


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def equation_5(scores: Tensor, x: int, y: int, size: int, temperature: float) -> tuple[float, float]:
    """Pixel by pixel, in an endless map that is 0 outside."""
    total, left, top = 0.0, 0.0, 0.0
    half = size // 2
    for v, u in itertools.product(range(y - half, y + half + 1), range(x - half, x + half + 1)):
        inside = 0 <= v < scores.shape[0] and 0 <= u < scores.shape[1]
        weight = math.exp((scores[v, u].item() if inside else 0.0) / temperature)
        total, left, top = total + weight, left + weight * u, top + weight * v
    return left / total, top / total


class TestRefine:
    @pytest.mark.parametrize("size", [1, 3, 5])
    @pytest.mark.parametrize("temperature", [0.05, 0.2, 1.0])
    def test_is_equation_5_on_a_map_that_is_no_square(self, size: int, temperature: float) -> None:
        scores = random(2, 9, 14)
        peaks = torch.tensor([[[4.0, 3.0], [9.0, 6.0]], [[11.0, 2.0], [2.0, 5.0]]])
        ours = refine(scores, peaks, size, temperature)
        for b, k in itertools.product(range(2), range(2)):
            x, y = peaks[b, k].int().tolist()
            assert ours[b, k].tolist() == pytest.approx(equation_5(scores[b], x, y, size, temperature), rel=1e-12)

    def test_a_window_over_the_border_goes_on_with_zeros_and_the_place_stays_within(self) -> None:
        scores = random(1, 7, 10)
        everywhere = torch.tensor([[[x, y] for y in range(7) for x in range(10)]], dtype=torch.float64)
        ours = refine(scores, everywhere, 5, 0.2)
        for (x, y), found in zip(everywhere[0].int().tolist(), ours[0].tolist(), strict=True):
            left, top = equation_5(scores[0], x, y, 5, 0.2)
            assert found == pytest.approx((min(max(left, 0), 9), min(max(top, 0), 6)), rel=1e-12)

    @pytest.mark.parametrize(("x", "y"), [(0, 0), (0, 4), (12, 8), (6, 0)])
    def test_a_single_peak_at_the_border_stays_there(self, x: int, y: int) -> None:
        """Where the window were cut off, a response of 0 inside would draw it inwards, by a pixel and more."""
        scores = torch.zeros(1, 9, 13)
        scores[0, y, x] = 1.0
        peaks = torch.tensor([[[x, y]]], dtype=torch.float32)
        torch.testing.assert_close(refine(scores, peaks, 13, 0.2), peaks)

    def test_equal_pixels_give_their_middle(self) -> None:
        """Two and four pixels that tie; suppression keeps the first in reading order."""
        scores = torch.zeros(2, 11, 15)
        scores[0, 5, 7:9] = 1.0
        scores[1, 4:6, 7:9] = 1.0
        peaks = torch.tensor([[[7.0, 5.0]], [[7.0, 4.0]]])
        ours = refine(scores, peaks, 3, 0.02)
        torch.testing.assert_close(ours, torch.tensor([[[7.5, 5.0]], [[7.5, 4.5]]]))

    def test_a_flat_map_gives_the_peak_itself(self) -> None:
        peaks = torch.tensor([[[6.0, 4.0], [2.0, 2.0]]])
        torch.testing.assert_close(refine(torch.full((1, 9, 13), 0.3), peaks, 5, 0.2), peaks)

    def test_the_highest_and_the_lowest_scores_neither_over_nor_underflow(self) -> None:
        scores = torch.zeros(2, 5, 5)
        scores[0] = 1.0
        peaks = torch.full((2, 1, 2), 2.0)
        for temperature in (0.02, 100.0):
            torch.testing.assert_close(refine(scores, peaks, 3, temperature), peaks)

    def test_gradient_reaches_all_pixels_of_the_window(self) -> None:
        scores, peaks = random(1, 5, 6).requires_grad_(), torch.tensor([[[3.0, 2.0]]], dtype=torch.float64)
        assert torch.autograd.gradcheck(lambda s: refine(s, peaks, 3, 0.3), scores)
        (slope,) = torch.autograd.grad(refine(scores, peaks, 3, 0.3).sum(), scores)
        assert (slope[0, 1:4, 2:5] != 0).all()
        assert int((slope != 0).sum()) == 9

    @pytest.mark.parametrize(("size", "temperature"), [(4, 0.2), (5, 0.0), (5, 0.01)])
    def test_a_window_or_a_temperature_that_cannot_be_is_refused(self, size: int, temperature: float) -> None:
        with pytest.raises(ValueError, match=r"odd side|temperature"):
            refine(torch.zeros(1, 9, 9), torch.zeros(1, 1, 2), size, temperature)


class TestSampleAt:
    def test_is_the_mean_of_four_pixels_weighted_by_nearness(self) -> None:
        maps = random(2, 3, 5, 8)
        points = random(2, 4, 2, seed=1) * torch.tensor([7.0, 4.0])
        ours = sample_at(maps, points)
        for b, k in itertools.product(range(2), range(4)):
            x, y = points[b, k].tolist()
            left, top = int(x), int(y)
            right, low = x - left, y - top
            expected = (
                (1 - right) * (1 - low) * maps[b, :, top, left]
                + right * (1 - low) * maps[b, :, top, left + 1]
                + (1 - right) * low * maps[b, :, top + 1, left]
                + right * low * maps[b, :, top + 1, left + 1]
            )
            torch.testing.assert_close(ours[b, k], expected)

    def test_a_whole_pixel_is_that_pixel_also_at_the_border_and_beyond(self) -> None:
        maps = random(1, 2, 4, 7)
        points = torch.tensor([[[6.0, 3.0], [0.0, 2.0], [9.0, -5.0]]], dtype=torch.float64)
        expected = torch.stack((maps[0, :, 3, 6], maps[0, :, 2, 0], maps[0, :, 0, 6]))
        torch.testing.assert_close(sample_at(maps, points)[0], expected)

    def test_a_map_of_one_pixel(self) -> None:
        assert sample_at(torch.full((1, 1, 1, 1), 7.0), torch.zeros(1, 2, 2)).flatten().tolist() == [7.0, 7.0]

    def test_gradient_to_maps_and_points(self) -> None:
        maps, points = random(1, 2, 4, 6).requires_grad_(), (random(1, 3, 2, seed=1) + 1.2).requires_grad_()
        assert torch.autograd.gradcheck(sample_at, (maps, points))

    def test_stays_exact_under_autocast(self) -> None:
        maps, points = random(1, 2, 4, 6).float(), random(1, 3, 2, seed=1).float()
        with torch.autocast("cpu", torch.bfloat16):
            ours = sample_at(maps, points)
        assert torch.equal(ours, sample_at(maps, points))

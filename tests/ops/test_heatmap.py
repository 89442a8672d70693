import math

import pytest
import torch
from torch import Tensor

from boxless.ops.heatmap import (
    RANGE,
    highest_near,
    local_softmax,
    peak_scales,
    pool_scales,
    soft_argmax,
    suppress_non_maxima,
    top_k_peaks,
)


def random(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def window(heatmap: Tensor, x: int, y: int, size: int) -> Tensor:
    """What of the window around a pixel lies within the map."""
    half = size // 2
    return heatmap[max(0, y - half) : y + half + 1, max(0, x - half) : x + half + 1]


def places(heatmap: Tensor) -> list[tuple[int, int]]:
    """(x, y) of every true pixel, in reading order."""
    return [(x, y) for y, x in heatmap.nonzero().tolist()]


class TestLocalSoftmax:
    @pytest.mark.parametrize("size", [1, 3, 7])
    def test_is_softmax_of_each_window_whose_lacking_pixels_are_as_the_mean(self, size: int) -> None:
        scores = 4 * random(2, 3, 5, 8, dtype=torch.float64) - 2
        ours = local_softmax(scores, size, strength=3.0)
        for b in range(2):
            for s in range(3):
                for y in range(5):
                    for x in range(8):
                        mean = window(scores[b, s], x, y, size).mul(3.0).exp().mean()
                        expected = math.exp(3.0 * scores[b, s, y, x]) / (size**2 * mean)
                        assert ours[b, s, y, x] == pytest.approx(expected.item(), rel=1e-12)

    def test_flat_map_is_flat_up_to_the_border_and_the_mask(self) -> None:
        mask = torch.zeros(1, 1, 9, 6, dtype=torch.bool)
        mask[..., 2:, 1:-1] = True
        ours = local_softmax(torch.full((1, 1, 9, 6), -3.0), size=3, mask=mask)[0, 0]
        assert ours[2:, 1:-1].unique().tolist() == pytest.approx([1 / 9] * len(ours[2:, 1:-1].unique()))
        assert (ours[~mask[0, 0]] == 0).all()

    def test_what_lies_outside_of_the_mask_is_as_if_it_were_not_there(self) -> None:
        scores, mask = random(1, 1, 6, 9), torch.zeros(1, 1, 6, 9, dtype=torch.bool)
        mask[..., 1:5, 2:8] = True
        ours = local_softmax(torch.where(mask, scores, 1e4), size=5, mask=mask)
        torch.testing.assert_close(ours[..., 1:5, 2:8], local_softmax(scores[..., 1:5, 2:8], size=5))

    def test_scores_of_ten_thousand_neither_overflow_nor_vanish(self) -> None:
        scores = torch.full((1, 1, 5, 7), -1e4)
        scores[0, 0, 1, 2] = 1e4
        scores.requires_grad_()
        ours = local_softmax(scores, size=3)[0, 0]
        (gradient,) = torch.autograd.grad(ours.sum(), scores)
        assert ours[1, 2] == 1.0
        assert ours[1, 1] == 0.0
        assert ours[4, 6].item() == pytest.approx(1 / 9, rel=1e-2)  # 1e5 in float32 is exact to 1/128 only
        assert gradient.isfinite().all()

    @pytest.mark.parametrize("spread", [1.0, 599.0])
    @pytest.mark.parametrize("masked", [False, True])
    def test_both_ways_to_compute_it_agree(self, masked: bool, spread: float, monkeypatch: pytest.MonkeyPatch) -> None:
        scores = random(2, 3, 9, 14, dtype=torch.float64)
        scores = (spread * (scores - scores.amin()) / (scores.amax() - scores.amin())).requires_grad_()
        mask = random(2, 1, 9, 14, seed=1) > 0.3 if masked else None
        weights, results = random(2, 3, 9, 14, seed=2, dtype=torch.float64), []
        for limit in (RANGE, -1.0):
            monkeypatch.setattr("boxless.ops.heatmap.RANGE", limit)
            ours = local_softmax(scores, 5, 1.0, mask)
            results.append((ours, *torch.autograd.grad((weights * ours).sum(), scores)))
        for one, other in zip(*results, strict=True):
            torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-12)

    def test_an_image_of_which_nothing_takes_part_is_zero_and_harms_no_other(self) -> None:
        scores, mask = random(2, 1, 6, 9).requires_grad_(), torch.ones(2, 1, 6, 9, dtype=torch.bool)
        mask[0] = False
        ours = local_softmax(scores, size=3, mask=mask)
        (gradient,) = torch.autograd.grad(ours.square().sum(), scores)
        assert (ours[0] == 0).all()
        assert (gradient[0] == 0).all()
        torch.testing.assert_close(ours[1:], local_softmax(scores[1:], size=3))

    def test_a_constant_added_to_the_scores_changes_nothing(self) -> None:
        scores = random(1, 1, 6, 9, dtype=torch.float64)
        torch.testing.assert_close(local_softmax(scores + 50.0, 5), local_softmax(scores, 5))

    def test_gradient(self) -> None:
        scores = random(1, 2, 3, 4, dtype=torch.float64).requires_grad_()
        assert torch.autograd.gradcheck(lambda s: local_softmax(s, 3, strength=2.0), scores)

    def test_bfloat16_is_computed_in_float32(self) -> None:
        scores = random(1, 1, 6, 9).bfloat16()
        torch.testing.assert_close(local_softmax(scores, 5), local_softmax(scores.float(), 5), rtol=0, atol=0)

    @pytest.mark.parametrize("size", [0, 4, -1])
    def test_window_without_a_centre_is_refused(self, size: int) -> None:
        with pytest.raises(ValueError, match="odd side"):
            local_softmax(torch.zeros(1, 1, 4, 4), size)


class TestPoolScales:
    def test_is_the_formula_of_supplement_a(self) -> None:
        heatmap = random(2, 3, 2, 4)
        ours = pool_scales(heatmap)
        for b in range(2):
            for y in range(2):
                for x in range(4):
                    values = heatmap[b, :, y, x].tolist()
                    expected = sum(h * (h / sum(v + 1e-6 for v in values)) for h in values)
                    assert ours[b, y, x].item() == pytest.approx(expected, rel=1e-5)

    def test_zero_everywhere_stays_zero(self) -> None:
        assert (pool_scales(torch.zeros(1, 3, 2, 4)) == 0).all()

    def test_one_scale_is_itself(self) -> None:
        heatmap = random(2, 1, 3, 5)
        assert torch.equal(pool_scales(heatmap), heatmap[:, 0])


class TestSuppressNonMaxima:
    @pytest.mark.parametrize("size", [1, 3, 5])
    def test_keeps_the_first_maximum_of_each_window(self, size: int) -> None:
        heatmap = (random(2, 7, 10) * 6).floor()  # few values, many ties
        ours = suppress_non_maxima(heatmap, size)
        for b in range(2):
            expected = []
            for y in range(7):
                for x in range(10):
                    rivals = [
                        (heatmap[b, v, u].item(), -v, -u)
                        for v in range(max(0, y - size // 2), min(7, y + size // 2 + 1))
                        for u in range(max(0, x - size // 2), min(10, x + size // 2 + 1))
                    ]
                    if max(rivals) == (heatmap[b, y, x].item(), -y, -x):
                        expected.append((x, y))
            assert places(ours[b]) == expected

    def test_plateau_has_one_peak(self) -> None:
        heatmap = torch.zeros(1, 9, 14)
        heatmap[0, 2:5, 3:11] = 1.0
        ours = suppress_non_maxima(heatmap, 5)[0]
        assert [place for place in places(ours) if heatmap[0, place[1], place[0]] == 1] == [(3, 2)]

    def test_flat_map_has_one_peak(self) -> None:
        assert places(suppress_non_maxima(torch.full((1, 9, 14), 0.3), 3)[0]) == [(0, 0)]

    def test_negative_maps_have_peaks_at_the_border(self) -> None:
        heatmap = torch.full((1, 4, 6), -5.0)
        heatmap[0, 3, 5] = -1.0
        assert (5, 3) in places(suppress_non_maxima(heatmap, 3)[0])

    def test_even_window_is_refused(self) -> None:
        with pytest.raises(ValueError, match="odd side"):
            suppress_non_maxima(torch.zeros(1, 4, 4), 2)


class TestTopKPeaks:
    def test_highest_first_as_x_and_y(self) -> None:
        heatmap = torch.zeros(2, 12, 20)
        heatmap[0, 2, 17], heatmap[0, 9, 3], heatmap[0, 5, 10] = 0.5, 0.9, 0.7
        heatmap[1, 0, 0], heatmap[1, 11, 19], heatmap[1, 0, 19] = 0.2, 0.3, 0.1
        peaks = top_k_peaks(heatmap, 3)
        assert peaks.centers.tolist() == [[[3, 9], [10, 5], [17, 2]], [[19, 11], [0, 0], [19, 0]]]
        torch.testing.assert_close(peaks.scores, torch.tensor([[0.9, 0.7, 0.5], [0.3, 0.2, 0.1]]))
        assert peaks.valid.all()

    def test_a_slope_beside_a_peak_is_no_peak(self) -> None:
        heatmap = torch.zeros(1, 9, 15)
        heatmap[0, 4, 4], heatmap[0, 4, 6], heatmap[0, 4, 12] = 1.0, 0.9, 0.2
        assert top_k_peaks(heatmap, 2, size=5).centers.tolist() == [[[4, 4], [12, 4]]]
        assert top_k_peaks(heatmap, 2, size=3).centers.tolist() == [[[4, 4], [6, 4]]]

    def test_equal_peaks_are_all_found(self) -> None:
        heatmap = torch.zeros(1, 10, 16)
        expected = [(1, 1), (8, 1), (4, 6), (14, 8)]
        for x, y in expected:
            heatmap[0, y, x] = 1.0
        peaks = top_k_peaks(heatmap, 4)
        assert sorted(map(tuple, peaks.centers[0].tolist())) == sorted(expected)

    @pytest.mark.parametrize("level", [0.0, 0.25, -3.0, 1e9, -1e9])
    def test_flat_map_gives_one_valid_peak_and_distinct_fillers(self, level: float) -> None:
        peaks = top_k_peaks(torch.full((2, 4, 6), level), 24)
        for centers, valid in zip(peaks.centers.tolist(), peaks.valid.tolist(), strict=True):
            assert centers[0] == [0, 0]
            assert valid == [True] + [False] * 23
            assert {tuple(center) for center in centers} == {(x, y) for x in range(6) for y in range(4)}

    @pytest.mark.parametrize("scale", [1e-3, 1.0, 1e8])
    def test_fillers_come_after_all_peaks_highest_first(self, scale: float) -> None:
        heatmap = torch.zeros(1, 5, 12)
        heatmap[0, 2, 2], heatmap[0, 2, 3], heatmap[0, 1, 2] = 1.0, 0.9, 0.8
        heatmap[0, 2, 9] = 0.1
        peaks = top_k_peaks(heatmap * scale - scale, 4, size=5)
        assert peaks.centers.tolist() == [[[2, 2], [9, 2], [3, 2], [2, 1]]]
        assert peaks.valid.tolist() == [[True, True, False, False]]

    def test_fillers_of_a_faint_map_are_its_highest_pixels(self) -> None:
        heatmap = torch.zeros(1, 5, 12)
        heatmap[0, 2, 5], heatmap[0, 2, 6], heatmap[0, 1, 5], heatmap[0, 3, 4] = 3e-8, 2e-8, 1e-8, 0.5e-8
        assert top_k_peaks(heatmap, 5).centers.tolist() == [[[5, 2], [0, 0], [6, 2], [5, 1], [4, 3]]]

    @pytest.mark.parametrize("k", [0, -1, 25])
    def test_k_beyond_the_map_is_refused(self, k: int) -> None:
        with pytest.raises(ValueError, match=f"k is {k}, .* 4×6 pixels has 1 to 24"):
            top_k_peaks(torch.zeros(1, 4, 6), k)

    def test_takes_no_gradient(self) -> None:
        peaks = top_k_peaks(random(1, 6, 8).requires_grad_(), 3)
        assert not peaks.scores.requires_grad


class TestSoftArgmax:
    @pytest.mark.parametrize("size", [1, 3, 5])
    def test_is_the_first_moment_of_the_window_border_included(self, size: int) -> None:
        heatmap = random(2, 6, 9, dtype=torch.float64)
        everywhere = torch.tensor([[x, y] for y in range(6) for x in range(9)], dtype=torch.float64)
        ours = soft_argmax(heatmap, everywhere.expand(2, -1, -1), size)
        for b in range(2):
            for (x, y), found in zip(everywhere.int().tolist(), ours[b].tolist(), strict=True):
                near = [
                    (heatmap[b, v, u].item(), u, v)
                    for v in range(max(0, y - size // 2), min(6, y + size // 2 + 1))
                    for u in range(max(0, x - size // 2), min(9, x + size // 2 + 1))
                ]
                total = sum(h for h, _, _ in near)
                expected = (sum(h * u for h, u, _ in near) / total, sum(h * v for h, _, v in near) / total)
                assert found == pytest.approx(expected, rel=1e-12)

    def test_zero_window_gives_the_point_itself(self) -> None:
        heatmap = torch.zeros(1, 6, 9)
        heatmap[0, 0, 0] = 1.0
        points = torch.tensor([[[6.0, 3.0], [5.25, 4.75], [-9.0, 40.0]]])
        assert torch.equal(soft_argmax(heatmap, points, 3), points)

    def test_point_between_pixels_counts_at_the_nearest(self) -> None:
        heatmap = torch.zeros(1, 6, 9)
        heatmap[0, 3, 4], heatmap[0, 3, 5] = 3.0, 1.0
        torch.testing.assert_close(soft_argmax(heatmap, torch.tensor([[[4.2, 2.6]]]), 3), torch.tensor([[[4.25, 3.0]]]))

    def test_faint_response_counts_like_a_strong_one(self) -> None:
        heatmap = torch.zeros(1, 6, 9, dtype=torch.float64)
        heatmap[0, 3, 4], heatmap[0, 4, 4] = 1e-40, 1e-40
        point = torch.tensor([[[4.0, 3.0]]], dtype=torch.float64)
        assert soft_argmax(heatmap, point, 3).tolist() == [[[4.0, 3.5]]]

    def test_gradient_to_the_heatmap(self) -> None:
        heatmap = (random(1, 4, 6, dtype=torch.float64) + 0.1).requires_grad_()
        points = torch.tensor([[[0.0, 1.0], [3.0, 2.0]]], dtype=torch.float64)
        assert torch.autograd.gradcheck(lambda h: soft_argmax(h, points, 3), heatmap)

    def test_zero_window_has_a_finite_gradient(self) -> None:
        heatmap = torch.zeros(1, 6, 9, requires_grad=True)
        (gradient,) = torch.autograd.grad(soft_argmax(heatmap, torch.tensor([[[4.0, 3.0]]]), 3).sum(), heatmap)
        assert (gradient == 0).all()


class TestHighestNear:
    def test_a_pixel_counts_in_the_square_around_it(self) -> None:
        heatmap = torch.zeros(2, 6, 9)
        heatmap[0, 1, 6], heatmap[1, 5, 0] = 0.7, 0.2
        expected = torch.zeros(2, 6, 9)
        expected[0, :4, 4:], expected[1, 3:, :3] = 0.7, 0.2
        assert torch.equal(highest_near(heatmap, 2), expected)

    def test_a_reach_of_none_changes_nothing(self) -> None:
        heatmap = torch.rand(1, 4, 7)
        assert torch.equal(highest_near(heatmap, 0), heatmap)


class TestPeakScales:
    def test_is_the_first_moment_over_scales(self) -> None:
        heatmap = random(2, 3, 4, 7)
        scales = torch.tensor([10.0, 20.0, 40.0])
        points = torch.tensor([[[6.0, 0.0], [2.0, 3.0]], [[0.0, 1.0], [3.0, 2.0]]])
        ours = peak_scales(heatmap, points, scales)
        for b in range(2):
            for k, (x, y) in enumerate(points[b].int().tolist()):
                values = heatmap[b, :, y, x].tolist()
                expected = sum(h * s for h, s in zip(values, (10, 20, 40), strict=True)) / sum(values)
                assert ours[b, k].item() == pytest.approx(expected, rel=1e-6)

    def test_point_between_pixels_or_outside_counts_at_the_nearest(self) -> None:
        heatmap = torch.zeros(1, 2, 4, 7)
        heatmap[0, 0, 2, 5] = heatmap[0, 1, 0, 6] = 1.0
        points = torch.tensor([[[5.4, 1.6], [30.0, -3.0]]])
        assert peak_scales(heatmap, points, torch.tensor([1.0, 8.0])).tolist() == [[1.0, 8.0]]

    def test_no_response_gives_the_mean_scale_and_a_finite_gradient(self) -> None:
        heatmap = torch.zeros(1, 3, 4, 7, requires_grad=True)
        ours = peak_scales(heatmap, torch.tensor([[[2.0, 1.0]]]), torch.tensor([1, 2, 6]))
        (gradient,) = torch.autograd.grad(ours.sum(), heatmap)
        assert ours.tolist() == [[3.0]]
        assert gradient.isfinite().all()

    def test_gradient_to_the_heatmap(self) -> None:
        heatmap = (random(1, 3, 3, 4, dtype=torch.float64) + 0.1).requires_grad_()
        points, scales = torch.tensor([[[0.0, 1.0], [3.0, 2.0]]]), torch.tensor([1.0, 2.0, 5.0], dtype=torch.float64)
        assert torch.autograd.gradcheck(lambda h: peak_scales(h, points, scales), heatmap)

    def test_another_number_of_scales_is_refused(self) -> None:
        with pytest.raises(ValueError, match="each of the 3 heatmaps"):
            peak_scales(torch.zeros(1, 3, 4, 4), torch.zeros(1, 1, 2), torch.ones(2))

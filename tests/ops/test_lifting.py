import math

import pytest
import torch

from boxless.ops.lifting import gaussian_heatmap, lift, point_heatmap

SCALES = torch.tensor([8.0, 12.0, 20.0])


class TestPointHeatmap:
    def test_one_at_the_nearest_pixel_and_zero_elsewhere(self) -> None:
        heatmap = point_heatmap(torch.tensor([[[7.4, 1.6], [0.0, 3.0]], [[2.6, 0.2], [2.6, 0.2]]]), (4, 9))
        assert heatmap.nonzero().tolist() == [[0, 2, 7], [0, 3, 0], [1, 0, 3]]
        assert heatmap.sum() == 3.0

    def test_point_outside_counts_at_the_border(self) -> None:
        heatmap = point_heatmap(torch.tensor([[[-3.0, 1.0], [20.0, 9.0]]]), (4, 9))
        assert heatmap.nonzero().tolist() == [[0, 1, 0], [0, 3, 8]]

    def test_weights_are_heights_and_the_highest_counts(self) -> None:
        centers = torch.tensor([[[5.0, 2.0], [5.3, 1.8], [1.0, 0.0]]])
        heatmap = point_heatmap(centers, (4, 9), torch.tensor([[0.75, 0.5, 0.25]]))
        assert heatmap[0, 2, 5] == 0.75
        assert heatmap[0, 0, 1] == 0.25
        assert heatmap.sum() == 1.0


class TestGaussianHeatmap:
    def test_is_the_highest_gaussian_at_each_pixel(self) -> None:
        centers = torch.tensor([[[6.3, 1.2], [2.8, 3.9]]])
        weights = torch.tensor([[1.0, 0.6]])
        heatmap = gaussian_heatmap(centers, (5, 9), 1.5, weights)
        for y in range(5):
            for x in range(9):
                first = math.exp(-((x - 6.3) ** 2 + (y - 1.2) ** 2) / (2 * 1.5**2))
                second = 0.6 * math.exp(-((x - 2.8) ** 2 + (y - 3.9) ** 2) / (2 * 1.5**2))
                assert heatmap[0, y, x].item() == pytest.approx(max(first, second), rel=1e-5)

    def test_without_weights_all_are_one_high(self) -> None:
        centers = torch.tensor([[[6.0, 1.0], [2.0, 3.0]]])
        heatmap = gaussian_heatmap(centers, (5, 9), 1.0)
        assert heatmap[0, 1, 6] == 1.0
        assert heatmap[0, 3, 2] == 1.0

    def test_half_a_pixel_is_kept(self) -> None:
        heatmap = gaussian_heatmap(torch.tensor([[[4.5, 2.0]]]), (5, 10), 1.0)
        assert torch.equal(heatmap, heatmap.flip(-1))
        assert heatmap[0, 2, 4].item() == pytest.approx(math.exp(-0.125))

    @pytest.mark.parametrize("sigma", [0.0, -1.0, math.nan])
    def test_deviation_not_above_zero_is_refused(self, sigma: float) -> None:
        with pytest.raises(ValueError, match="above 0 pixels"):
            gaussian_heatmap(torch.zeros(1, 1, 2), (4, 4), sigma)


class TestLift:
    def test_without_scales_it_is_the_one_heatmap(self) -> None:
        centers = torch.tensor([[[6.3, 1.2], [2.8, 3.9]]])
        assert torch.equal(lift(centers, None, None, (5, 9), None)[:, 0], point_heatmap(centers, (5, 9)))
        assert torch.equal(lift(centers, None, None, (5, 9), 1.5)[:, 0], gaussian_heatmap(centers, (5, 9), 1.5))

    @pytest.mark.parametrize(
        ("size", "shares"),
        [
            (8.0, [1, 0, 0]),
            (9.0, [0.75, 0.25, 0]),
            (12.0, [0, 1, 0]),
            (18.0, [0, 0.25, 0.75]),
            (20.0, [0, 0, 1]),
            (3.0, [1, 0, 0]),
            (99.0, [0, 0, 1]),
        ],
    )
    @pytest.mark.parametrize("sigma", [None, 1.0])
    def test_value_is_shared_by_the_two_nearest_scales(
        self, size: float, shares: list[float], sigma: float | None
    ) -> None:
        heatmap = lift(torch.tensor([[[6.0, 1.0]]]), torch.tensor([[size]]), SCALES, (5, 9), sigma)
        assert heatmap[0, :, 1, 6].tolist() == pytest.approx(shares)

    def test_every_keypoint_of_every_image_has_its_own_size(self) -> None:
        centers = torch.tensor([[[6.0, 1.0], [1.0, 4.0]], [[0.0, 0.0], [8.0, 4.0]]])
        sizes = torch.tensor([[8.0, 16.0], [20.0, 10.0]])
        heatmap = lift(centers, sizes, SCALES, (5, 9), None)
        expected = torch.zeros(2, 3, 5, 9)
        expected[0, 0, 1, 6] = 1.0
        expected[0, 1:, 4, 1] = 0.5
        expected[1, 2, 0, 0] = 1.0
        expected[1, :2, 4, 8] = 0.5
        assert torch.equal(heatmap, expected)

    def test_gaussians_of_several_scales_are_the_shares_of_one(self) -> None:
        centers = torch.tensor([[[5.7, 2.2]]])
        heatmap = lift(centers, torch.tensor([[9.0]]), SCALES, (5, 9), 1.0)
        one = gaussian_heatmap(centers, (5, 9), 1.0)[0]
        torch.testing.assert_close(heatmap[0], torch.stack((0.75 * one, 0.25 * one, 0 * one)))

    def test_each_scale_may_have_gaussians_as_wide_as_it(self) -> None:
        centers = torch.tensor([[[5.7, 2.2], [1.0, 3.0]], [[2.0, 2.0], [7.5, 0.0]]])
        sizes = torch.tensor([[9.0, 16.0], [20.0, 8.0]])
        heatmap = lift(centers, sizes, SCALES, (5, 9), torch.tensor([1.0, 1.5, 2.5]))
        for scale, sigma in enumerate((1.0, 1.5, 2.5)):
            assert torch.equal(heatmap[:, scale], lift(centers, sizes, SCALES, (5, 9), sigma)[:, scale])

    def test_one_scale_takes_all_sizes(self) -> None:
        centers = torch.tensor([[[6.0, 1.0], [1.0, 4.0]]])
        heatmap = lift(centers, torch.tensor([[3.0, 50.0]]), torch.tensor([20.0]), (5, 9), None)
        assert torch.equal(heatmap[:, 0], point_heatmap(centers, (5, 9)))

    def test_whole_number_scales_do_not_round_the_shares(self) -> None:
        heatmap = lift(torch.tensor([[[6.0, 1.0]]]), torch.tensor([[9.0]]), torch.tensor([8, 12, 20]), (5, 9), None)
        assert heatmap[0, :, 1, 6].tolist() == [0.75, 0.25, 0.0]

    @pytest.mark.parametrize("scales", [[20.0, 8.0], [8.0, 8.0], []])
    def test_scales_that_do_not_rise_are_refused(self, scales: list[float]) -> None:
        with pytest.raises(ValueError, match="rise strictly"):
            lift(torch.zeros(1, 1, 2), torch.ones(1, 1), torch.tensor(scales), (4, 4), None)

    def test_sizes_without_scales_are_refused(self) -> None:
        with pytest.raises(ValueError, match="come together"):
            lift(torch.zeros(1, 1, 2), torch.ones(1, 1), None, (4, 4), None)
        with pytest.raises(ValueError, match="come together"):
            lift(torch.zeros(1, 1, 2), None, SCALES, (4, 4), None)

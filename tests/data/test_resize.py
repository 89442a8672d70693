import pytest
import torch
from torch import Tensor

from boxless.data.resize import (
    centers_to_fitted,
    centers_to_original,
    fit,
    pad_batch,
    sizes_to_fitted,
    sizes_to_original,
)
from boxless.errors import BoxlessError


def center_of_mass(image: Tensor) -> Tensor:
    """x and y of a (1, H, W) image."""
    mass = image[0] / image.sum()
    y, x = (torch.arange(length, dtype=torch.float32) for length in mass.shape)
    return torch.stack([(mass.sum(0) * x).sum(), (mass.sum(1) * y).sum()])


def blob(height: int, width: int, x: int, y: int, side: int) -> Tensor:
    """A square of side ``side`` whose top-left pixel is (x, y)."""
    image = torch.zeros(1, height, width)
    image[:, y : y + side, x : x + side] = 1
    return image


class TestFit:
    def test_halving_averages_what_a_pixel_covers(self) -> None:
        """Antialiased bilinear sampling by a half weighs each line of 4 pixels 1, 3, 3, 1."""
        image = torch.rand(2, 8, 12, generator=torch.Generator().manual_seed(0))
        shrunk, scale = fit(image, 6)
        weights = torch.tensor([1.0, 3, 3, 1]) / 8
        expected = weights @ (image[:, 3:7, 3:7] @ weights[:, None])
        assert scale == (0.5, 0.5)
        torch.testing.assert_close(shrunk[:, 2, 2], expected[:, 0])

    @pytest.mark.parametrize("max_side", [None, 12, 100])
    def test_what_fits_is_left_as_it_is(self, max_side: int | None) -> None:
        image = torch.rand(3, 8, 12)
        fitted, scale = fit(image, max_side)
        assert fitted is image
        assert scale == (1, 1)

    @pytest.mark.parametrize(("height", "width", "expected"), [(30, 70, (9, 20)), (70, 30, (20, 9)), (1, 900, (1, 20))])
    def test_longer_side_becomes_the_limit_and_the_other_follows(
        self, height: int, width: int, expected: tuple[int, int]
    ) -> None:
        fitted, scale = fit(torch.zeros(1, height, width), 20)
        assert tuple(fitted.shape[1:]) == expected
        assert scale == (expected[1] / width, expected[0] / height)

    @pytest.mark.parametrize(("max_side", "expected"), [(None, (15, 35)), (40, (15, 35)), (20, (9, 20))])
    def test_a_factor_shrinks_images_of_all_sizes_but_the_limit_holds(
        self, max_side: int | None, expected: tuple[int, int]
    ) -> None:
        fitted, scale = fit(torch.zeros(1, 30, 70), max_side, shrink=0.5)
        assert tuple(fitted.shape[1:]) == expected
        assert scale == (expected[1] / 70, expected[0] / 30)

    def test_a_flat_image_stays_flat(self) -> None:
        fitted, _ = fit(torch.ones(1, 31, 77), 13)
        torch.testing.assert_close(fitted, torch.ones_like(fitted))

    def test_limit_below_one(self) -> None:
        with pytest.raises(BoxlessError, match="not 0"):
            fit(torch.zeros(1, 2, 2), 0)


class TestCoordinates:
    @pytest.mark.parametrize(("height", "width"), [(60, 100), (101, 64), (57, 90)])
    def test_a_square_is_found_again_at_its_place_in_the_original(self, height: int, width: int) -> None:
        """Fails for a missing half pixel (0.5 px here), for x and y swapped, and for one scale for both axes."""
        image = blob(height, width, x=40, y=20, side=10)
        fitted, scale = fit(image, 30)
        torch.testing.assert_close(
            centers_to_original(center_of_mass(fitted), scale), torch.tensor([44.5, 24.5]), atol=0.05, rtol=0
        )

    def test_half_pixel(self) -> None:
        """The corner (-0.5, -0.5) of the frame stays, and the first pixel of a halved image covers the first two."""
        corners = torch.tensor([[-0.5, -0.5], [0.0, 0.0]])
        torch.testing.assert_close(centers_to_original(corners, (0.5, 0.25)), torch.tensor([[-0.5, -0.5], [0.5, 1.5]]))

    def test_way_there_and_back(self) -> None:
        points = torch.tensor([[3.0, 17.0], [0.0, 5.5]])
        torch.testing.assert_close(centers_to_original(centers_to_fitted(points, (0.3, 0.7)), (0.3, 0.7)), points)
        torch.testing.assert_close(sizes_to_original(sizes_to_fitted(points, (0.3, 0.7)), (0.3, 0.7)), points)

    def test_a_size_is_widths_by_the_scale_of_x(self) -> None:
        assert sizes_to_original(torch.tensor([[10.0, 10.0]]), (0.5, 0.25)).tolist() == [[20, 40]]
        assert centers_to_fitted(torch.tensor([[9.5, 9.5]]), (0.5, 0.25)).tolist() == [[4.5, 2.0]]


class TestPadBatch:
    def test_images_lie_at_the_top_left_on_zeros(self) -> None:
        wide, tall = torch.rand(3, 2, 5) + 1, torch.rand(3, 4, 3) + 1
        batch, sizes = pad_batch([wide, tall])
        assert sizes == [(2, 5), (4, 3)]
        assert batch.shape == (2, 3, 4, 5)
        torch.testing.assert_close(batch[0, :, :2, :5], wide)
        torch.testing.assert_close(batch[1, :, :4, :3], tall)
        assert batch[0, :, 2:].abs().sum() == 0
        assert batch[1, :, :, 3:].abs().sum() == 0

    def test_no_image(self) -> None:
        with pytest.raises(BoxlessError, match="at least one"):
            pad_batch([])

    def test_grey_beside_colours(self) -> None:
        with pytest.raises(BoxlessError, match=r"\[1, 3\]"):
            pad_batch([torch.zeros(1, 2, 2), torch.zeros(3, 2, 2)])

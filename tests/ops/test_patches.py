import itertools
import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from boxless.ops.patches import covered, crop, cut, paste, place, placed_energy


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def boxes(batch: int, k: int, height: int, width: int, seed: int = 1) -> tuple[Tensor, Tensor]:
    """Centres in and around the image, sizes from less than a pixel to more than the image."""
    span = torch.tensor([width, height], dtype=torch.float64)
    return random(batch, k, 2, seed=seed) * (span + 4) - 2.5, 0.3 + random(batch, k, 2, seed=seed + 1) * span * 1.2


def samples(center: float, size: float, patch_size: int) -> list[float]:
    return [center + ((i + 0.5) / patch_size - 0.5) * size for i in range(patch_size)]


def bilinear(image: Tensor, x: float, y: float) -> float:
    """One channel between its four pixels, zero outside."""
    height, width = image.shape
    left, top = math.floor(x), math.floor(y)
    value = 0.0
    for u, v in itertools.product((left, left + 1), (top, top + 1)):
        if 0 <= u < width and 0 <= v < height:
            value += (1 - abs(x - u)) * (1 - abs(y - v)) * image[v, u].item()
    return value


class TestCrop:
    def test_is_bilinear_sampling_of_each_cell(self) -> None:
        image = random(2, 3, 6, 9)
        centers, sizes = boxes(2, 3, 6, 9)
        ours = crop(image, centers, sizes, 4)
        for b, k, c in itertools.product(range(2), range(3), range(3)):
            (x, y), (width, height) = centers[b, k].tolist(), sizes[b, k].tolist()
            for i, v in enumerate(samples(y, height, 4)):
                for j, u in enumerate(samples(x, width, 4)):
                    assert ours[b, k, c, i, j].item() == pytest.approx(bilinear(image[b, c], u, v), abs=1e-12)

    def test_is_grid_sample_with_aligned_corners_and_zeros(self) -> None:
        height, width, side = 7, 11, 5
        image = random(2, 3, height, width)
        centers, sizes = boxes(2, 4, height, width)
        cell = (torch.arange(side, dtype=torch.float64) + 0.5) / side - 0.5
        at = centers.unsqueeze(-2) + sizes.unsqueeze(-2) * cell.unsqueeze(-1)  # (B, K, P, 2)
        normal = 2 * at / torch.tensor([width - 1, height - 1]) - 1
        grid = torch.stack(
            (
                normal[..., 0].unsqueeze(-2).expand(-1, -1, side, -1),
                normal[..., 1].unsqueeze(-1).expand(-1, -1, -1, side),
            ),
            dim=-1,
        )
        for k in range(4):
            expected = F.grid_sample(image, grid[:, k], align_corners=True, padding_mode="zeros")
            torch.testing.assert_close(crop(image, centers, sizes, side)[:, k], expected)

    def test_x_goes_right_and_width_lies_along_it(self) -> None:
        image = torch.zeros(1, 1, 10, 20)
        image[0, 0, :, :] = torch.arange(20.0)
        patch = crop(image, torch.tensor([[[12.0, 4.0]]]), torch.tensor([[[8.0, 2.0]]]), 4)[0, 0, 0]
        assert patch.tolist() == [[9.0, 11.0, 13.0, 15.0]] * 4

    def test_half_a_pixel_averages_two(self) -> None:
        image = torch.arange(30.0).view(1, 1, 5, 6)
        whole = crop(image, torch.tensor([[[2.0, 2.0]]]), torch.tensor([[[3.0, 3.0]]]), 3)
        half = crop(image, torch.tensor([[[2.5, 2.0]]]), torch.tensor([[[3.0, 3.0]]]), 3)
        assert torch.equal(whole[0, 0, 0], image[0, 0, 1:4, 1:4])
        assert torch.equal(half, whole + 0.5)

    def test_gradient_to_image_centres_and_sizes(self) -> None:
        image = random(1, 2, 5, 7).requires_grad_()
        centers = torch.tensor([[[2.13, 1.87], [5.9, 3.61]]], dtype=torch.float64)
        sizes = torch.tensor([[[2.3, 3.1], [4.1, 1.7]]], dtype=torch.float64)
        cell = (torch.arange(3, dtype=torch.float64) + 0.5) / 3 - 0.5
        at = centers.unsqueeze(-1) + sizes.unsqueeze(-1) * cell
        assert (at - at.round()).abs().min() > 0.01  # no sample at a kink
        centers.requires_grad_(), sizes.requires_grad_()
        assert torch.autograd.gradcheck(lambda i, c, s: crop(i, c, s, 3), (image, centers, sizes))

    def test_gradient_at_a_pixel_is_the_mean_of_both_slopes(self) -> None:
        image = random(1, 1, 9, 12)
        center = torch.tensor([[[6.0, 4.0]]], dtype=torch.float64, requires_grad=True)
        size = torch.full((1, 1, 2), 3.0, dtype=torch.float64, requires_grad=True)
        mask = random(3, 3, seed=5)
        total = (crop(image, center, size, 3)[0, 0, 0] * mask).sum()
        to_center, to_size = torch.autograd.grad(total, (center, size))
        row, column = slice(3, 6), slice(5, 8)
        slope_x = (image[0, 0, row, 6:9] - image[0, 0, row, 4:7]) / 2
        slope_y = (image[0, 0, 4:7, column] - image[0, 0, 2:5, column]) / 2
        torch.testing.assert_close(to_center[0, 0], torch.stack(((slope_x * mask).sum(), (slope_y * mask).sum())))
        cell = torch.tensor([-1 / 3, 0.0, 1 / 3], dtype=torch.float64)
        torch.testing.assert_close(
            to_size[0, 0], torch.stack(((slope_x * mask * cell).sum(), (slope_y * mask * cell[:, None]).sum()))
        )

    @pytest.mark.parametrize(
        ("centers", "sizes"), [((2, 3, 2), (1, 3, 2)), ((1, 3, 2), (1, 3, 1)), ((1, 3, 3), (1, 3, 3)), ((3, 2), (3, 2))]
    )
    def test_boxes_of_another_shape_are_refused(self, centers: tuple[int, ...], sizes: tuple[int, ...]) -> None:
        with pytest.raises(ValueError, match=r"are both \(1, K, 2\)"):
            crop(torch.zeros(1, 1, 4, 4), torch.zeros(centers), torch.ones(sizes), 2)


class TestPaste:
    def test_is_the_adjoint_of_crop(self) -> None:
        image, patches = random(2, 3, 6, 9), random(2, 4, 3, 5, 5, seed=3)
        centers, sizes = boxes(2, 4, 6, 9)
        left = (crop(image, centers, sizes, 5) * patches).sum()
        right = (image * paste(patches, centers, sizes, (6, 9))).sum()
        torch.testing.assert_close(left, right)

    def test_adds_each_sample_to_its_four_pixels(self) -> None:
        patches = random(1, 2, 1, 3, 3)
        centers, sizes = boxes(1, 2, 5, 8)
        expected = torch.zeros(5, 8, dtype=torch.float64)
        for k in range(2):
            (x, y), (width, height) = centers[0, k].tolist(), sizes[0, k].tolist()
            for i, v in enumerate(samples(y, height, 3)):
                for j, u in enumerate(samples(x, width, 3)):
                    for row, column in itertools.product(range(5), range(8)):
                        weight = max(0, 1 - abs(u - column)) * max(0, 1 - abs(v - row))
                        expected[row, column] += weight * patches[0, k, 0, i, j]
        torch.testing.assert_close(paste(patches, centers, sizes, (5, 8))[0, 0], expected)

    def test_undoes_a_crop_of_whole_pixels(self) -> None:
        image = random(1, 3, 8, 12)
        centers = torch.tensor([[[3.5, 2.5], [9.5, 5.5]]], dtype=torch.float64)
        sizes = torch.full_like(centers, 4.0)
        again = paste(crop(image, centers, sizes, 4), centers, sizes, (8, 12))
        inside = torch.zeros_like(image)
        inside[:, :, 1:5, 2:6] = inside[:, :, 4:8, 8:12] = 1.0
        assert torch.equal(again, image * inside)

    def test_overlapping_patches_add_up(self) -> None:
        patches = torch.ones(1, 2, 1, 3, 3)
        centers = torch.tensor([[[2.0, 2.0], [4.0, 3.0]]])
        canvas = paste(patches, centers, torch.full_like(centers, 3.0), (6, 8))[0, 0]
        assert canvas[2:4, 3].tolist() == [2.0, 2.0]
        assert canvas.sum() == 18.0

    def test_patch_of_another_size_keeps_its_sum(self) -> None:
        patches = random(1, 1, 1, 8, 8)
        center = torch.tensor([[[9.2, 7.7]]], dtype=torch.float64)
        canvas = paste(patches, center, torch.tensor([[[5.0, 11.0]]], dtype=torch.float64), (16, 20))
        torch.testing.assert_close(canvas.sum(), patches.sum())

    def test_gradient_to_patches_centres_and_sizes(self) -> None:
        patches = random(1, 2, 1, 3, 3).requires_grad_()
        centers = torch.tensor([[[2.13, 1.87], [5.9, 3.61]]], dtype=torch.float64, requires_grad=True)
        sizes = torch.tensor([[[2.3, 3.1], [4.1, 1.7]]], dtype=torch.float64, requires_grad=True)
        assert torch.autograd.gradcheck(lambda p, c, s: paste(p, c, s, (5, 7)), (patches, centers, sizes))

    def test_boxes_of_another_shape_are_refused(self) -> None:
        with pytest.raises(ValueError, match=r"are both \(2, K, 2\)"):
            paste(torch.zeros(2, 1, 1, 3, 3), torch.zeros(1, 1, 2), torch.ones(1, 1, 2), (4, 4))


class TestPlace:
    def test_each_pixel_reads_the_patch_as_far_as_it_lies_in_it(self) -> None:
        patches = random(1, 2, 1, 4, 4)
        centers, sizes = boxes(1, 2, 6, 9)
        expected = torch.zeros(6, 9, dtype=torch.float64)
        for k, row, column in itertools.product(range(2), range(6), range(9)):
            weights = []
            for pixel, center, size in zip((column, row), centers[0, k].tolist(), sizes[0, k].tolist(), strict=True):
                ends = max(pixel - 0.5, center - size / 2), min(pixel + 0.5, center + size / 2)
                place_in_patch = min(max((pixel - center) / size * 4 + 1.5, 0), 3)
                weights.append([max(0, ends[1] - ends[0]) * max(0, 1 - abs(place_in_patch - i)) for i in range(4)])
            for i, j in itertools.product(range(4), range(4)):
                expected[row, column] += weights[1][i] * weights[0][j] * patches[0, k, 0, i, j]
        torch.testing.assert_close(place(patches, centers, sizes, (6, 9))[0, 0], expected)

    def test_is_the_paste_of_a_patch_of_its_own_size(self) -> None:
        patches, centers = random(2, 3, 2, 5, 5), boxes(2, 3, 12, 17)[0]
        sizes = torch.full_like(centers, 5.0)
        torch.testing.assert_close(place(patches, centers, sizes, (12, 17)), paste(patches, centers, sizes, (12, 17)))

    def test_a_flat_patch_of_any_size_lies_flat(self) -> None:
        center, size = torch.tensor([[[9.2, 7.7]]]), torch.tensor([[[7.0, 11.0]]])
        canvas = place(torch.ones(1, 1, 1, 9, 9), center, size, (18, 20))[0, 0]
        torch.testing.assert_close(canvas[3:13, 7:12], torch.ones(10, 5))
        assert canvas.sum().item() == pytest.approx(77.0, rel=1e-5)

    def test_its_adjoint_and_its_energy(self) -> None:
        image, patches = random(2, 3, 6, 9), random(2, 4, 3, 5, 5, seed=3)
        centers, sizes = boxes(2, 4, 6, 9)
        left = (covered(image, centers, sizes, 5) * patches).sum()
        torch.testing.assert_close(left, (image * place(patches, centers, sizes, (6, 9))).sum())
        alone = [
            place(patches[:, k : k + 1], centers[:, k : k + 1], sizes[:, k : k + 1], (6, 9)).square().sum((1, 2, 3))
            for k in range(4)
        ]
        torch.testing.assert_close(placed_energy(patches, centers, sizes, (6, 9)), torch.stack(alone, dim=1))

    def test_gradient_to_patches_centres_and_sizes(self) -> None:
        patches = random(1, 2, 1, 3, 3).requires_grad_()
        centers = torch.tensor([[[2.13, 1.87], [5.9, 3.61]]], dtype=torch.float64, requires_grad=True)
        sizes = torch.tensor([[[2.3, 3.1], [4.1, 1.7]]], dtype=torch.float64, requires_grad=True)
        assert torch.autograd.gradcheck(lambda p, c, s: place(p, c, s, (5, 7)), (patches, centers, sizes))


class TestCut:
    def test_is_slicing_with_zero_outside(self) -> None:
        image = random(2, 3, 9, 13)
        centers = torch.tensor([[[6.3, 4.4], [0.0, 0.0]], [[12.6, 8.2], [-9.0, 30.0]]], dtype=torch.float64)
        squares, corners = cut(image, centers, 5)
        assert corners.tolist() == [[[4, 2], [-2, -2]], [[11, 6], [-11, 28]]]
        wide = F.pad(image, (30, 30, 30, 30))
        for b, k in itertools.product(range(2), range(2)):
            left, top = (int(place) + 30 for place in corners[b, k].tolist())
            expected = wide[b, :, top : top + 5, left : left + 5] if top < 44 else torch.zeros(3, 5, 5)
            assert torch.equal(squares[b, k], expected)

    @pytest.mark.parametrize("size", [1.0, 4.0, 5.0, 6.3, 8.9])
    def test_a_crop_sees_all_that_it_needs_in_a_square_three_pixels_larger(self, size: float) -> None:
        image = random(2, 2, 17, 26)
        centers = random(2, 40, 2, seed=3) * torch.tensor([28.0, 19.0]) - 1.5
        centers[:, ::4] = centers[:, ::4].round() + 0.5
        sizes = torch.full_like(centers, size)
        squares, corners = cut(image, centers, math.ceil(size) + 3)
        places, own = (centers - corners).flatten(0, 1).unsqueeze(1), sizes.flatten(0, 1).unsqueeze(1)
        patches = crop(squares.flatten(0, 1), places, own, 16)[:, 0].unflatten(0, (2, 40))
        torch.testing.assert_close(patches, crop(image, centers, sizes, 16))


class TestAutocast:
    def test_crop_and_paste_stay_as_exact_as_their_places(self) -> None:
        image, patches = random(2, 1, 12, 17).float(), random(2, 3, 1, 5, 5, seed=7).float()
        centers, sizes = (values.float() for values in boxes(2, 3, 12, 17))
        cropped, pasted = crop(image, centers, sizes, 5), paste(patches, centers, sizes, (12, 17))
        with torch.autocast("cpu", torch.bfloat16):
            assert torch.equal(crop(image, centers, sizes, 5), cropped)
            assert torch.equal(paste(patches, centers, sizes, (12, 17)), pasted)

    def test_the_way_back_does_where_it_is_taken_outside(self) -> None:
        image, weights = random(1, 1, 12, 17).float(), random(1, 3, 1, 5, 5, seed=7).float()
        centers, sizes = (values.float() for values in boxes(1, 3, 12, 17))

        def slope() -> Tensor:
            places = centers.clone().requires_grad_()
            loss = (crop(image, places, sizes, 5) * weights).sum()
            with torch.autocast("cpu", enabled=False):
                return torch.autograd.grad(loss, places)[0]

        exact = slope()
        with torch.autocast("cpu", torch.bfloat16):
            assert torch.equal(slope(), exact)

    def test_what_a_network_made_in_bfloat16_is_taken(self) -> None:
        image, patches = random(1, 1, 12, 17).bfloat16(), random(1, 3, 1, 5, 5, seed=7).bfloat16()
        centers, sizes = (values.float() for values in boxes(1, 3, 12, 17))
        with torch.autocast("cpu", torch.bfloat16):
            assert torch.equal(crop(image, centers, sizes, 5), crop(image.float(), centers, sizes, 5))
            canvas = paste(patches, centers, sizes, (12, 17))
        assert torch.equal(canvas, paste(patches.float(), centers, sizes, (12, 17)))

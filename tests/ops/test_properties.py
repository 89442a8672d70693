"""What holds for every image, keypoint and shift, on maps that are not square."""

import math

import hypothesis.strategies as st
import torch
from hypothesis import assume, given, settings
from torch import Tensor

from boxless.ops.heatmap import local_softmax, peak_scales, pool_scales, soft_argmax, top_k_peaks
from boxless.ops.lifting import lift
from boxless.ops.patches import crop, paste

quick = settings(max_examples=25, deadline=None, derandomize=True, database=None)
sides = st.tuples(st.integers(12, 40), st.integers(12, 40)).filter(lambda size: size[0] != size[1])
seeds = st.integers(0, 2**31)


def random(*shape: int, seed: int) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed))


@st.composite
def keypoints(draw: st.DrawFn, apart: int, border: int = 0, subpixel: bool = False) -> tuple[Tensor, tuple[int, int]]:
    """(1, K, 2) points of which any two are ``apart`` pixels from each other in x or in y, and their map's size."""
    height, width = draw(sides)
    spot = st.tuples(st.integers(border, width - 1 - border), st.integers(border, height - 1 - border))
    kept: list[tuple[int, int]] = []
    for x, y in draw(st.lists(spot, min_size=1, max_size=12)):
        if all(max(abs(x - u), abs(y - v)) >= apart for u, v in kept):
            kept.append((x, y))
    points = torch.tensor([kept], dtype=torch.float32)
    if subpixel:
        offset = st.tuples(st.floats(-0.4375, 0.4375, width=32), st.floats(-0.4375, 0.4375, width=32))
        points = points + torch.tensor([draw(st.lists(offset, min_size=len(kept), max_size=len(kept)))])
    return points, (height, width)


def in_reading_order(points: Tensor) -> Tensor:
    """Permutation (K,) of (1, K, 2) points that ignores what is after the point."""
    return torch.tensor(sorted(range(points.shape[1]), key=lambda k: (points[0, k, 1].item(), points[0, k, 0].item())))


class TestDetectionOfTheLiftedKeypoints:
    """E_K(G(x)) = x (MIST, section 3)."""

    @quick
    @given(keypoints(apart=3), st.sampled_from([None, 0.5, 1.0]))
    def test_whole_pixels(self, drawn: tuple[Tensor, tuple[int, int]], sigma: float | None) -> None:
        points, size = drawn
        peaks = top_k_peaks(lift(points, None, None, size, sigma)[:, 0], points.shape[1], size=5)
        found = peaks.centers[:, in_reading_order(peaks.centers)]
        assert torch.equal(found, points[:, in_reading_order(points)])
        assert (peaks.scores == 1).all()
        assert peaks.valid.all()

    @quick
    @given(keypoints(apart=9, border=4, subpixel=True))
    def test_between_pixels(self, drawn: tuple[Tensor, tuple[int, int]]) -> None:
        points, size = drawn
        sigma, reach = 0.8, 3
        heatmap = lift(points, None, None, size, sigma)[:, 0]
        peaks = top_k_peaks(heatmap, points.shape[1], size=5)
        found = soft_argmax(heatmap, peaks.centers, size=2 * reach + 1)
        # A Gaussian sampled at whole pixels has its first moment in its middle; what is missing is the tail beyond
        # the window, at worst for a point half way between two pixels, and what is too much the tails of others.
        tail = (reach + 0.5) * math.exp(-0.5 * ((reach + 0.5) / sigma) ** 2)
        mass = sigma * math.sqrt(2 * math.pi) * 0.9
        window = (2 * reach + 1) ** 2
        others = window * reach * math.exp(-0.5 * ((9 - 1 - reach) / sigma) ** 2) / mass**2
        expected = points[:, in_reading_order(points.round())]
        found = found[:, in_reading_order(found.round())]
        torch.testing.assert_close(found, expected, rtol=0, atol=2 * tail / mass + others)

    @quick
    @given(keypoints(apart=5), st.sampled_from([None, 1.0]), st.sampled_from([[8.0, 12.0, 20.0], [5.0, 6.0]]), seeds)
    def test_sizes_between_scales(
        self, drawn: tuple[Tensor, tuple[int, int]], sigma: float | None, levels: list[float], seed: int
    ) -> None:
        points, image_size = drawn
        scales, span = torch.tensor(levels), levels[-1] - levels[0]
        sizes = levels[0] + span * random(1, points.shape[1], seed=seed)
        heatmap = lift(points, sizes, scales, image_size, sigma)
        peaks = top_k_peaks(pool_scales(heatmap), points.shape[1], size=5)
        order, expected = in_reading_order(peaks.centers), in_reading_order(points)
        assert torch.equal(peaks.centers[:, order], points[:, expected])
        # at each scale the tail of a Gaussian 5 pixels away may stand above the share of the keypoint's own
        contamination = 0.0 if sigma is None else len(levels) * span * math.exp(-(5**2) / 2)
        found = peak_scales(heatmap, peaks.centers, scales)[:, order]
        torch.testing.assert_close(found, sizes[:, expected], rtol=1e-6, atol=1e-5 + contamination)


class TestCrop:
    @quick
    @given(sides, st.integers(1, 9), st.integers(-12, 45), st.integers(-12, 45), seeds)
    def test_at_whole_pixels_equals_slicing_and_zero_outside(
        self, size: tuple[int, int], patch: int, left: int, top: int, seed: int
    ) -> None:
        image = random(1, 2, *size, seed=seed)
        center = torch.tensor([[[left, top]]]) + (patch - 1) / 2
        border = 64
        wide = torch.nn.functional.pad(image, [border] * 4)
        expected = wide[:, :, top + border : top + border + patch, left + border : left + border + patch]
        ours = crop(image, center, torch.full_like(center, patch), patch)
        assert torch.equal(ours[:, 0], expected)

    @quick
    @given(sides, st.integers(1, 9), seeds)
    def test_paste_is_its_adjoint(self, size: tuple[int, int], patch: int, seed: int) -> None:
        image = random(2, 1, *size, seed=seed).double()
        patches = random(2, 3, 1, patch, patch, seed=seed + 1).double()
        centers = random(2, 3, 2, seed=seed + 2).double() * 50 - 5
        sizes = random(2, 3, 2, seed=seed + 3).double() * 30
        left = (crop(image, centers, sizes, patch) * patches).sum()
        torch.testing.assert_close(left, (image * paste(patches, centers, sizes, size)).sum())

    @quick
    @given(sides, st.integers(1, 6), st.integers(1, 6), seeds)
    def test_swap_of_x_and_y_is_a_transpose(self, size: tuple[int, int], patch: int, k: int, seed: int) -> None:
        image = random(1, 2, *size, seed=seed).double()
        centers, sizes = random(1, k, 2, seed=seed + 1).double() * 40, random(1, k, 2, seed=seed + 2).double() * 20
        swapped = crop(image.transpose(-2, -1), centers.flip(-1), sizes.flip(-1), patch)
        torch.testing.assert_close(swapped, crop(image, centers, sizes, patch).transpose(-2, -1))


class TestDetection:
    @quick
    @given(
        st.integers(6, 12), st.integers(6, 12), st.integers(0, 5), st.integers(0, 5), st.integers(1, 4), seeds
    )  # fmt: skip
    def test_moves_with_the_image_away_from_the_border(
        self, height: int, width: int, dx: int, dy: int, k: int, seed: int
    ) -> None:
        content = 2 * random(height, width, seed=seed)
        border = 10  # above the half windows of 7 and 2
        canvas = torch.zeros(1, 1, height + 2 * border + 5, width + 2 * border + 8)
        canvas[0, 0, border : border + height, border : border + width] = content
        moved = canvas.roll((dy, dx), dims=(2, 3))
        before = top_k_peaks(local_softmax(canvas)[:, 0], k)
        after = top_k_peaks(local_softmax(moved)[:, 0], k)
        assume((before.scores > 1 / 64).all())  # above a flat background, even in the corner where its windows are cut
        assert torch.equal(after.centers, before.centers + torch.tensor([dx, dy]))
        torch.testing.assert_close(after.scores, before.scores)

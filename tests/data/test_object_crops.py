import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from boxless.data.crops import Rectangle, cut_instances, visible_shares
from boxless.data.object_crops import covered_shares, is_suitable, random_crop
from boxless.instances import Instances


def objects(*boxes: tuple[float, float, float, float], size: tuple[int, int] = (60, 100)) -> Instances:
    """Objects by left, top, width and height in the frame of the corner; the image is (height, width)."""
    rows = np.array(boxes, float).reshape(-1, 4)
    return Instances(rows[:, :2] + rows[:, 2:] / 2 - 0.5, rows[:, 2:], labels=range(len(rows)), image_size=size)


def share(truth: Instances, crop: Rectangle) -> float:
    """The share of the crop's pixels that lie in a box of whole pixels, counted one by one."""
    assert truth.image_size is not None
    filled = np.zeros(truth.image_size, bool)
    for left, top, right, bottom in (truth.boxes + 0.5).round().astype(int):
        filled[max(top, 0) : bottom, max(left, 0) : right] = True
    return float(filled[crop.top : crop.top + crop.height, crop.left : crop.left + crop.width].mean())


class TestFilter:
    def test_share_of_the_image_up_to_30_percent(self) -> None:
        assert is_suitable(objects((0, 0, 36, 50)))  # 1,800 of 6,000 pixels
        assert not is_suitable(objects((0, 0, 37, 50)))

    def test_aspect_ratio_from_one_half_to_two(self) -> None:
        assert is_suitable(objects((0, 0, 40, 20), (0, 0, 20, 40)))
        assert not is_suitable(objects((0, 0, 41, 20)))
        assert not is_suitable(objects((0, 0, 20, 41)))

    def test_one_bad_object_drops_the_image(self) -> None:
        assert not is_suitable(objects((0, 0, 20, 20), (50, 10, 20, 41)))

    def test_small_objects_that_fill_the_image_together_stay(self) -> None:
        assert is_suitable(objects((0, 0, 40, 30), (40, 0, 40, 30), (0, 30, 40, 30), (40, 30, 40, 30)))

    def test_an_image_without_objects_is_dropped(self) -> None:
        assert not is_suitable(objects())

    def test_an_object_without_area_is_dropped(self) -> None:
        assert not is_suitable(objects((5, 5, 0, 3)))

    def test_unknown_size(self) -> None:
        with pytest.raises(ValueError, match="image_size"):
            is_suitable(Instances([(5, 5)], [(3, 3)]))


corner_boxes = st.tuples(st.integers(0, 11), st.integers(0, 7), st.integers(1, 9), st.integers(1, 9))


class TestCoveredShares:
    @given(st.lists(corner_boxes, min_size=1, max_size=5), st.lists(corner_boxes, min_size=1, max_size=3))
    def test_is_the_share_of_pixels_in_any_box(
        self, boxes: list[tuple[int, int, int, int]], rectangles: list[tuple[int, int, int, int]]
    ) -> None:
        ours = np.array([(x, y, x + w, y + h) for x, y, w, h in boxes], float)
        theirs = np.array([(x, y, x + w, y + h) for x, y, w, h in rectangles])
        expected = [share(objects(*boxes, size=(30, 30)), Rectangle(*rectangle)) for rectangle in rectangles]
        np.testing.assert_allclose(covered_shares(ours, theirs), expected, atol=1e-12)

    def test_parts_of_pixels(self) -> None:
        """Two boxes of 1.5 × 1 that overlap by one half: 2.5 of a crop of 4 × 2."""
        boxes = np.array([[0.5, 0, 2, 1], [1.5, 0, 3, 1]])
        assert covered_shares(boxes, np.array([[0, 0, 4, 2]])).tolist() == [2.5 / 8]


suitable = st.lists(
    st.tuples(st.integers(0, 80), st.integers(0, 40), st.integers(4, 20), st.integers(4, 20)), min_size=1, max_size=6
)


class TestRandomCrop:
    @given(suitable, st.integers(0, 1000))
    def test_lies_in_the_image_and_cuts_no_object(self, boxes: list[tuple[int, int, int, int]], index: int) -> None:
        truth = objects(*boxes)
        crop = random_crop(truth, seed=3, index=index)
        assert 0 <= crop.left < crop.left + crop.width <= 100
        assert 0 <= crop.top < crop.top + crop.height <= 60
        shares = visible_shares(truth, crop)
        assert set(shares.round(4).tolist()) <= {0.0, 1.0}
        assert 1.0 in shares.round(4)

    def test_has_the_shape_of_the_image(self) -> None:
        """The larger the crop, the nearer: 80 by 48 pixels are found to the pixel."""
        crop = random_crop(objects((40, 20, 36, 32)), seed=0, index=0)
        assert crop.width / crop.height == pytest.approx(100 / 60, abs=0.05)

    def test_no_crop_of_the_image_s_shape_comes_much_nearer_to_30_percent(self) -> None:
        """Every crop that cuts nothing, at every place and in all sizes to the pixel, by brute force."""
        truth = objects((3, 2, 8, 6), (14, 5, 6, 9), (25, 12, 5, 5), size=(20, 32))
        found = random_crop(truth, seed=1, index=5)
        best = min(
            abs(share(truth, crop) - 0.3)
            for height in range(5, 21)
            for crop in (
                Rectangle(left, top, width, height)
                for width in [round(height * 32 / 20)]
                for left in range(33 - width)
                for top in range(21 - height)
            )
            if set(visible_shares(truth, crop).round(4).tolist()) <= {0.0, 1.0} and visible_shares(truth, crop).any()
        )
        assert abs(share(truth, found) - 0.3) <= best + 0.02

    def test_objects_cover_30_percent_on_average(self) -> None:
        random = np.random.default_rng(0)
        shares = []
        for index in range(60):
            sides = random.integers(8, 17, (random.integers(1, 4), 2))
            places = (random.random(sides.shape) * ([100, 60] - sides)).astype(int)
            truth = objects(*np.hstack([places, sides]).tolist())
            shares.append(share(truth, random_crop(truth, seed=0, index=index)))
        assert np.mean(shares) == pytest.approx(0.3, abs=0.01)

    def test_is_the_same_for_seed_and_index_and_another_for_others(self) -> None:
        truth = objects((40, 20, 12, 10))
        crops = [random_crop(truth, seed, index) for seed, index in [(0, 7), (0, 7), (0, 8), (1, 7)]]
        assert crops[0] == crops[1]
        assert len(set(crops)) == 3

    def test_places_the_object_anywhere_in_the_crop(self) -> None:
        """The object's place along either side of the crop, over many images, spreads from one end to the other."""
        truth = objects((44, 25, 12, 10))
        crops = [random_crop(truth, 0, index) for index in range(200)]
        along = np.array([(44 - c.left) / (c.width - 12) for c in crops])
        down = np.array([(25 - c.top) / (c.height - 10) for c in crops])
        for places in (along, down):
            assert np.quantile(places, [0.05, 0.5, 0.95]) == pytest.approx([0.05, 0.5, 0.95], abs=0.15)

    def test_what_reaches_over_the_border_is_cut_off_there(self) -> None:
        truth = objects((-2, 50, 14, 12))
        crop = random_crop(truth, seed=0, index=0)
        assert crop.left == 0
        assert crop.top + crop.height == 60
        assert share(truth, crop) == pytest.approx(0.3, abs=0.03)
        assert len(cut_instances(truth, crop)) == 1

    def test_objects_all_over_the_image_leave_it_whole(self) -> None:
        """Two that overlap across the middle: nothing but the whole image cuts neither."""
        truth = objects((0, 0, 51, 30), (49, 29, 51, 31))
        assert random_crop(truth, seed=0, index=0) == Rectangle(0, 0, 100, 60)

    def test_no_object(self) -> None:
        with pytest.raises(ValueError, match="there is none"):
            random_crop(objects(), seed=0, index=0)

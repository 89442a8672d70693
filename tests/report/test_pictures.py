import subprocess
import sys

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from boxless.errors import BoxlessError
from boxless.instances import Instances
from boxless.report.colors import Color, Mark, class_color
from boxless.report.pictures import draw_class_map, draw_detections, draw_heatmap, montage

RIGHT, FALSE, MISSED = (mark.value for mark in (Mark.RIGHT, Mark.FALSE, Mark.MISSED))
BLANK = np.zeros((24, 40), np.float32)  # height 24, width 40


def one(center: tuple[float, float], size: tuple[float, float], label: int = 0) -> Instances:
    return Instances([center], [size], labels=[label])


def where(picture: Image.Image, color: Color) -> NDArray[np.bool_]:
    equal: NDArray[np.bool_] = np.all(np.asarray(picture) == color, axis=-1)
    return equal


def test_a_box_on_a_wide_image_lands_where_its_corners_are() -> None:
    picture = draw_detections(BLANK, one((30, 6), (8, 4)), scale=10)
    drawn = where(picture, class_color(0))
    assert picture.size == (400, 240)
    # (30 -+ 4 + 0.5) * 10 and (6 -+ 2 + 0.5) * 10, each the middle of a line of three pixels.
    assert np.flatnonzero(drawn[65]).tolist() == [264, 265, 266, 344, 345, 346]
    assert np.flatnonzero(drawn[:, 320]).tolist() == [44, 45, 46, 84, 85, 86]


def test_the_box_of_whole_pixels_runs_along_their_borders() -> None:
    image = np.zeros((10, 16))
    image[3:7, 8:14] = 1
    bare = np.asarray(draw_detections(image, Instances([], []), scale=20))
    drawn = where(draw_detections(image, one((10.5, 4.5), (6, 4)), scale=20), class_color(0))
    columns, rows = np.flatnonzero(drawn[130]), np.flatnonzero(drawn[:, 250])
    white_columns, white_rows = (np.flatnonzero(line[:, 0] == 255) for line in (bare[130], bare[:, 250]))
    assert (columns[1], columns[-2]) == (white_columns[0], white_columns[-1] + 1)
    assert (rows[1], rows[-2]) == (white_rows[0], white_rows[-1] + 1)


def test_a_large_image_is_shrunk_and_its_boxes_with_it() -> None:
    picture = draw_detections(np.zeros((400, 600, 3)), one((449.5, 99.5), (200, 100)), longest_side=300)
    drawn = where(picture, class_color(0))
    assert picture.size == (300, 200)
    assert np.flatnonzero(drawn[70]).tolist() == [174, 175, 176, 274, 275, 276]
    assert np.flatnonzero(drawn[:, 250]).tolist() == [24, 25, 26, 74, 75, 76]


def test_a_box_that_reaches_far_over_the_border_is_cut_there() -> None:
    drawn = where(draw_detections(BLANK, one((0, 12), (20, 1e9)), scale=10), class_color(0))
    assert np.flatnonzero(drawn[120]).tolist() == [104, 105, 106]


def test_a_right_prediction_is_green_with_an_unbroken_line() -> None:
    picture = draw_detections(BLANK, one((20, 12), (20, 12)), one((20, 12), (20, 12)), scale=20)
    left_side = where(picture, RIGHT)[130:370, 210]
    assert left_side.all()
    assert not where(picture, FALSE).any()
    assert not where(picture, MISSED).any()


def test_a_missed_object_is_yellow_with_a_dashed_line() -> None:
    picture = draw_detections(BLANK, Instances([], []), one((20, 12), (20, 12)), scale=20)
    right_side = where(picture, MISSED)[130:370, 610]
    assert 0.4 < right_side.mean() < 0.75
    assert np.count_nonzero(np.diff(right_side)) > 10
    assert not where(picture, RIGHT).any()


@pytest.mark.parametrize("true", [one((20, 12), (20, 12), label=1), Instances([], [])], ids=["wrong class", "nothing"])
def test_a_false_prediction_is_vermillion_with_a_line_of_twice_the_width(true: Instances) -> None:
    picture = draw_detections(BLANK, one((20, 12), (20, 12)), true, scale=20)
    right_prediction = draw_detections(BLANK, one((20, 12), (20, 12)), one((20, 12), (20, 12)), scale=20)
    middle_row = where(picture, FALSE)[250]
    assert middle_row.sum() == 2 * where(right_prediction, RIGHT)[250].sum()
    assert not where(picture, MISSED).any()


def test_without_the_truth_every_class_has_its_color() -> None:
    two = Instances([[8, 12], [30, 12]], [[10, 10], [10, 10]], labels=[0, 1])
    picture = draw_detections(BLANK, two, scale=20)
    for color, left, right in ((class_color(0), 0, 400), (class_color(1), 400, 800)):
        columns = np.flatnonzero(where(picture, color).any(axis=0))
        assert left <= columns.min() < columns.max() < right


def test_labels_are_written_on_the_box_and_differ_with_the_name() -> None:
    def labelled(name: str) -> NDArray[np.uint8]:
        named = Instances([[20, 12]], [[20, 20]], class_names=[name, "other"])
        return np.asarray(draw_detections(BLANK, named, scale=20))

    differs = np.any(labelled("3") != labelled("8"), axis=-1)
    rows, columns = np.nonzero(differs)
    assert rows.size > 5
    # In the corner of the box at (10.5, 2.5) * 20, within a label of a line's height.
    assert 210 <= columns.min() <= columns.max() < 250
    assert 50 <= rows.min() <= rows.max() < 90


def test_a_line_is_seen_on_a_white_image_too() -> None:
    picture = draw_detections(np.ones((24, 40)), Instances([], []), one((20, 12), (20, 12)), scale=20)
    beside_the_line = np.asarray(picture)[250, 212 : 212 + 1]
    assert (beside_the_line == 0).all()


def test_a_small_image_is_enlarged_by_whole_pixels_without_blur() -> None:
    image = np.random.default_rng(0).random((20, 80, 3))
    picture = np.asarray(draw_detections(image, Instances([], [])))
    assert picture.shape == (120, 480, 3)
    np.testing.assert_array_equal(picture[3::6, 3::6], np.rint(image * 255))
    np.testing.assert_array_equal(picture[::6, ::6], picture[5::6, 5::6])


@pytest.mark.parametrize("shape", [(1, 1), (1, 4000), (3000, 2, 1)])
def test_extreme_shapes_become_pictures_of_a_bearable_size(shape: tuple[int, ...]) -> None:
    picture = draw_detections(np.full(shape, 0.5), one((0, 0), (1, 1)))
    assert 480 <= max(picture.size) <= 1600
    assert min(picture.size) >= 1


def test_an_image_is_not_written_to() -> None:
    image = np.full((24, 40), 0.5)
    draw_detections(image, one((20, 12), (20, 12)))
    draw_heatmap(image, image)
    assert (image == 0.5).all()


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (np.zeros((2, 2, 4)), "must be"),
        (np.zeros((0, 2)), "must be"),
        (np.full((2, 2), 255.0), "divide by 255"),
        (np.zeros((2, 2), np.uint8), "divide by 255"),
        (np.full((2, 2), np.nan), "divide by 255"),
    ],
)
def test_an_image_of_another_shape_or_range_is_refused(image: NDArray[np.float64], message: str) -> None:
    with pytest.raises(BoxlessError, match=message):
        draw_detections(image, Instances([], []))


def test_instances_of_an_image_of_another_size_are_refused() -> None:
    with pytest.raises(BoxlessError, match=r"truth .*\(40, 24\)"):
        draw_detections(BLANK, Instances([], []), Instances([], [], image_size=(40, 24)))


def test_a_scale_under_one_is_refused() -> None:
    with pytest.raises(BoxlessError, match="at least 1"):
        draw_detections(BLANK, Instances([], []), scale=0)


def test_the_peak_of_a_heatmap_is_the_brightest_place_of_the_picture() -> None:
    heatmap = np.zeros((24, 40))
    heatmap[5, 31] = 0.02  # x = 31, y = 5; a weak peak is stretched to the full colour
    picture = np.asarray(draw_heatmap(BLANK, heatmap)).astype(int).sum(axis=-1)
    rows, columns = np.nonzero(picture == picture.max())
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (5 * 12, 6 * 12 - 1, 31 * 12, 32 * 12 - 1)


def test_a_flat_heatmap_and_one_with_nan_leave_the_dimmed_image() -> None:
    image = np.random.default_rng(0).random((24, 40))
    flat = np.asarray(draw_heatmap(image, np.full((24, 40), 7.0)))
    np.testing.assert_array_equal(flat, np.asarray(draw_heatmap(image, np.full((24, 40), np.nan))))
    np.testing.assert_allclose(flat[::12, ::12, 0], image * 127.5, atol=1)


def test_a_heatmap_of_another_size_is_refused() -> None:
    with pytest.raises(BoxlessError, match="does not fit"):
        draw_heatmap(BLANK, np.zeros((40, 24)))


def test_a_sheet_holds_its_pictures_row_by_row() -> None:
    colors = [(255, 0, 0), (0, 255, 0), (0, 0, 255)]
    sizes = [(9, 5), (3, 5), (9, 3)]
    sheet = montage([Image.new("RGB", *one) for one in zip(sizes, colors, strict=True)], columns=2)
    centers = [np.argwhere(where(sheet, color)).mean(axis=0) for color in colors]
    areas = [where(sheet, color).sum() for color in colors]
    assert areas == [45, 15, 27]
    assert centers[0][0] == centers[1][0] < centers[2][0]
    assert centers[0][1] == centers[2][1] < centers[1][1]


def test_a_sheet_of_one_picture_is_no_wider_than_it_needs() -> None:
    assert montage([Image.new("L", (9, 5))], columns=4).size == (9 + 16, 5 + 16)


def test_a_sheet_of_no_picture_is_refused() -> None:
    with pytest.raises(BoxlessError, match="needs a picture"):
        montage([], columns=2)


def test_drawing_does_not_load_matplotlib() -> None:
    code = (
        "import sys, numpy as np\n"
        "from boxless.instances import Instances\n"
        "from boxless.report.pictures import draw_detections\n"
        "draw_detections(np.zeros((8, 8)), Instances([[4, 4]], [[4, 4]]))\n"
        "assert not {'matplotlib', 'torch'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_class_map_lays_the_colours_of_the_classes_over_a_dimmed_image() -> None:
    image = np.full((6, 8), 0.8)
    class_map = np.zeros((6, 8, 3))
    class_map[1, 5, 2] = 1.0
    class_map[4, 2] = (0.5, 0.0, 0.0)
    drawn = np.asarray(draw_class_map(image, class_map)).reshape(6, 60, 8, 60, 3)[:, 0, :, 0] / 255
    np.testing.assert_allclose(drawn[1, 5], np.array(class_color(2)) / 255, atol=0.01)
    np.testing.assert_allclose(drawn[4, 2], 0.5 * 0.4 + 0.5 * np.array(class_color(0)) / 255, atol=0.01)
    np.testing.assert_allclose(drawn[0, 0], 0.4, atol=0.01)
    with pytest.raises(BoxlessError, match="does not fit"):
        draw_class_map(image, class_map.transpose(1, 0, 2))

"""Pictures of images rebuilt from patches."""

import numpy as np
import pytest
from numpy.typing import NDArray

from boxless.errors import BoxlessError
from boxless.instances import Instances
from boxless.report.colors import Mark
from boxless.report.contents import Example, Rebuilt, Report
from boxless.report.html import render_report
from boxless.report.pictures import draw_detections
from boxless.report.reconstruction import GAP, draw_marks, draw_patches
from boxless.report.verdicts import is_texture, judge_centers

NAMES = ("kernel",)


def kernels(centers: list[list[float]], size: float = 10.0, image_size: tuple[int, int] | None = (20, 40)) -> Instances:
    return Instances(centers, [[size, size]] * len(centers), class_names=NAMES, image_size=image_size)


def rebuilt(patches: int, side: int = 4) -> Rebuilt:
    """Patch n has the value n / 100, its reconstruction half a grey more."""
    values = np.arange(patches)[:, None, None] / 100 + np.zeros((patches, side, side))
    return Rebuilt(np.zeros((20, 40)), values, values + 0.5)


def test_a_centre_hits_within_half_a_size_in_any_direction_and_no_further() -> None:
    true = kernels([[10, 10]])
    for offset, hits in (([5.0, 0.0], 1), ([0.0, -5.0], 1), ([5.1, 0.0], 0), ([4.0, 4.0], 0), ([3.5, 3.5], 1)):
        found = kernels([[10 + offset[0], 10 + offset[1]]])
        assert len(judge_centers(found, true).right) == hits, offset


def test_two_that_are_found_at_one_kernel_are_one_hit_the_nearer() -> None:
    verdicts = judge_centers(kernels([[13, 10], [11, 10]]), kernels([[10, 10], [30, 10]]))
    assert verdicts.right.tolist() == [[1, 0]]
    assert (verdicts.false.tolist(), verdicts.missed.tolist()) == ([0], [1])


def test_boxes_are_too_many_where_they_are_together_larger_than_the_image() -> None:
    eight, nine = kernels([[10, 10]] * 8), kernels([[10, 10]] * 9)
    assert [is_texture(eight), is_texture(nine), is_texture(eight, nine), is_texture(nine, eight)] == [0, 1, 1, 0]
    assert not is_texture(kernels([[10, 10]] * 9, image_size=None))
    named = Instances([[10, 10]] * 9, [[10, 10]] * 9, class_names=("a", "b"), image_size=(20, 40))
    assert not is_texture(named)


def test_marks_lie_at_their_centres_in_the_colour_of_their_verdict() -> None:
    found, true = kernels([[6, 5], [36, 14]]), kernels([[6, 5], [20, 15]])
    picture = np.asarray(draw_marks(np.zeros((20, 40)), found, true))
    for (x, y), color in (((6, 5), Mark.RIGHT), ((36, 14), Mark.FALSE), ((20, 15), Mark.MISSED)):
        rows, columns = np.nonzero((picture == color.value).all(axis=-1))
        scale = picture.shape[1] / 40
        assert (columns.mean() / scale - 0.5, rows.mean() / scale - 0.5) == pytest.approx((x, y), abs=0.1)


def test_every_patch_stands_above_what_became_of_it() -> None:
    """Twelve pairs make two rows of six."""
    sheet = np.asarray(draw_patches(rebuilt(12)))[..., 0]
    scale = sheet.shape[1] // (6 * 10 - 6)
    for index in range(12):
        row, column = divmod(index, 6)
        left, top = column * 10 * scale, row * (8 + GAP + 6) * scale
        assert sheet[top + scale, left + scale] == round(255 * index / 100)
        assert sheet[top + (4 + GAP + 1) * scale, left + scale] == round(255 * (0.5 + index / 100))


def test_without_a_patch_there_is_no_sheet() -> None:
    with pytest.raises(BoxlessError, match="make no pairs"):
        draw_patches(rebuilt(0))


def test_the_name_of_the_only_class_is_not_written_on_the_picture() -> None:
    def drawn(names: tuple[str, ...]) -> NDArray[np.uint8]:
        return np.asarray(draw_detections(np.zeros((20, 40)), Instances([[20, 10]], [[9, 9]], class_names=names)))

    assert (drawn(("kernel",)) == drawn(("another",))).all()
    assert (drawn(("kernel", "other")) != drawn(("another", "other"))).any()


def test_the_report_shows_every_step_and_the_number_of_hits() -> None:
    found, true = kernels([[6, 5], [36, 14]], size=25), kernels([[6, 5], [20, 15]], size=25)
    image = np.full((20, 40), 0.5)
    page = render_report(Report("title", examples=[Example("noise 0", image, found, true, image, rebuilt(2))]))
    for told in ("input", "detections", "synthesis", "heatmap", "patches of noise 0 and their reconstructions"):
        assert told in page
    assert "1 of 2 found, 1 where nothing is, 1 missed, RMSE 0.500" in page
    assert "within half a size of a true centre" in page
    assert "class" not in page.split("<h2>Examples")[1].replace('class="', "")


def test_an_image_in_which_nothing_is_found_is_shown_without_patches() -> None:
    image = np.zeros((20, 40))
    page = render_report(Report("title", examples=[Example("dark", image, kernels([]), None, None, rebuilt(0))]))
    assert "nothing found, RMSE 0.000" in page
    assert "sheet" not in page.split("</style>")[1]

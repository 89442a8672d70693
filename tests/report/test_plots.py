import math
import re
from xml.etree import ElementTree

import matplotlib
import numpy as np
import pytest

from boxless.errors import BoxlessError
from boxless.metrics.offsets import OffsetStatistics
from boxless.report.plots import BINS, CELLS, binned, plot_confusion, plot_curves, plot_offsets

SVG = "{http://www.w3.org/2000/svg}"


def texts(plot: bytes) -> list[str]:
    return ["".join(element.itertext()).strip() for element in ElementTree.fromstring(plot).iter(f"{SVG}text")]


def place(plot: bytes, text: str) -> tuple[float, float]:
    """Where the one text of this wording stands, x right and y down."""
    found = [one for one in ElementTree.fromstring(plot).iter(f"{SVG}text") if "".join(one.itertext()).strip() == text]
    assert len(found) == 1
    moved = re.search(r"translate\(([-\d.]+) ([-\d.]+)\)", found[0].get("transform", ""))
    if moved:
        return float(moved[1]), float(moved[2])
    return float(found[0].attrib["x"]), float(found[0].attrib["y"])


def extents(plot: bytes, prefix: str) -> list[tuple[float, float, float, float]]:
    """Least x, least y, greatest x, greatest y of the points of every path in a group of such a name."""
    boxes = []
    for group in ElementTree.fromstring(plot).iter(f"{SVG}g"):
        if group.get("id", "").startswith(prefix):
            path = next(iter(group.iter(f"{SVG}path"))).attrib["d"]
            x, y = np.array(re.findall(r"-?\d+\.?\d*", path), np.float64).reshape(-1, 2).T
            boxes.append((x.min(), y.min(), x.max(), y.max()))
    return boxes


def middle(box: tuple[float, float, float, float]) -> tuple[float, float]:
    return (box[0] + box[2]) / 2, (box[1] + box[3]) / 2


def test_rows_of_the_confusion_matrix_go_down_and_columns_to_the_right() -> None:
    plot = plot_confusion(np.array([[11, 12, 13], [21, 22, 23], [31, 32, 0]]), ["cat", "dog"])
    x, y = zip(*(place(plot, str(number)) for number in (11, 12, 13, 21, 31)), strict=True)
    assert x[0] == x[3] == x[4] < x[1] < x[2]
    assert y[0] == y[1] == y[2] < y[3] < y[4]


def test_the_confusion_matrix_names_classes_the_missed_and_no_object_and_leaves_zeros_out() -> None:
    written = texts(plot_confusion(np.array([[11, 12, 13], [21, 22, 23], [31, 32, 0]]), ["cat", "dog"]))
    assert sorted(written) == sorted(
        [*"11 12 13 21 22 23 31 32 cat cat dog dog missed true predicted".split(), "no object"]  # noqa: SIM905
    )


def test_many_classes_make_a_plot_without_numbers_and_of_a_bearable_size() -> None:
    classes = 80
    plot = plot_confusion(np.full((classes + 1, classes + 1), 987), [f"class {label}" for label in range(classes)])
    assert "987" not in texts(plot)
    assert len(plot) < 300_000


def test_names_that_do_not_fit_the_confusion_matrix_are_refused() -> None:
    with pytest.raises(BoxlessError, match="2 class names need"):
        plot_confusion(np.zeros((2, 2), int), ["cat", "dog"])


def test_names_with_dollars_markup_or_control_characters_are_written_as_they_are() -> None:
    names = [r"a$\frac$b", "<b>&\"'", "x\x00\ny"]
    assert {r"a$\frac$b", "<b>&\"'", "x  y"} <= set(texts(plot_confusion(np.eye(4, dtype=int), names)))


def test_a_loss_over_decades_is_drawn_on_a_logarithmic_scale_and_another_is_not() -> None:
    steps = np.arange(100)
    decades = texts(plot_curves({"loss": (steps, 10 ** np.linspace(-3, 3, 100))}))
    assert {"0.01", "1", "100"} <= set(decades)
    level = texts(plot_curves({"loss": (steps, np.linspace(-1, 1000, 100))}))
    assert "400" in level


def test_lines_are_named_where_there_are_several() -> None:
    curve = ([0, 1], [1.0, 2.0])
    assert {"train/loss", "val/loss"} <= set(texts(plot_curves({"train/loss": curve, "val/loss": curve})))
    assert "train/loss" not in texts(plot_curves({"train/loss": curve}))


@pytest.mark.parametrize("curve", [([], []), ([5], [1.0]), ([0, 1], [math.nan, math.inf])])
def test_a_curve_of_no_or_one_finite_value_is_drawn_too(curve: tuple[list[float], list[float]]) -> None:
    assert "step" in texts(plot_curves({"loss": curve}))


def test_steps_and_values_of_different_number_are_refused() -> None:
    with pytest.raises(BoxlessError, match="the curve 'loss'"):
        plot_curves({"loss": ([0, 1, 2], [1.0])})


def test_a_long_curve_is_told_by_the_mean_and_the_band_of_equal_runs() -> None:
    values = np.random.default_rng(0).normal(size=20 * BINS)
    steps, mean, least, highest = binned(np.arange(20.0 * BINS), values)
    runs = values.reshape(BINS, 20)
    np.testing.assert_allclose(steps, np.arange(BINS) * 20 + 9.5)
    np.testing.assert_allclose(mean, runs.mean(axis=1), atol=1e-12)
    np.testing.assert_array_equal([least, highest], [runs.min(axis=1), runs.max(axis=1)])


def test_a_short_curve_keeps_every_point() -> None:
    steps, values = np.array([0.0, 10.0, 30.0]), np.array([3.0, 1.0, 2.0])
    for told, true in zip(binned(steps, values), (steps, values, values, values), strict=True):
        np.testing.assert_array_equal(told, true)


def test_the_ellipse_of_an_offset_lies_at_its_mean_with_its_spread_x_right_and_y_down() -> None:
    plot = plot_offsets(OffsetStatistics((1.0, 2.0), (0.5, 1.5), 2.0, 10))
    horizontal, vertical = extents(plot, "line2d")[:2]
    origin = middle(vertical)
    pixels = (horizontal[2] - horizontal[0]) / 8  # the axes reach from -4 to 4, the next round number over 2 + 1.5
    patches = extents(plot, "patch")
    ellipse = next(one for one in patches if patches.count(one) == 2)  # the ellipse alone is drawn filled and as a line
    x, y = middle(ellipse)
    assert ((x - origin[0]) / pixels, (y - origin[1]) / pixels) == pytest.approx((1, 2), abs=0.02)
    size = (ellipse[2] - ellipse[0]) / pixels, (ellipse[3] - ellipse[1]) / pixels
    assert size == pytest.approx((1, 3), abs=0.02)
    assert "± 4 px" in texts(plot)


def test_offsets_of_classes_stand_beside_that_of_all_and_of_too_many_the_largest() -> None:
    def drift(x: float) -> OffsetStatistics:
        return OffsetStatistics((x, 0.0), (1.0, 1.0), abs(x), 5)

    few = OffsetStatistics((0.0, 0.0), (1.0, 1.0), 1.0, 10, {0: drift(0.1), 2: drift(-0.2)})
    assert [one for one in texts(plot_offsets(few, ["ant", "bee", "cat"])) if "px" not in one] == ["all", "ant", "cat"]
    many = OffsetStatistics((0.0, 0.0), (1.0, 1.0), 1.0, 10, {label: drift(label / 100) for label in range(CELLS)})
    assert {"1", str(CELLS - 1)} <= set(texts(plot_offsets(many))) - {"0"}
    assert "0" not in texts(plot_offsets(many))


def test_no_pair_has_no_offset_to_draw() -> None:
    nan = (math.nan, math.nan)
    with pytest.raises(BoxlessError, match="no prediction"):
        plot_offsets(OffsetStatistics(nan, nan, math.nan, 0))


def test_plots_repeat_to_the_byte_and_leave_matplotlibs_settings_alone() -> None:
    before = dict(matplotlib.rcParams)
    curve = {"loss": ([0, 1, 2], [3.0, 2.0, 1.0])}
    assert plot_curves(curve) == plot_curves(curve) != plot_curves(curve, dark=True)
    assert dict(matplotlib.rcParams) == before

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from boxless.data.crops import Rectangle, cut, cut_instances, resized, visible_shares, with_shorter_edge
from boxless.instances import Instances


def numbered(height: int, width: int) -> torch.Tensor:
    """(1, H, W) pixels whose value is 10 · row + column."""
    return (10 * torch.arange(height).view(-1, 1) + torch.arange(width)).float().unsqueeze(0)


def boxed(*boxes: tuple[float, float, float, float]) -> Instances:
    """Objects by left, top, width and height in the frame of the corner, of the classes 0, 1, ..."""
    rows = np.array(boxes, float).reshape(-1, 4)
    return Instances(rows[:, :2] + rows[:, 2:] / 2 - 0.5, rows[:, 2:], labels=range(len(rows)), image_size=(6, 9))


def test_cut_takes_columns_from_left_and_rows_from_top() -> None:
    assert cut(numbered(4, 9), Rectangle(left=5, top=1, width=3, height=2))[0].tolist() == [[15, 16, 17], [25, 26, 27]]


def test_cut_goes_on_with_the_border_s_pixels() -> None:
    found = cut(numbered(2, 3), Rectangle(left=-2, top=1, width=6, height=3))[0]
    assert found.tolist() == [[10, 10, 10, 11, 12, 12]] * 3


def test_a_box_moves_with_its_pixels() -> None:
    """The box of the pixel in column 6, row 2 is that of column 1, row 1 in the crop from (5, 1) on."""
    found = cut_instances(boxed((6, 2, 1, 1)), Rectangle(left=5, top=1, width=3, height=2))
    assert found.centers.tolist() == [[1, 1]]
    assert found.sizes.tolist() == [[1, 1]]
    assert found.image_size == (2, 3)


def test_an_object_stays_with_half_of_its_area_and_is_cut_at_the_border() -> None:
    """Columns 2 to 5 of an object of columns 0 to 5, 4 of 6; of another of 1 of 4; and just half of a third."""
    truth = boxed((0, 1, 6, 2), (0, 1, 3, 2), (1, 1, 2, 2))
    found = cut_instances(truth, Rectangle(left=2, top=0, width=7, height=6))
    assert found.labels.tolist() == [0, 2]
    assert found.boxes.tolist() == [[-0.5, 0.5, 3.5, 2.5], [-0.5, 0.5, 0.5, 2.5]]


def test_a_box_without_area_stays_where_its_point_is_inside() -> None:
    truth = Instances([(3, 3), (8, 3)], [(0, 0), (0, 0)])
    assert visible_shares(truth, Rectangle(2, 2, 3, 3)).tolist() == [1, 0]


whole_boxes = st.tuples(st.integers(-2, 10), st.integers(-2, 7), st.integers(1, 8), st.integers(1, 8))
rectangles = st.builds(Rectangle, st.integers(-3, 8), st.integers(-3, 5), st.integers(1, 9), st.integers(1, 9))


@given(st.lists(whole_boxes, min_size=1, max_size=4), rectangles)
def test_visible_shares_count_the_pixels_that_are_in_both(
    boxes: list[tuple[int, int, int, int]], rectangle: Rectangle
) -> None:
    def pixels(left: int, top: int, width: int, height: int) -> set[tuple[int, int]]:
        return {(x, y) for x in range(left, left + width) for y in range(top, top + height)}

    inside = pixels(rectangle.left, rectangle.top, rectangle.width, rectangle.height)
    expected = [len(pixels(*box) & inside) / len(pixels(*box)) for box in boxes]
    np.testing.assert_allclose(visible_shares(boxed(*boxes), rectangle), expected, atol=1e-6)


def test_resized_objects_stay_on_their_pixels() -> None:
    """A bright block of a non-square image, enlarged 3 times across and 2 times down, is where its box says."""
    image = torch.zeros(1, 6, 9)
    image[0, 1:3, 4:8] = 1
    larger, truth = resized(image, boxed((4, 1, 4, 2)), (12, 27))
    left, top, right, bottom = (truth.boxes[0] + 0.5).tolist()
    assert [left, top, right, bottom] == [12, 2, 24, 6]
    rows, columns = (torch.arange(length, dtype=torch.float32) for length in (12, 27))
    weight = larger[0] / larger.sum()
    assert (weight.sum(0) @ columns).item() == pytest.approx((left + right) / 2 - 0.5, abs=1e-4)
    assert (weight.sum(1) @ rows).item() == pytest.approx((top + bottom) / 2 - 0.5, abs=1e-4)
    assert truth.image_size == (12, 27)


@pytest.mark.parametrize(
    ("size", "expected"), [((100, 200), (224, 448)), ((333, 500), (224, 336)), ((500, 333), (336, 224))]
)
def test_the_shorter_edge(size: tuple[int, int], expected: tuple[int, int]) -> None:
    assert with_shorter_edge(*size, edge=224) == expected


def test_an_empty_rectangle() -> None:
    with pytest.raises(ValueError, match="at least one pixel, not 0×3"):
        cut(numbered(2, 2), Rectangle(0, 0, 0, 3))

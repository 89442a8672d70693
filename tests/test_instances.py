import subprocess
import sys

import numpy as np
import pytest

from boxless.errors import BoxlessError
from boxless.instances import Instances

# A non-square image, and two boxes that differ in x and y, width and height.
HEIGHT, WIDTH = 50, 200


@pytest.fixture
def two() -> Instances:
    return Instances(
        centers=[[30.5, 10.0], [99.5, 24.5]],
        sizes=[[20, 10], [200, 50]],
        scores=[0.25, 0.75],
        labels=[2, 0],
        class_names=("ant", "bee", "cat"),
        image_size=(HEIGHT, WIDTH),
    )


def test_scores_default_to_one_and_labels_to_zero() -> None:
    instances = Instances(centers=[[1, 2], [3, 4]], sizes=[[5, 6], [7, 8]])
    assert instances.scores.tolist() == [1, 1]
    assert instances.labels.tolist() == [0, 0]


def test_everything_is_held_in_the_stated_dtypes() -> None:
    instances = Instances(
        centers=np.zeros((1, 2)),
        sizes=np.ones((1, 2), np.int32),
        scores=np.ones(1, np.float64),
        labels=np.ones(1, np.uint8),
        descriptors=np.ones((1, 3)),
        masks=np.ones((1, 2, 2), np.uint8),
    )
    assert instances.descriptors is not None
    assert instances.masks is not None
    floats = (instances.centers, instances.sizes, instances.scores, instances.descriptors)
    assert {array.dtype for array in floats} == {np.dtype(np.float32)}
    assert instances.labels.dtype == np.int64
    assert instances.masks.dtype == np.bool_


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"centers": [[1, 2, 3]], "sizes": [[1, 1]]}, "centers"),
        ({"centers": [[1, np.nan]], "sizes": [[1, 1]]}, "finite"),
        ({"centers": [[1, 2]], "sizes": [[1, 1], [1, 1]]}, "sizes"),
        ({"centers": [[1, 2]], "sizes": [[1, -1]]}, "negative"),
        ({"centers": [[1, 2]], "sizes": [[1, 1]], "scores": [1.5]}, "scores"),
        ({"centers": [[1, 2]], "sizes": [[1, 1]], "scores": [0.5, 0.5]}, "scores"),
        ({"centers": [[1, 2]], "sizes": [[1, 1]], "labels": [-1]}, "from 0"),
        ({"centers": [[1, 2]], "sizes": [[1, 1]], "labels": [0.5]}, "integers"),
        ({"centers": [[1, 2]], "sizes": [[1, 1]], "labels": [2], "class_names": ("a", "b")}, "no name"),
        ({"centers": [[1, 2]], "sizes": [[1, 1]], "image_size": (0, 5)}, "image_size"),
        ({"centers": [[1, 2]], "sizes": [[1, 1]], "descriptors": np.zeros((2, 3))}, "descriptors"),
        ({"centers": [[1, 2]], "sizes": [[1, 1]], "masks": np.full((1, 3, 2), 0.2)}, "masks > 0.5"),
        (
            {"centers": [[1, 2]], "sizes": [[1, 1]], "image_size": (2, 3), "masks": np.ones((1, 3, 2))},
            "masks",
        ),
    ],
)
def test_what_is_wrong_is_said_in_one_line(wrong: dict[str, object], says: str) -> None:
    with pytest.raises(BoxlessError, match=says) as caught:
        Instances(**wrong)  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)


def test_a_score_over_one_by_rounding_becomes_one() -> None:
    assert Instances([[0, 0]], [[1, 1]], scores=[1 + 1e-6]).scores.tolist() == [1]


def test_empty_lists_make_no_instances() -> None:
    empty = Instances(centers=[], sizes=[], scores=[], labels=[], image_size=(4, 5))
    assert len(empty) == 0
    assert empty.counts() == {}
    assert empty.to_coco(image_id=1) == []
    assert empty.to_rows("a.png") == []
    assert empty.to_label_studio()["result"] == []
    assert empty.boxes.shape == (0, 4)


def test_boxes_are_half_the_size_around_the_centre(two: Instances) -> None:
    assert two.boxes.tolist() == [[20.5, 5, 40.5, 15], [-0.5, -0.5, 199.5, 49.5]]


@pytest.mark.parametrize(
    ("index", "kept"),
    [
        (1, [1]),
        (-1, [3]),
        (slice(1, 3), [1, 2]),
        (np.array([True, False, False, True]), [0, 3]),
        ([True, False, True, False], [0, 2]),
        (np.array([2, 0, 2]), [2, 0, 2]),
        ([], []),
    ],
)
def test_indexing_keeps_the_same_rows_of_every_array(index: object, kept: list[int]) -> None:
    rng = np.random.default_rng(0)
    whole = Instances(
        centers=rng.random((4, 2)),
        sizes=rng.random((4, 2)),
        scores=rng.random(4),
        labels=rng.integers(3, size=4),
        class_names=("a", "b", "c"),
        image_size=(2, 3),
        descriptors=rng.random((4, 5)),
        masks=rng.random((4, 2, 3)) > 0.5,
    )
    part = whole[index]  # type: ignore[index]
    for field in ("centers", "sizes", "scores", "labels", "descriptors", "masks"):
        np.testing.assert_array_equal(getattr(part, field), getattr(whole, field)[kept])
    assert part.class_names == whole.class_names
    assert part.image_size == whole.image_size


def test_an_index_past_the_end_is_an_index_error(two: Instances) -> None:
    with pytest.raises(IndexError):
        two[2]


def test_iteration_gives_each_instance_in_turn(two: Instances) -> None:
    assert [one.scores.tolist() for one in two] == [[0.25], [0.75]]


def test_above_keeps_the_score_itself(two: Instances) -> None:
    assert two.above(0.75).scores.tolist() == [0.75]
    assert len(two.above(0.76)) == 0
    with pytest.raises(BoxlessError, match=r"score is a number in .*, not 'auto'"):
        two.above("auto")  # type: ignore[arg-type]


def test_of_class_takes_an_id_or_a_name(two: Instances) -> None:
    assert two.of_class(2).scores.tolist() == two.of_class("cat").scores.tolist() == [0.25]
    assert len(two.of_class("bee")) == 0


def test_of_class_names_the_classes_it_knows(two: Instances) -> None:
    with pytest.raises(BoxlessError, match="ant, bee, cat"):
        two.of_class("dog")


def test_sorted_by_score_is_descending_and_keeps_ties_in_order() -> None:
    # Long enough that a sort which is not stable does shuffle equal scores.
    many = Instances(np.zeros((200, 2)), np.ones((200, 2)), scores=[0.1, 0.9] * 100, labels=np.arange(200))
    assert many.sorted_by_score().labels.tolist() == [*range(1, 200, 2), *range(0, 200, 2)]


def test_counts_go_by_name_and_leave_absent_classes_out() -> None:
    instances = Instances(np.zeros((3, 2)), np.ones((3, 2)), labels=[2, 0, 2], class_names=("ant", "bee", "cat"))
    assert instances.counts() == {"ant": 1, "cat": 2}


def test_counts_go_by_id_without_names() -> None:
    assert Instances(np.zeros((3, 2)), np.ones((3, 2)), labels=[7, 0, 7]).counts() == {"0": 1, "7": 2}


def test_coco_boxes_start_at_the_corner_of_the_top_left_pixel(two: Instances) -> None:
    first, second = two.to_coco(image_id=4, first_id=11)
    assert first == {
        "id": 11,
        "image_id": 4,
        "category_id": 2,
        "bbox": [21.0, 5.5, 20.0, 10.0],
        "area": 200.0,
        "score": 0.25,
        "iscrowd": 0,
    }
    assert second["bbox"] == [0, 0, WIDTH, HEIGHT]
    assert second["id"] == 12


def test_coco_has_masks_as_run_lengths_and_their_pixels_as_area() -> None:
    masks = np.zeros((2, 3, 5), bool)
    masks[1, 1:, 2] = True
    empty, there = Instances([[1, 1], [2, 1]], [[2, 2], [3, 3]], masks=masks).to_coco(image_id=1)
    assert (empty["segmentation"], empty["area"]) == ({"size": [3, 5], "counts": [15]}, 0)
    assert (there["segmentation"], there["area"]) == ({"size": [3, 5], "counts": [7, 2, 6]}, 2)
    assert there["bbox"] == [1.0, 0.0, 3.0, 3.0]


def test_coco_numbers_have_no_digits_that_float32_does_not_hold() -> None:
    annotation = Instances([[8.1, 3]], [[0.2, 0.2]], scores=[0.7]).to_coco(image_id=1)[0]
    assert annotation["bbox"] == [8.5, 3.4, 0.2, 0.2]
    assert annotation["score"] == 0.7


def test_rows_hold_the_centre_in_our_own_frame(two: Instances) -> None:
    assert two.to_rows("a.png")[0] == {
        "file_name": "a.png",
        "label": 2,
        "name": "cat",
        "score": 0.25,
        "x": 30.5,
        "y": 10.0,
        "width": 20.0,
        "height": 10.0,
    }


def test_label_studio_is_in_percent_of_its_own_axis(two: Instances) -> None:
    prediction = two.to_label_studio(from_name="box", to_name="picture")
    first, second = prediction["result"]
    assert first["value"] == {
        "x": 10.5,
        "y": 11.0,
        "width": 10.0,
        "height": 20.0,
        "rotation": 0,
        "rectanglelabels": ["cat"],
    }
    assert [second["value"][key] for key in ("x", "y", "width", "height")] == [0, 0, 100, 100]
    assert (first["original_width"], first["original_height"]) == (WIDTH, HEIGHT)
    assert (first["from_name"], first["to_name"], first["type"]) == ("box", "picture", "rectanglelabels")
    assert prediction["score"] == 0.5


def test_label_studio_asks_for_the_image_size() -> None:
    with pytest.raises(BoxlessError, match="image_size"):
        Instances([[0, 0]], [[1, 1]]).to_label_studio()


@pytest.mark.filterwarnings("ignore:OpenCV")
def test_supervision_boxes_start_at_the_corner_of_the_top_left_pixel(two: Instances) -> None:
    pytest.importorskip("supervision")
    masked = Instances(two.centers, two.sizes, two.scores, two.labels, two.class_names, masks=np.ones((2, 5, 7)))
    detections = masked.to_supervision()
    assert detections.xyxy.tolist() == [[21, 5.5, 41, 15.5], [0, 0, WIDTH, HEIGHT]]
    assert detections.confidence is not None
    assert detections.confidence.tolist() == [0.25, 0.75]
    assert detections.class_id is not None
    assert detections.class_id.tolist() == [2, 0]
    assert list(detections.data["class_name"]) == ["cat", "ant"]
    assert np.asarray(detections.mask).shape == (2, 5, 7)


@pytest.mark.filterwarnings("ignore:OpenCV")
def test_supervision_takes_no_instances() -> None:
    pytest.importorskip("supervision")
    assert len(Instances([], []).to_supervision()) == 0


def test_missing_supervision_is_said_in_one_line(two: Instances, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "supervision", None)
    with pytest.raises(BoxlessError, match=r"pip install boxless\[supervision\]"):
        two.to_supervision()


def test_importing_it_does_not_import_torch() -> None:
    code = "import sys, boxless.instances; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0

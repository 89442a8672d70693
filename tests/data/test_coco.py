import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from boxless.data.coco import find_coco, read_coco, write_coco
from boxless.errors import BoxlessError
from boxless.instances import Instances


def document(**changes: Any) -> dict[str, Any]:
    """Two images, one of them empty, and categories whose ids have gaps and no order."""
    return {
        "images": [
            {"id": 70, "file_name": "b.png", "width": 90, "height": 40},
            {"id": 3, "file_name": "a.png", "width": 20, "height": 30},
        ],
        "categories": [{"id": 18, "name": "dog"}, {"id": 4, "name": "cat"}],
        "annotations": [
            {"id": 1, "image_id": 70, "category_id": 18, "bbox": [60, 5, 20, 10], "iscrowd": 0},
            {"id": 2, "image_id": 70, "category_id": 4, "bbox": [0, 0, 1, 1]},
        ],
    } | changes


def written(path: Path, content: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


class TestRead:
    def test_centres_are_half_a_pixel_less_and_x_comes_first(self, tmp_path: Path) -> None:
        """COCO's box [0, 0, 1, 1] is the first pixel, whose centre is (0, 0) here; 60 + 20 / 2 - 0.5 = 69.5."""
        (_, found), _ = read_coco(written(tmp_path / "coco.json", document())).images
        assert found.centers.tolist() == [[69.5, 9.5], [0, 0]]
        assert found.sizes.tolist() == [[20, 10], [1, 1]]
        assert found.image_size == (40, 90)

    def test_class_ids_count_from_0_in_the_order_of_category_ids(self, tmp_path: Path) -> None:
        coco = read_coco(written(tmp_path / "coco.json", document()))
        assert coco.class_names == ("cat", "dog")
        assert coco.images[0][1].labels.tolist() == [1, 0]

    def test_an_image_without_annotations_is_there_and_empty(self, tmp_path: Path) -> None:
        coco = read_coco(written(tmp_path / "coco.json", document()))
        assert [(name, len(found)) for name, found in coco.images] == [("b.png", 2), ("a.png", 0)]

    def test_crowds_are_passed_over(self, tmp_path: Path) -> None:
        content = document()
        content["annotations"][0]["iscrowd"] = 1
        assert read_coco(written(tmp_path / "coco.json", content)).images[0][1].names == ["cat"]

    def test_all_bad_entries_are_named_at_once(self, tmp_path: Path) -> None:
        content = document(
            images=[*document()["images"], {"id": 70, "file_name": "c.png"}, {"id": 71}],
            annotations=[
                {"image_id": 70, "category_id": 5, "bbox": [0, 0, 1, 1]},
                {"image_id": 71, "category_id": 4, "bbox": [0, 0, 1, 1]},
                {"image_id": 70, "category_id": 4, "bbox": [0, 0, -1, 1]},
                {"image_id": 70, "category_id": 4, "bbox": [0, 0, 1]},
                {"image_id": 70, "category_id": 4, "bbox": [0, float("nan"), 1, 1]},
                {"image_id": 70, "category_id": 4, "bbox": [0, 10**400, 1, 1]},
                {"image_id": [70], "category_id": 4},
                "words",
                {"image_id": 70, "category_id": 4, "bbox": [0, 0, 1, 1]},
            ],
        )
        with pytest.raises(BoxlessError) as error:
            read_coco(written(tmp_path / "coco.json", content))
        first, *rest = str(error.value).splitlines()
        assert "coco.json has 10 bad rows" in first
        places = [line.split(":")[0].strip() for line in rest]
        assert places == ["images entry 3", "images entry 4", *(f"annotation {number}" for number in range(1, 9))]

    def test_bad_image_size(self, tmp_path: Path) -> None:
        content = document(images=[{"id": 70, "file_name": "b.png", "width": 90, "height": "tall"}], annotations=[])
        with pytest.raises(BoxlessError, match=r"image b\.png: its height and width"):
            read_coco(written(tmp_path / "coco.json", content))

    @pytest.mark.parametrize("content", [b"{", b"\xff\xfe\x00", b"[" * 100_000])
    def test_no_json(self, tmp_path: Path, content: bytes) -> None:
        path = tmp_path / "coco.json"
        path.write_bytes(content)
        with pytest.raises(BoxlessError, match="is no JSON"):
            read_coco(path)

    def test_other_json(self, tmp_path: Path) -> None:
        with pytest.raises(BoxlessError, match="is no COCO file"):
            read_coco(written(tmp_path / "coco.json", {"images": []}))


class TestFind:
    @pytest.mark.parametrize("place", ["boxes.json", "annotations/boxes.json"])
    def test_the_coco_file_is_told_from_other_json(self, tmp_path: Path, place: str) -> None:
        written(tmp_path / "a.json", {"seed": 1})
        written(tmp_path / "annotations/b.json", [1, 2])
        written(tmp_path / place, document())
        found = find_coco(tmp_path)
        assert found is not None
        assert found.path == tmp_path / place

    def test_none(self, tmp_path: Path) -> None:
        written(tmp_path / "a.json", {"seed": 1})
        assert find_coco(tmp_path) is None

    def test_two_are_named(self, tmp_path: Path) -> None:
        written(tmp_path / "train.json", document())
        written(tmp_path / "annotations/val.json", document())
        with pytest.raises(BoxlessError, match=r"annotations.val\.json and train\.json"):
            find_coco(tmp_path)


class TestWrite:
    names = ("cat", "dog")

    def instances(self) -> Instances:
        return Instances(
            [[69.5, 9.5], [0, 0]], [[20, 10], [1, 1]], scores=[0.9, 0.2], labels=[1, 0], class_names=self.names,
            image_size=(40, 90),
        )  # fmt: skip

    def test_boxes_are_from_the_corner_and_ids_belong_together(self, tmp_path: Path) -> None:
        empty = Instances([], [], class_names=self.names, image_size=(5, 6))
        write_coco(tmp_path / "found.json", [("empty.png", empty), ("b.png", self.instances())])
        content = json.loads((tmp_path / "found.json").read_text(encoding="utf-8"))
        assert content["images"] == [
            {"id": 1, "file_name": "empty.png", "width": 6, "height": 5},
            {"id": 2, "file_name": "b.png", "width": 90, "height": 40},
        ]
        assert content["categories"] == [{"id": 0, "name": "cat"}, {"id": 1, "name": "dog"}]
        assert [entry["bbox"] for entry in content["annotations"]] == [[60, 5, 20, 10], [0, 0, 1, 1]]
        assert [entry["category_id"] for entry in content["annotations"]] == [1, 0]
        assert [entry["image_id"] for entry in content["annotations"]] == [2, 2]

    def test_annotation_ids_are_unique_over_images(self, tmp_path: Path) -> None:
        write_coco(tmp_path / "found.json", [("a.png", self.instances()), ("b.png", self.instances())])
        content = json.loads((tmp_path / "found.json").read_text(encoding="utf-8"))
        assert [entry["id"] for entry in content["annotations"]] == [1, 2, 3, 4]

    def test_what_is_written_is_read_again(self, tmp_path: Path) -> None:
        before = self.instances()
        write_coco(tmp_path / "found.json", [("b.png", before)])
        ((name, after),) = read_coco(tmp_path / "found.json").images
        assert name == "b.png"
        np.testing.assert_array_equal(after.boxes, before.boxes)
        assert (after.names, after.image_size) == (["dog", "cat"], (40, 90))

    def test_classes_without_names_are_named_by_their_ids(self, tmp_path: Path) -> None:
        write_coco(tmp_path / "found.json", [("a.png", Instances([[1, 1]], [[2, 2]], labels=[2], image_size=(4, 4)))])
        assert read_coco(tmp_path / "found.json").class_names == ("0", "1", "2")

    @pytest.mark.parametrize(
        ("images", "reason"),
        [
            ([("a.png", Instances([], [], image_size=(1, 1)))] * 2, "a.png is given twice"),
            ([("a.png", Instances([], []))], "a.png has no image_size"),
            (
                [(f"{name}.png", Instances([], [], image_size=(1, 1), class_names=(name,))) for name in ("x", "y")],
                "must agree in their class names",
            ),
        ],
    )
    def test_what_cannot_be_written_leaves_no_file(
        self, tmp_path: Path, images: list[tuple[str, Instances]], reason: str
    ) -> None:
        with pytest.raises(BoxlessError, match=reason):
            write_coco(tmp_path / "found.json", images)
        assert list(tmp_path.iterdir()) == []


def test_corners_in_place_of_sizes_and_shares_in_place_of_pixels_are_named(tmp_path: Path) -> None:
    """Which people do mistake; where no size of an image is given, nothing is known of the first."""
    image = {"id": 1, "file_name": "a.png", "width": 40, "height": 20}
    document = {"images": [image], "categories": [{"id": 1, "name": "a"}]}
    path = tmp_path / "coco.json"

    def written(*boxes: list[float]) -> Path:
        annotations = [{"image_id": 1, "category_id": 1, "bbox": box} for box in boxes]
        path.write_text(json.dumps(document | {"annotations": annotations}))
        return tmp_path

    with pytest.raises(
        BoxlessError, match=r"annotation 2: its bbox \[30, 5, 36, 9\] lies outside of its image of 40×20"
    ):
        find_coco(written([1, 2, 5, 6], [30, 5, 36, 9]))
    with pytest.raises(BoxlessError, match="are shares of its images"):
        find_coco(written([0.1, 0.2, 0.5, 0.25], [0, 0, 1, 1]))
    for boxes in ([[0, 0, 1, 1]], [[0.1, 0.2, 0.5, 0.25], [3, 3, 2, 2]], [[-3, -3, 8, 8]], []):
        assert find_coco(written(*boxes)) is not None
    del image["width"], image["height"]
    assert find_coco(written([30, 5, 36, 9])) is not None

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.data.voc_files import annotation, entry

from boxless.data.folder import Folder, LabelledImage, read_folder
from boxless.data.prepared import write_folder
from boxless.data.voc import VOC_CLASSES, read_voc
from boxless.data.voc_coco import (
    NAMES_IN_COCO,
    cropped,
    parted,
    read_coco_set,
    suitable_images,
    with_voc_classes,
    write_released_voc_coco,
)
from boxless.errors import BoxlessError
from boxless.instances import Instances

Object = tuple[str, float, float, float, float]


def coco(root: Path, images: dict[str, list[Object]], size: tuple[int, int] = (100, 60)) -> Folder:
    """COCO as it is released: a JSON file in annotations, and black JPEGs of (width, height) in val2017."""
    for folder in ("annotations", "val2017"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    names = sorted({name for objects in images.values() for name, *_ in objects} | {"person"})
    document = {
        "images": [
            {"id": place, "file_name": name, "width": size[0], "height": size[1]} for place, name in enumerate(images)
        ],
        "annotations": [
            {"id": 9, "image_id": place, "category_id": names.index(name), "bbox": bbox, "iscrowd": 0}
            for place, objects in enumerate(images.values())
            for name, *bbox in objects
        ],
        "categories": [{"id": number, "name": name} for number, name in enumerate(names)],
    }
    (root / "annotations" / "instances_val2017.json").write_text(json.dumps(document))
    for name in images:
        Image.fromarray(np.zeros((size[1], size[0], 3), np.uint8)).save(root / "val2017" / name)
    return read_coco_set(root / "annotations" / "instances_val2017.json", root / "val2017")


def test_coco_as_released_gives_boxes_in_our_frame(tmp_path: Path) -> None:
    (image,) = coco(tmp_path, {"000000000139.jpg": [("tv", 0, 0, 1, 1), ("chair", 10, 5, 4, 6)]}).images
    assert image.path == tmp_path / "val2017" / "000000000139.jpg"
    assert image.truth is not None
    assert image.truth.centers.tolist() == [[0, 0], [11.5, 7.5]]


def test_missing_images_of_coco_are_all_named(tmp_path: Path) -> None:
    coco(tmp_path, {"a.jpg": [], "b.jpg": [], "c.jpg": []})
    for name in ("a.jpg", "c.jpg"):
        (tmp_path / "val2017" / name).unlink()
    with pytest.raises(BoxlessError, match="has 2 bad rows"):
        read_coco_set(tmp_path / "annotations" / "instances_val2017.json", tmp_path / "val2017")


def test_a_missing_coco_says_where_it_is_had_and_its_licence(tmp_path: Path) -> None:
    with pytest.raises(BoxlessError, match=r"cocodataset\.org .*CC BY 4\.0"):
        read_coco_set(tmp_path / "instances_val2017.json", tmp_path)


class TestClasses:
    def test_every_class_of_voc_has_a_name_in_coco(self) -> None:
        theirs = (
            "airplane,bicycle,bird,boat,bottle,bus,car,cat,chair,cow,dining table,dog,horse,motorcycle,person,"
            "potted plant,sheep,couch,train,tv"
        )
        assert [NAMES_IN_COCO.get(name, name) for name in VOC_CLASSES] == theirs.split(",")

    def test_objects_of_other_classes_go_and_the_rest_gets_ids_of_voc(self, tmp_path: Path) -> None:
        folder = with_voc_classes(
            coco(tmp_path, {"a.jpg": [("tv", 0, 0, 5, 5), ("zebra", 0, 0, 9, 9), ("airplane", 1, 1, 2, 2)]})
        )
        assert folder.class_names == VOC_CLASSES
        assert folder.images[0].labels == (0, 19)
        assert folder.images[0].truth is not None
        assert folder.images[0].truth.names == ["tvmonitor", "aeroplane"]
        assert folder.images[0].truth.sizes.tolist() == [[5, 5], [2, 2]]

    def test_images_without_any_of_the_twenty_go(self, tmp_path: Path) -> None:
        folder = coco(tmp_path, {"a.jpg": [("zebra", 0, 0, 9, 9)], "b.jpg": [], "c.jpg": [("cat", 0, 0, 9, 9)]})
        assert [image.path.name for image in with_voc_classes(folder).images] == ["c.jpg"]


def test_the_images_of_both_sets_that_are_suitable(tmp_path: Path) -> None:
    """Of other classes an object may be as large as it likes."""
    annotation(tmp_path / "voc", "000005", entry("cat", ("1", "1", "20", "20")), size=(100, 60))
    annotation(tmp_path / "voc", "000007", entry("cat", ("1", "1", "90", "50")), size=(100, 60))
    both = {
        "voc2007": read_voc(tmp_path / "voc", None),
        "coco": coco(
            tmp_path, {"7.jpg": [("dog", 5, 5, 9, 9), ("zebra", 0, 0, 90, 50)], "8.jpg": [("dog", 5, 5, 9, 19)]}
        ),
    }
    assert list(suitable_images(both)) == ["voc2007-000005", "coco-7"]


def test_an_image_of_unknown_size(tmp_path: Path) -> None:
    image = LabelledImage(tmp_path / "a.jpg", (7,), Instances([(5, 5)], [(3, 3)], class_names=("cat",)))
    with pytest.raises(BoxlessError, match=r"size of .*a\.jpg is not known"):
        suitable_images({"voc": Folder(tmp_path, ("cat",), [image])})


class TestParts:
    def test_the_paper_s_numbers(self) -> None:
        parts = parted([f"image{number}" for number in range(9780)], seed=0)
        assert {part: len(names) for part, names in parts.items()} == {"train": 7816, "validation": 987, "test": 977}
        assert len(set().union(*parts.values())) == 9780

    def test_neither_order_nor_a_few_images_more_matter(self) -> None:
        names = [f"image{number}" for number in range(300)]
        test = set(parted(names, seed=0)["test"])
        assert set(parted(names[::-1], seed=0)["test"]) == test
        assert len(test - set(parted([*names, "another"], seed=0)["test"])) <= 1
        assert set(parted(names, seed=1)["test"]) != test


class TestCrops:
    def test_objects_are_where_their_boxes_are(self, tmp_path: Path) -> None:
        """A bright square in a dark image that is not square, found again in the crop by its light."""
        folder = coco(tmp_path, {"a.png": [("cat", 40, 20, 16, 12)]})
        pixels = np.zeros((60, 100, 3), np.uint8)
        pixels[20:32, 40:56] = 255
        Image.fromarray(pixels).save(tmp_path / "val2017" / "a.png")
        ((_, crop, truth),) = cropped(suitable_images({"coco": folder}), seed=0)
        assert min(crop.shape[1:]) == 224
        left, top, right, bottom = (truth.boxes[0] + 0.5).tolist()
        assert (right - left) * (bottom - top) / (crop.shape[1] * crop.shape[2]) == pytest.approx(0.3, abs=0.02)
        grey = crop.mean(0).numpy()
        rows, columns = np.indices(grey.shape)
        assert (grey * columns).sum() / grey.sum() == pytest.approx((left + right) / 2 - 0.5, abs=0.1)
        assert (grey * rows).sum() / grey.sum() == pytest.approx((top + bottom) / 2 - 0.5, abs=0.1)

    def test_do_not_depend_on_other_images(self, tmp_path: Path) -> None:
        images = suitable_images({"coco": coco(tmp_path, {f"{n}.jpg": [("cat", 40, 20, 16, 12)] for n in range(3)})})
        boxes = {name: truth.boxes.tolist() for name, _, truth in cropped(images, seed=0)}
        alone = {"coco-2": images["coco-2"]}
        assert [truth.boxes.tolist() for _, _, truth in cropped(alone, seed=0)] == [boxes["coco-2"]]
        assert boxes["coco-1"] != boxes["coco-2"]


def test_the_whole_set_is_written_as_folders_like_a_user_s(tmp_path: Path) -> None:
    """From both sets as they are released."""
    annotation(tmp_path / "VOCdevkit" / "VOC2007", "000005", entry("cat", ("1", "1", "20", "20")), size=(100, 60))
    images: dict[str, list[Object]] = {f"{number}.jpg": [("couch", 40, 20, 16, 12)] for number in range(20)}
    coco(tmp_path, images)
    (tmp_path / "val2017" / "4.jpg").write_bytes(b"broken")
    counts, problems = write_released_voc_coco(tmp_path, tmp_path / "out")
    assert counts == {"train": 16, "validation": 2, "test": 2}
    assert len(problems) == 1
    assert "4.jpg" in problems[0]
    (tmp_path / "out" / "test" / "coco.json").unlink()  # as a kill leaves it
    assert write_released_voc_coco(tmp_path, tmp_path / "out")[0] == {"test": 2}
    folders = {part: read_folder(tmp_path / "out" / part) for part in counts}
    assert {part: len(folder.images) for part, folder in folders.items()} == counts
    assert {folder.class_names for folder in folders.values()} == {tuple(sorted(VOC_CLASSES))}
    names = [
        folder.class_names[label] for folder in folders.values() for image in folder.images for label in image.labels
    ]
    assert sorted(set(names)) == ["cat", "sofa"]
    assert all(min(Image.open(image.path).size) == 224 for folder in folders.values() for image in folder.images)


def test_a_folder_that_is_there_is_not_written_over(tmp_path: Path) -> None:
    (tmp_path / "coco.json").write_text("{}")
    with pytest.raises(BoxlessError, match=r"coco\.json is there already"):
        write_folder(tmp_path, [])

"""The raccoons, in small files of their format."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.data.voc_files import annotation, entry

from boxless.data.folder import check_images, read_folder
from boxless.data.raccoon import write_raccoons, write_raccoons_among_photos
from boxless.errors import BoxlessError

LINE = "{}.jpg,60,40,raccoon,11,5,30,34"


def raccoons(root: Path, train: str, test: str) -> Path:
    (root / "data").mkdir(parents=True)
    for part, names in (("train", train), ("test", test)):
        lines = ["filename,width,height,class,xmin,ymin,xmax,ymax", *map(LINE.format, names)]
        (root / "data" / f"{part}_labels.csv").write_text("\n".join(lines) + "\n")
    for name in {*train, *test}:
        boxes = [entry("raccoon", ("11", "5", "30", "34"))] * (2 if name == "b" else 1)
        annotation(root, name, *boxes, size=(60, 40))
    return root


def test_the_lists_part_the_photos_and_the_boxes_shrink_with_them(tmp_path: Path) -> None:
    source = raccoons(tmp_path / "source", "abb", "cd")  # two boxes are two lines
    assert write_raccoons(source, tmp_path / "out", edge=20) == ({"train": 2, "test": 2}, [])
    train, problems = check_images(read_folder(tmp_path / "out" / "train"))
    assert problems == []
    assert [image.path.name for image in train.images] == ["a.png", "b.png"]
    assert [len(image.labels) for image in train.images] == [1, 2]
    truth = train.images[0].truth
    assert truth is not None
    assert truth.image_size == (20, 30)
    np.testing.assert_allclose(truth.boxes[0] + 0.5, [5, 2, 15, 17])  # corners 10, 4, 30, 34 of the source, halved
    test = read_folder(tmp_path / "out" / "test")
    assert [image.path.name for image in test.images] == ["c.png", "d.png"]


def test_a_broken_photo_is_told_and_left_out(tmp_path: Path) -> None:
    source = raccoons(tmp_path / "source", "ab", "c")
    (source / "JPEGImages" / "a.jpg").write_bytes(b"no image")
    counts, problems = write_raccoons(source, tmp_path / "out")
    assert counts == {"train": 1, "test": 1}
    assert len(problems) == 1
    assert "a.jpg" in problems[0]


def test_a_part_that_is_there_stays(tmp_path: Path) -> None:
    source = raccoons(tmp_path / "source", "ab", "c")
    write_raccoons(source, tmp_path / "out")
    (tmp_path / "out" / "test" / "coco.json").unlink()
    assert write_raccoons(source, tmp_path / "out")[0] == {"test": 1}


def test_a_photo_without_annotations_is_named(tmp_path: Path) -> None:
    source = raccoons(tmp_path / "source", "ab", "c")
    (source / "Annotations" / "c.xml").unlink()
    with pytest.raises(BoxlessError, match=r"test_labels\.csv names c\.jpg, which has no annotations"):
        write_raccoons(source, tmp_path / "out")


def test_a_missing_set_says_where_it_is_had(tmp_path: Path) -> None:
    with pytest.raises(BoxlessError, match=r"github\.com/datitran/raccoon_dataset"):
        write_raccoons(tmp_path, tmp_path / "out")


def test_among_photos_there_are_some_without_to_learn_from(tmp_path: Path) -> None:
    raccoons(tmp_path / "raccoon", "ab", "c")
    others = tmp_path / "coco128" / "images"
    others.mkdir(parents=True)
    Image.new("RGB", (80, 60), (200, 10, 10)).save(others / "9.jpg")
    (others / "10.jpg").write_bytes(b"no image")
    counts, problems = write_raccoons_among_photos(tmp_path, tmp_path / "out", edge=20)
    assert counts == {"train": 3, "test": 1}
    assert len(problems) == 1
    assert "10.jpg" in problems[0]
    folder, broken = check_images(read_folder(tmp_path / "out" / "train"))
    assert broken == []
    assert {image.path.name: image.labels for image in folder.images} == {
        "a.png": (0,),
        "b.png": (0, 0),
        "without-9.png": (),
    }
    assert folder.images[2].size == (20, 27)


def test_the_photos_without_raccoons_are_asked_for(tmp_path: Path) -> None:
    raccoons(tmp_path / "raccoon", "ab", "c")
    with pytest.raises(BoxlessError, match=r"coco128/images of photos without raccoons; COCO128 is had at https://"):
        write_raccoons_among_photos(tmp_path, tmp_path / "out")

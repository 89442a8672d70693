import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from boxless.data.folder import Folder, LabelledImage, check_images, read_folder, split
from boxless.errors import BoxlessError
from boxless.exits import write
from boxless.instances import Instances


def image(path: Path, width: int = 9, height: int = 4) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(0).integers(0, 256, (height, width), dtype=np.uint8)
    Image.fromarray(noise).save(path)


def table(folder: Path, *rows: str) -> None:
    (folder / "metadata.csv").write_text("\n".join(["file_name,labels", *rows]), encoding="utf-8")


def coco(folder: Path, boxes: dict[str, list[tuple[str, list[float]]]], names: list[str], **size: int) -> None:
    """A COCO file with these boxes by file name; category ids are 10, 20, ... in the order of ``names``."""
    size = size or {"width": 9, "height": 4}
    content: dict[str, list[Any]] = {
        "images": [{"id": number, "file_name": name, **size} for number, name in enumerate(boxes)],
        "categories": [{"id": 10 * (number + 1), "name": name} for number, name in enumerate(names)],
        "annotations": [
            {"image_id": number, "category_id": 10 * (names.index(name) + 1), "bbox": bbox}
            for number, entries in enumerate(boxes.values())
            for name, bbox in entries
        ],
    }
    (folder / "coco.json").write_text(json.dumps(content), encoding="utf-8")


def labels_by_name(folder: Folder) -> dict[str, list[str]]:
    return {each.path.name: [folder.class_names[label] for label in each.labels] for each in folder.images}


class TestMetadataAlone:
    def test_labels_become_sorted_class_ids_with_repeats(self, tmp_path: Path) -> None:
        image(tmp_path / "a.png")
        image(tmp_path / "b.png")
        table(tmp_path, "a.png,7 3 7", "b.png,")
        folder = read_folder(tmp_path)
        assert folder.class_names == ("3", "7")
        assert [each.labels for each in folder.images] == [(0, 1, 1), ()]
        assert [each.truth for each in folder.images] == [None, None]

    def test_classes_are_in_natural_order(self, tmp_path: Path) -> None:
        image(tmp_path / "a.png")
        table(tmp_path, "a.png,10 9 b2 b10 a 01 1")
        assert read_folder(tmp_path).class_names == ("01", "1", "9", "10", "a", "b2", "b10")

    def test_given_classes_keep_their_order(self, tmp_path: Path) -> None:
        image(tmp_path / "a.png")
        table(tmp_path, "a.png,cat dog")
        folder = read_folder(tmp_path, class_names=["dog", "horse", "cat"])
        assert folder.class_names == ("dog", "horse", "cat")
        assert folder.images[0].labels == (0, 2)

    def test_a_class_that_only_occurs_0_times_is_a_class(self, tmp_path: Path) -> None:
        image(tmp_path / "a.png")
        table(tmp_path, "a.png,cell:2 debris:0")
        folder = read_folder(tmp_path)
        assert (folder.class_names, folder.images[0].labels) == (("cell", "debris"), (0, 0))


class TestCocoAlone:
    @pytest.mark.parametrize("place", ["a.png", "images/a.png"])
    def test_labels_are_the_classes_of_the_boxes(self, tmp_path: Path, place: str) -> None:
        image(tmp_path / place)
        coco(tmp_path, {"a.png": [("dog", [1, 2, 3, 1]), ("cat", [0, 0, 1, 1]), ("dog", [5, 0, 2, 2])]}, ["dog", "cat"])
        folder = read_folder(tmp_path)
        (found,) = folder.images
        assert found.path == tmp_path / place
        assert folder.class_names == ("cat", "dog")
        assert found.labels == (0, 1, 1)
        assert found.truth is not None
        assert found.truth.names == ["dog", "cat", "dog"]
        assert found.truth.centers.tolist() == [[2, 2], [0, 0], [5.5, 0.5]]

    def test_missing_files_are_all_named(self, tmp_path: Path) -> None:
        image(tmp_path / "b.png")
        coco(tmp_path, {"a.png": [], "b.png": [], "../c.png": []}, ["dog"])
        with pytest.raises(BoxlessError, match="has 2 bad rows") as error:
            read_folder(tmp_path)
        assert str(error.value).splitlines()[1:] == [
            "  image a.png: there is no file a.png",
            "  image ../c.png: ../c.png leads out of the folder",
        ]

    def test_unknown_classes_are_named_by_image(self, tmp_path: Path) -> None:
        image(tmp_path / "a.png")
        coco(tmp_path, {"a.png": [("dog", [0, 0, 1, 1])]}, ["dog", "unused"])
        with pytest.raises(BoxlessError, match=r"image a\.png: unknown class dog \(known: cat\)"):
            read_folder(tmp_path, class_names=["cat"])

    def test_no_image(self, tmp_path: Path) -> None:
        coco(tmp_path, {}, ["dog"])
        with pytest.raises(BoxlessError, match="names no image"):
            read_folder(tmp_path)


class TestBoth:
    def test_labels_come_from_the_table_and_boxes_from_coco_even_where_they_differ(self, tmp_path: Path) -> None:
        image(tmp_path / "a.png")
        table(tmp_path, "a.png,dog ant")
        coco(tmp_path, {"a.png": [("dog", [0, 0, 1, 1]), ("dog", [2, 2, 1, 1]), ("cat", [4, 2, 1, 1])]}, ["dog", "cat"])
        folder = read_folder(tmp_path)
        assert folder.class_names == ("ant", "cat", "dog")
        assert folder.images[0].labels == (0, 2)
        assert folder.images[0].truth is not None
        assert folder.images[0].truth.names == ["dog", "dog", "cat"]
        assert folder.images[0].truth.labels.tolist() == [2, 2, 1]

    def test_names_with_blanks_have_underscores_in_the_table(self, tmp_path: Path) -> None:
        image(tmp_path / "a.png")
        table(tmp_path, "a.png,red_cell:2")
        coco(tmp_path, {"a.png": [("red cell", [0, 0, 1, 1])]}, ["red cell"])
        folder = read_folder(tmp_path)
        assert folder.class_names == ("red cell",)
        assert folder.images[0].labels == (0, 0)
        assert folder.images[0].truth is not None
        assert folder.images[0].truth.labels.tolist() == [0]

    def test_the_table_says_which_images_there_are(self, tmp_path: Path) -> None:
        for name in ("a.png", "images/b.png", "c.png"):
            image(tmp_path / name)
        table(tmp_path, "images/b.png,dog", "c.png,dog")
        coco(tmp_path, {"a.png": [], "b.png": [("dog", [0, 0, 1, 1])], "gone.png": []}, ["dog"])
        folder = read_folder(tmp_path)
        assert [(each.path.name, each.truth is not None) for each in folder.images] == [
            ("b.png", True),
            ("c.png", False),
        ]


class TestWhatWasFound:
    """``boxless detect --out my/found.json`` leaves a COCO file beside the images."""

    def found(self, folder: Path) -> None:
        there = Instances([[1, 1]], [[2, 2]], labels=[0], class_names=("cat",), image_size=(4, 9))
        write(folder / "found.json", [("a.png", there)])

    def test_it_is_not_the_truth(self, tmp_path: Path) -> None:
        image(tmp_path / "a.png")
        table(tmp_path, "a.png,dog")
        self.found(tmp_path)
        folder = read_folder(tmp_path)
        assert folder.class_names == ("dog",)
        assert folder.images[0].truth is None

    def test_it_is_no_second_truth(self, tmp_path: Path) -> None:
        image(tmp_path / "a.png")
        coco(tmp_path, {"a.png": [("dog", [0, 0, 1, 1])]}, ["dog"])
        self.found(tmp_path)
        assert labels_by_name(read_folder(tmp_path)) == {"a.png": ["dog"]}

    def test_alone_it_is_refused_where_labels_are_needed(self, tmp_path: Path) -> None:
        image(tmp_path / "a.png")
        self.found(tmp_path)
        with pytest.raises(BoxlessError, match=r"found\.json is what a model found, no truth"):
            read_folder(tmp_path)
        assert read_folder(tmp_path, labels_needed=False).images[0].labels == ()

    def test_corrected_it_is_one(self, tmp_path: Path) -> None:
        image(tmp_path / "a.png")
        self.found(tmp_path)
        content = json.loads((tmp_path / "found.json").read_text())
        del content["info"]["description"]
        (tmp_path / "found.json").write_text(json.dumps(content))
        assert labels_by_name(read_folder(tmp_path)) == {"a.png": ["cat"]}


class TestNoData:
    def test_no_folder(self, tmp_path: Path) -> None:
        with pytest.raises(BoxlessError, match="There is no folder"):
            read_folder(tmp_path / "gone")

    def test_a_file_in_place_of_its_folder(self, tmp_path: Path) -> None:
        (tmp_path / "metadata.csv").write_text("file_name,labels\n")
        with pytest.raises(BoxlessError, match=r"metadata\.csv is a file; give the folder that it lies in\."):
            read_folder(tmp_path / "metadata.csv")

    def test_a_table_whose_name_has_capitals(self, tmp_path: Path) -> None:
        (tmp_path / "Metadata.CSV").write_text("file_name,labels\n")
        with pytest.raises(BoxlessError, match=r"Metadata\.CSV is to be called metadata\.csv, in small letters"):
            read_folder(tmp_path)

    def test_folder_without_labels(self, tmp_path: Path) -> None:
        image(tmp_path / "a.png")
        with pytest.raises(BoxlessError, match=r"neither metadata\.csv .* nor a COCO file"):
            read_folder(tmp_path)


class TestCheckImages:
    def test_broken_images_are_named_and_the_rest_goes_on(self, tmp_path: Path) -> None:
        for name in ("a.png", "cut.png", "words.png", "z.png"):
            image(tmp_path / name, 40, 40)
        image(tmp_path / "z.png", 40, 30)
        (tmp_path / "cut.png").write_bytes((tmp_path / "cut.png").read_bytes()[:800])
        (tmp_path / "words.png").write_text("words", encoding="utf-8")
        table(tmp_path, "a.png,1", "words.png,1", "cut.png,2", "z.png,2")
        good, problems = check_images(read_folder(tmp_path))
        assert labels_by_name(good) == {"a.png": ["1"], "z.png": ["2"]}
        assert [one.size for one in good.images] == [(40, 40), (30, 40)]
        assert ["words.png" in problems[0], "cut.png" in problems[1], len(problems)] == [True, True, 2]

    def test_boxes_for_another_size_are_a_fault_even_without_boxes(self, tmp_path: Path) -> None:
        image(tmp_path / "a.png", width=9, height=4)
        coco(tmp_path, {"a.png": []}, ["dog"], width=4, height=9)
        good, problems = check_images(read_folder(tmp_path))
        assert good.images == []
        assert "has 9×4 pixels, and its boxes are for 4×9" in problems[0]


class TestSplit:
    def folder(self, root: str, names: list[str]) -> Folder:
        images = [LabelledImage(Path(root, name), (index % 2,), None) for index, name in enumerate(names)]
        return Folder(Path(root), ("0", "1"), images)

    names = [f"sub/{number}.png" for number in range(200)]  # noqa: RUF012

    def test_parts_share_no_image_and_lose_none(self) -> None:
        train, validation = split(self.folder("x", self.names), 0.15, seed=0)
        paths = [image.path for image in train.images + validation.images]
        assert len(validation.images) == 30
        assert sorted(paths) == sorted(Path("x", name) for name in self.names)

    def test_neither_place_nor_order_matters(self) -> None:
        here = split(self.folder("x", self.names), 0.15, seed=0)[1]
        there = split(self.folder("y/z", self.names[::-1]), 0.15, seed=0)[1]
        assert {each.path.name for each in here.images} == {each.path.name for each in there.images}
        assert [each.path.name for each in here.images] == [each.path.name for each in there.images][::-1]

    def test_another_seed_is_another_split(self) -> None:
        first, second = (split(self.folder("x", self.names), 0.5, seed=seed)[1].images for seed in (0, 1))
        shared = {each.path for each in first} & {each.path for each in second}
        assert 30 < len(shared) < 70  # half of 100 by chance

    def test_one_image_more_moves_at_most_one_other(self) -> None:
        before = {each.path for each in split(self.folder("x", self.names), 0.15, seed=0)[1].images}
        after = {each.path for each in split(self.folder("x", [*self.names, "new.png"]), 0.15, seed=0)[1].images}
        assert len(before - after) <= 1

    @pytest.mark.parametrize(("count", "share", "expected"), [(2, 0.01, 1), (2, 0.99, 1), (200, 0, 0), (1, 0, 0)])
    def test_each_side_keeps_an_image(self, count: int, share: float, expected: int) -> None:
        assert len(split(self.folder("x", self.names[:count]), share, seed=0)[1].images) == expected

    @pytest.mark.parametrize(
        ("count", "share", "reason"), [(1, 0.5, "too few"), (9, 1, "not 1"), (9, -0.1, "not -0.1")]
    )
    def test_what_cannot_be_split(self, count: int, share: float, reason: str) -> None:
        with pytest.raises(BoxlessError, match=reason):
            split(self.folder("x", self.names[:count]), share, seed=0)


def test_where_labels_are_not_needed_a_folder_is_its_images(tmp_path: Path) -> None:
    (tmp_path / "below").mkdir()
    for name in ("b.png", "below/a.png"):
        Image.new("L", (5, 4)).save(tmp_path / name)
    folder = read_folder(tmp_path, labels_needed=False)
    assert [image.path.relative_to(tmp_path).as_posix() for image in folder.images] == ["b.png", "below/a.png"]
    assert all(image.labels == () and image.truth is None for image in folder.images)
    with pytest.raises(BoxlessError, match=r"neither metadata\.csv"):
        read_folder(tmp_path)


def test_a_folder_of_parts_is_told_from_one_of_images(tmp_path: Path) -> None:
    for part in ("train", "test"):
        (tmp_path / part).mkdir()
        (tmp_path / part / "metadata.csv").write_text("file_name,labels\n")
    with pytest.raises(BoxlessError, match=rf"did you mean {tmp_path / 'test'} or {tmp_path / 'train'}\?"):
        read_folder(tmp_path)


def latin_1(folder: Path) -> Path:
    """An image whose name is no UTF-8; skips where the file system has none such."""
    path = folder / os.fsdecode(b"caf\xe9.png")
    try:
        image(path)
    except (OSError, UnicodeEncodeError):
        pytest.skip("the file system takes names in UTF-8 alone")
    return path


def test_a_name_that_is_no_utf_8_is_a_name(tmp_path: Path) -> None:
    for name in ("a.png", "b.png"):
        image(tmp_path / name)
    odd = latin_1(tmp_path)
    folder = read_folder(tmp_path, labels_needed=False)
    parts = split(check_images(folder)[0], 0.4, seed=0)
    assert odd in {each.path for part in parts for each in part.images}
    assert [len(part.images) for part in parts] == [2, 1]


def test_segments_of_images_of_one_name_lie_in_folders_as_theirs(tmp_path: Path) -> None:
    for name in ("p/1.png", "q/1.png", "q/2.png", "segments/1.png", "segments/q/1.png", "segments/2.png"):
        image(tmp_path / name)
    table(tmp_path, "p/1.png,a", "q/1.png,a", "q/2.png,a")
    segments = [each.segments for each in read_folder(tmp_path).images]
    assert segments == [None, tmp_path / "segments" / "q" / "1.png", tmp_path / "segments" / "2.png"]


def test_a_model_that_knows_the_name_with_underscores_keeps_it(tmp_path: Path) -> None:
    """Though the COCO file has a class of that name with a blank, of which there is no object."""
    image(tmp_path / "a.png")
    table(tmp_path, "a.png,red_cell")
    coco(tmp_path, {"a.png": []}, names=["red cell"])
    assert read_folder(tmp_path, ("red_cell",)).images[0].labels == (0,)
    assert read_folder(tmp_path).class_names == ("red cell",)


def test_a_class_may_be_called_by_a_very_long_number(tmp_path: Path) -> None:
    image(tmp_path / "a.png")
    long = "9" * 5000
    table(tmp_path, f"a.png,{long} 10 9")
    assert read_folder(tmp_path).class_names == ("9", "10", long)

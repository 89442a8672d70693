"""Sets in YOLO's format."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from boxless.data.folder import read_folder
from boxless.data.images import read_image
from boxless.data.yolo import write_yolo
from boxless.errors import BoxlessError

NAMES = "path: .\nnames:\n  0: cell\n  1: dust grain\n"


def yolo(root: Path, labels: dict[str, str], names: str | None = NAMES, folder: str = "train") -> Path:
    """Images 40 wide and 20 high of these stems, each with the lines of its objects."""
    for kind in ("images", "labels"):
        (root / kind / folder).mkdir(parents=True, exist_ok=True)
    for stem, lines in labels.items():
        ramp = np.arange(800, dtype=np.uint32).reshape(20, 40) % 256
        Image.fromarray(ramp.astype(np.uint8)).save(root / "images" / folder / f"{stem}.png")
        (root / "labels" / folder / f"{stem}.txt").write_text(lines)
    if names is not None:
        (root / "data.yaml").write_text(names)
    return root


def test_shares_become_pixels_and_pixels_stay(tmp_path: Path) -> None:
    """A box from pixel 10 to 19 in x and 5 to 8 in y has the corners 10, 5, 20, 9 in YOLO's frame."""
    source = yolo(tmp_path / "set", {"a": f"1 {15 / 40} {7 / 20} {10 / 40} {4 / 20}\n"})
    assert write_yolo(source, tmp_path / "out") == ({"train": 1}, [])
    folder = read_folder(tmp_path / "out" / "train")
    assert folder.class_names == ("cell", "dust grain")
    truth = folder.images[0].truth
    assert truth is not None
    assert truth.names == ["dust grain"]
    np.testing.assert_allclose(truth.boxes, [[9.5, 4.5, 19.5, 8.5]], atol=1e-4)
    assert truth.image_size == (20, 40)
    old = read_image(source / "images" / "train" / "a.png", channels=1)
    np.testing.assert_allclose(read_image(folder.images[0].path, channels=1), old, atol=1e-6)


def test_a_polygon_counts_by_its_box(tmp_path: Path) -> None:
    source = yolo(tmp_path / "set", {"a": "0 0.25 0.5 0.5 0.2 0.75 0.5 0.5 0.9"})
    write_yolo(source, tmp_path / "out")
    truth = read_folder(tmp_path / "out" / "train").images[0].truth
    assert truth is not None
    np.testing.assert_allclose(truth.boxes, [[9.5, 3.5, 29.5, 17.5]], atol=1e-4)


def test_an_image_without_labels_holds_nothing(tmp_path: Path) -> None:
    source = yolo(tmp_path / "set", {"a": "0 .5 .5 .1 .1\n\n0 .2 .2 .1 .1\n", "b": "", "c": ""})
    (source / "labels" / "train" / "c.txt").unlink()
    write_yolo(source, tmp_path / "out")
    assert [image.labels for image in read_folder(tmp_path / "out" / "train").images] == [(0, 0), (), ()]


def test_the_folders_of_a_set_are_its_parts(tmp_path: Path) -> None:
    source = yolo(tmp_path / "set", {"a": "0 .5 .5 .1 .1"})
    yolo(source, {"a": "1 .5 .5 .1 .1", "b": ""}, folder="val")
    assert write_yolo(source, tmp_path / "out")[0] == {"train": 1, "val": 2}
    assert write_yolo(source, tmp_path / "out")[0] == {}


def test_without_parts_every_fifth_image_is_tested_on(tmp_path: Path) -> None:
    source = yolo(tmp_path / "set", {str(number): "0 .5 .5 .1 .1" for number in range(100)}, folder=".")
    counts, _ = write_yolo(source, tmp_path / "out")
    assert counts["train"] + counts["test"] == 100
    assert 10 <= counts["test"] <= 30


def test_names_are_those_of_a_list_or_of_classes_txt(tmp_path: Path) -> None:
    source = yolo(tmp_path / "set", {"a": "1 .5 .5 .1 .1"}, names="names: [x, y]")
    write_yolo(source, tmp_path / "one")
    assert read_folder(tmp_path / "one" / "train").class_names == ("x", "y")
    (source / "data.yaml").unlink()
    (source / "classes.txt").write_text("p\nq\n")
    write_yolo(source, tmp_path / "two")
    assert read_folder(tmp_path / "two" / "train").class_names == ("p", "q")


@pytest.mark.parametrize("names", [None, "nc: 2", "names: [a, a]", "names: {0: a, 2: b}", "names: 3"])
def test_a_set_that_does_not_name_its_classes(names: str | None, tmp_path: Path) -> None:
    source = yolo(tmp_path / "set", {"a": "0 .5 .5 .1 .1"}, names=names)
    with pytest.raises(BoxlessError, match="does not name the classes"):
        write_yolo(source, tmp_path / "out")


def test_names_that_are_code_are_not_run(tmp_path: Path) -> None:
    source = yolo(tmp_path / "set", {"a": "0 .5 .5 .1 .1"}, names="names: !!python/object/apply:os.mkdir ['made']")
    write_yolo(source, tmp_path / "out")
    assert read_folder(tmp_path / "out" / "train").class_names == ("made",)
    assert not Path("made").exists()


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ("names: [on]", ("on",)),
        ("names: {0: yes, 1: no}", ("yes", "no")),
        ("date: 2024-13-45\nnames: [07, 1.50]", ("07", "1.50")),
    ],
)
def test_names_are_texts_whatever_yaml_takes_them_for(names: str, expected: tuple[str, ...], tmp_path: Path) -> None:
    write_yolo(yolo(tmp_path / "set", {"a": "0 .5 .5 .1 .1"}, names=names), tmp_path / "out")
    truth = read_folder(tmp_path / "out" / "train").images[0].truth
    assert truth is not None
    assert truth.names == [expected[0]]


def test_a_part_without_any_file_of_labels_is_no_part_that_holds_nothing(tmp_path: Path) -> None:
    source = yolo(tmp_path / "set", {"a": "0 .5 .5 .1 .1"})
    yolo(source, {"b": "0 .5 .5 .1 .1"}, folder="val")
    (source / "labels" / "val").rename(source / "labels" / "valid")
    with pytest.raises(BoxlessError, match="No image of the part val has a file in"):
        write_yolo(source, tmp_path / "out")


def test_bad_lines_are_all_named(tmp_path: Path) -> None:
    lines = [
        "7 .5 .5 .1 .1",
        "0 .5 .5 .1",
        "0 .5 .5 nan .1",
        "0 .9 .5 .3 .1",
        "0 .5 .5 0 .1",
        "-1 .5 .5 .1 .1",
        "0 a b c d",
    ]
    source = yolo(tmp_path / "set", {"a": "\n".join(lines), "b": "x"})
    with pytest.raises(BoxlessError) as caught:
        write_yolo(source, tmp_path / "out")
    told = str(caught.value)
    assert "8 bad rows" in told
    assert all(f"train/a.txt, line {line}: " in told for line in range(1, 8))
    assert "train/b.txt, line 1: the class 'x', where 0 to 1 are" in told
    assert not (tmp_path / "out").exists()


def test_a_broken_image_is_told_and_left_out(tmp_path: Path) -> None:
    source = yolo(tmp_path / "set", {"a": "0 .5 .5 .1 .1", "b": "0 .5 .5 .1 .1"})
    (source / "images" / "train" / "b.png").write_bytes(b"no image")
    counts, problems = write_yolo(source, tmp_path / "out")
    assert counts == {"train": 1}
    assert len(problems) == 1
    assert "b.png" in problems[0]


def test_labels_of_other_images_are_no_labels(tmp_path: Path) -> None:
    source = yolo(tmp_path / "set", {"a": ""})
    (source / "labels" / "train" / "other.txt").write_text("0 .5 .5 .1 .1")
    with pytest.raises(BoxlessError, match="has no object for any image"):
        write_yolo(source, tmp_path / "out")

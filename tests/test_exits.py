import csv
import json
import os
import sys
import weakref
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from boxless.errors import BoxlessError
from boxless.exits import Format, write
from boxless.instances import Instances

NAMES = ("ant", "bee")


@pytest.fixture
def items() -> list[tuple[str, Instances]]:
    """Two images of different, non-square sizes, and one in which nothing was found."""
    first = Instances([[9.5, 4.5], [1, 2]], [[20, 10], [2, 4]], [0.5, 0.25], [1, 0], NAMES, image_size=(10, 20))
    second = Instances([[3, 5]], [[2, 2]], [0.7], [0], NAMES, image_size=(30, 15))
    nothing = Instances([], [], class_names=NAMES, image_size=(8, 9))
    return [("a.png", first), ("sub/b, c.png", second), ("d.png", nothing)]


def test_json_is_coco_with_images_annotations_and_categories_tied_together(
    items: list[tuple[str, Instances]], tmp_path: Path
) -> None:
    write(tmp_path / "new" / "found.json", items)
    dataset = json.loads((tmp_path / "new" / "found.json").read_text())
    assert [(image["id"], image["file_name"], image["width"], image["height"]) for image in dataset["images"]] == [
        (1, "a.png", 20, 10),
        (2, "sub/b, c.png", 15, 30),
        (3, "d.png", 9, 8),
    ]
    assert [(one["id"], one["image_id"], one["category_id"], one["bbox"]) for one in dataset["annotations"]] == [
        (1, 1, 1, [0, 0, 20, 10]),
        (2, 1, 0, [0.5, 0.5, 2, 4]),
        (3, 2, 0, [2.5, 4.5, 2, 2]),
    ]
    assert [(one["id"], one["name"]) for one in dataset["categories"]] == [(0, "ant"), (1, "bee")]


@pytest.mark.filterwarnings("ignore:OpenCV")
def test_supervision_reads_the_coco_file_back(items: list[tuple[str, Instances]], tmp_path: Path) -> None:
    supervision = pytest.importorskip("supervision")
    write(tmp_path / "found.json", items)
    data = supervision.DetectionDataset.from_coco(str(tmp_path), str(tmp_path / "found.json"))
    assert data.classes == list(NAMES)
    read = next(found for path, found in data.annotations.items() if path.endswith("a.png"))
    np.testing.assert_array_equal(read.xyxy, items[0][1].to_supervision().xyxy)


def test_csv_quotes_names_and_holds_a_row_for_each_instance(items: list[tuple[str, Instances]], tmp_path: Path) -> None:
    write(tmp_path / "found.csv", items)
    with (tmp_path / "found.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["file_name"] for row in rows] == ["a.png", "a.png", "sub/b, c.png"]
    assert rows[2] == {
        "file_name": "sub/b, c.png",
        "label": "0",
        "name": "ant",
        "score": "0.7",
        "x": "3.0",
        "y": "5.0",
        "width": "2.0",
        "height": "2.0",
    }


def test_csv_of_nothing_still_has_its_header(tmp_path: Path) -> None:
    write(tmp_path / "found.csv", [])
    assert (tmp_path / "found.csv").read_text() == "file_name,label,name,score,x,y,width,height\n"


def test_parquet_reads_back_as_the_same_rows(items: list[tuple[str, Instances]], tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    write(tmp_path / "found.parquet", items)
    read = parquet.read_table(tmp_path / "found.parquet").to_pylist()
    expected = [row for file_name, instances in items for row in instances.to_rows(file_name)]
    assert len(read) == len(expected) == 3
    assert [row["score"] for row in read] == pytest.approx([0.5, 0.25, 0.7])
    for row in (*read, *expected):
        del row["score"]
    assert read == expected


def test_parquet_of_nothing_keeps_its_columns(tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    write(tmp_path / "found.parquet", [])
    assert parquet.read_table(tmp_path / "found.parquet").column_names[:3] == ["file_name", "label", "name"]


def test_parquet_without_pyarrow_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(BoxlessError, match=r"pip install boxless\[parquet\]"):
        write(tmp_path / "found.parquet", [])
    assert list(tmp_path.iterdir()) == []


def test_label_studio_has_one_task_an_image(items: list[tuple[str, Instances]], tmp_path: Path) -> None:
    write(tmp_path / "tasks.json", items, format="label-studio")
    tasks = json.loads((tmp_path / "tasks.json").read_text())
    assert [task["data"]["image"] for task in tasks] == ["a.png", "sub/b, c.png", "d.png"]
    assert [len(task["predictions"][0]["result"]) for task in tasks] == [2, 1, 0]
    assert tasks[0]["predictions"][0]["result"][1]["value"] == {
        "x": 2.5,
        "y": 5.0,
        "width": 10.0,
        "height": 40.0,
        "rotation": 0,
        "rectanglelabels": ["ant"],
    }


def test_label_studio_names_the_image_without_a_size(tmp_path: Path) -> None:
    with pytest.raises(BoxlessError, match=r"a\.png"):
        write(tmp_path / "tasks.json", [("a.png", Instances([[1, 1]], [[1, 1]]))], format="label-studio")


def test_a_refused_file_leaves_the_old_one(tmp_path: Path) -> None:
    (tmp_path / "found.json").write_text("old")
    with pytest.raises(BoxlessError, match=r"a\.png"):
        write(tmp_path / "found.json", [("a.png", Instances([[1, 1]], [[1, 1]]))])
    assert [path.name for path in tmp_path.iterdir()] == ["found.json"]
    assert (tmp_path / "found.json").read_text() == "old"


def test_an_unknown_suffix_asks_for_a_format(tmp_path: Path) -> None:
    with pytest.raises(BoxlessError, match=r"found\.txt.*label-studio"):
        write(tmp_path / "found.txt", [])


def test_an_unknown_format_lists_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(BoxlessError, match="coco, csv, parquet, label-studio"):
        write(tmp_path / "found.txt", [], format="yolo")  # type: ignore[arg-type]


@pytest.mark.parametrize(("name", "format"), [("a.json", None), ("a.json", "label-studio"), ("a.csv", None)])
def test_instances_of_a_generator_do_not_stay_in_memory(name: str, format: Format | None, tmp_path: Path) -> None:
    """Masks are as large as images."""
    kept: list[weakref.ref[Instances]] = []

    def found() -> Iterator[tuple[str, Instances]]:
        for number in range(4):
            assert sum(one() is not None for one in kept) <= 1
            one = Instances([[1, 1]], [[2, 2]], class_names=NAMES, image_size=(8, 9))
            kept.append(weakref.ref(one))
            yield f"{number}.png", one

    write(tmp_path / name, found(), format)
    assert "3.png" in (tmp_path / name).read_text()


@pytest.mark.parametrize("suffix", ["csv", "parquet", "json"])
def test_a_file_name_that_is_no_utf_8_is_escaped(
    suffix: str, items: list[tuple[str, Instances]], tmp_path: Path
) -> None:
    """As files have that come from a system of Latin-1."""
    if suffix == "parquet":
        pytest.importorskip("pyarrow")
    write(tmp_path / f"found.{suffix}", [(os.fsdecode(b"caf\xe9.png"), items[0][1])])
    written = (tmp_path / f"found.{suffix}").read_bytes()
    assert b"caf\\udce9.png" in written

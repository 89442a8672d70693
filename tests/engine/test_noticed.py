"""What is told of a folder before a training, and what is not worth a word."""

from pathlib import Path
from typing import Any

import pytest

from boxless.engine.noticed import noticed
from boxless.engine.recipe import DataConfig, Recipe
from tests.engine.test_defaults import folder_of


def told(root: Path, labels: list[str], method: str = "mist-classify", share: float = 0.5, **model: Any) -> list[str]:
    data = DataConfig(folder=str(folder_of(root, labels)), validation_share=share)
    return noticed(Recipe(method, data, model))


def test_classes_are_told_with_how_many_there_are(tmp_path: Path) -> None:
    assert told(tmp_path, ["red red blue", "blue"] * 12) == ["classes: blue 24, red 24, in 24 images"]


def test_of_many_classes_some_are_told(tmp_path: Path) -> None:
    (sentence,) = told(tmp_path, [" ".join(f"c{number}" for number in range(30))] * 24)
    assert (
        sentence == f"classes: {', '.join(f'c{number} 24' for number in range(20))}, and 10 classes more, in 24 images"
    )


def test_numbers_alone_may_be_counts(tmp_path: Path) -> None:
    hint = "each label is one number, which names a class: if 3 is how many there are, write object:3"
    assert hint in told(tmp_path, ["2", "3", ""] * 8)
    (tmp_path / "several").mkdir()
    assert told(tmp_path / "several", ["2 2", "3", ""] * 8) == ["classes: 2 16, 3 8, in 24 images"]


@pytest.mark.parametrize(("k", "warned"), [(1, True), (2, False)])
def test_fewer_instances_than_objects_are_told(k: int, warned: bool, tmp_path: Path) -> None:
    found = told(tmp_path, ["a b", "a"] * 12, instances=k)
    assert ("K = 1 is fewer than the 2 objects of an image: not all can be found" in found) == warned


@pytest.mark.parametrize(("share", "number"), [(0.05, 1), (0.25, 5), (0.5, None)])
def test_few_images_to_validate_on_are_told(share: float, number: int | None, tmp_path: Path) -> None:
    found = [one.split(" to validate")[0] for one in told(tmp_path, ["a"] * 20, share=share) if "validate" in one]
    assert found == ([] if number is None else ["1 image" if number == 1 else f"{number} images"])


def test_images_that_no_row_names_are_told(tmp_path: Path) -> None:
    assert len(told(tmp_path, ["a"] * 24)) == 1
    for name in ("more.png", "segments/0.png"):  # the objects of an image's pixels are no image
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes((tmp_path / "0.png").read_bytes())
    found = noticed(Recipe("mist-classify", DataConfig(folder=str(tmp_path), validation_share=0.5), {}))
    assert found[1:] == [f"{tmp_path} has images that metadata.csv does not name, which are left out: 1"]


def test_images_without_labels_have_no_classes(tmp_path: Path) -> None:
    folder_of(tmp_path, [""] * 24)
    (tmp_path / "metadata.csv").unlink()
    assert noticed(Recipe("tusk", DataConfig(folder=str(tmp_path), validation_share=0.5), {})) == []


def test_of_scenes_there_is_nothing_to_tell() -> None:
    assert noticed(Recipe("mist-classify", DataConfig(), {})) == []


def test_images_of_other_suffixes_are_no_reason_to_stop(tmp_path: Path) -> None:
    root = folder_of(tmp_path, ["a", "a"] * 12)
    for path in root.glob("*.png"):
        path.rename(path.with_suffix(".jfif"))
    table = root / "metadata.csv"
    table.write_text(table.read_text().replace(".png", ".jfif"))
    assert noticed(Recipe("mist-classify", DataConfig(folder=str(root), validation_share=0.5))) == [
        "classes: a 24, in 24 images"
    ]

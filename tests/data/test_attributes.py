"""Classes that combine attributes, through the COCO file of a folder and back."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from boxless.data.attributes import combinations
from boxless.data.folder import read_folder
from boxless.data.prepared import write_folder
from boxless.instances import Instances

ATTRIBUTES = {"shape": ("square", "disk"), "color": ("red", "green", "blue")}  # in no alphabetical order
NAMES = ("square red", "square green", "square blue", "disk red", "disk green", "disk blue")


def written(root: Path) -> Path:
    one = Instances([[3, 2]], [[2, 2]], labels=[4], class_names=NAMES, image_size=(5, 8))
    write_folder(root, [("a.png", torch.zeros(3, 5, 8), one)], ATTRIBUTES)
    return root


def changed(root: Path, info: Any) -> None:
    document = json.loads((root / "coco.json").read_text())
    document["info"] = info
    (root / "coco.json").write_text(json.dumps(document))


def test_the_last_attribute_changes_first() -> None:
    assert combinations(ATTRIBUTES) == NAMES
    assert combinations({}) == ()


def test_a_folder_keeps_them_and_the_order_of_its_classes(tmp_path: Path) -> None:
    folder = read_folder(written(tmp_path))
    assert (folder.class_names, folder.attributes) == (NAMES, ATTRIBUTES)
    assert folder.images[0].labels == (4,)


def test_a_model_of_other_classes_has_none(tmp_path: Path) -> None:
    folder = read_folder(written(tmp_path), class_names=("other", *reversed(NAMES)))
    assert folder.attributes == {}
    assert folder.images[0].labels == (2,)


@pytest.mark.parametrize(
    "info",
    [
        None,
        [],
        {"attributes": 3},
        {"attributes": {"shape": "square"}},
        {"attributes": {"shape": ["square", "disk"]}},
        {"attributes": {"shape": ["disk", "square"], "color": ["red", "green", "blue"]}},
        {"attributes": {str(number): [str(value) for value in range(1000)] for number in range(50)}},
    ],
)
def test_what_does_not_make_the_classes_is_passed_over(tmp_path: Path, info: Any) -> None:
    changed(written(tmp_path), info)
    folder = read_folder(tmp_path)
    assert folder.attributes == {}
    assert folder.class_names == tuple(sorted(NAMES))


def test_labels_of_another_class_are_classes_too(tmp_path: Path) -> None:
    (written(tmp_path) / "metadata.csv").write_text("file_name,labels\nimages/a.png,star\n")
    folder = read_folder(tmp_path)
    assert folder.class_names == tuple(sorted((*NAMES, "star")))
    assert folder.attributes == {}

"""Photos of raccoons: 200 images with 217 boxes in the format of VOC, parted by lists (Dat Tran, 2017).

Nearly all of them show one raccoon. That number alone, the same everywhere, tells nothing: to learn what a raccoon is,
one has to see photos without. COCO128's are such.
"""

import csv
import os
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import numpy as np
from torch import Tensor

from boxless.data.crops import resized, with_shorter_edge
from boxless.data.folder import Folder, check_images
from boxless.data.images import list_images, readable, to_tensor
from boxless.data.prepared import write_folder
from boxless.data.voc import read_voc
from boxless.data.yolo import SOURCE as COCO128
from boxless.errors import BoxlessError
from boxless.instances import Instances

SHORTER_EDGE = 224
CLASSES = ("raccoon",)
LISTS = {"train": "data/train_labels.csv", "test": "data/test_labels.csv"}
SOURCE = "the raccoons are had at https://github.com/datitran/raccoon_dataset (MIT)"


def write_raccoons(
    source: str | os.PathLike[str], root: str | os.PathLike[str], edge: int = SHORTER_EDGE
) -> tuple[dict[str, int], list[str]]:
    """Write the set as folders ``train`` and ``test`` that ``read_folder`` reads; a part that is there stays.

    Args:
        source: the folder with ``annotations``, ``images``, ``data/train_labels.csv`` and ``data/test_labels.csv``.
        root: where.
        edge: the shorter side of an image in pixels.

    Returns:
        How many images are in each part that was written, and a sentence for each image that was left out because it
        is broken.

    Raises:
        BoxlessError: a file is missing or bad, or a list names an image without annotations.
    """
    return _written(Path(source), Path(root), edge, None)


def write_raccoons_among_photos(
    source: str | os.PathLike[str], root: str | os.PathLike[str], edge: int = SHORTER_EDGE
) -> tuple[dict[str, int], list[str]]:
    """Write the raccoons as :func:`write_raccoons` does, with photos that hold none among those to learn from.

    Args:
        source: the folder that holds ``raccoon``, and ``coco128`` with ``images``.
        root: where.
        edge: the shorter side of an image in pixels.

    Returns:
        See :func:`write_raccoons`.

    Raises:
        BoxlessError: see :func:`write_raccoons`; or the other photos are missing.
    """
    others = Path(source) / "coco128" / "images"
    if not others.is_dir():
        raise BoxlessError(f"There is no folder {others} of photos without raccoons; {COCO128}, and {SOURCE}.")
    return _written(Path(source) / "raccoon", Path(root), edge, others)


def _written(source: Path, root: Path, edge: int, others: Path | None) -> tuple[dict[str, int], list[str]]:
    lists = {part: _listed(source / name) for part, name in LISTS.items() if not (root / part / "coco.json").exists()}
    folder = read_voc(source, None, CLASSES)
    known = {image.path.name for image in folder.images}
    for part, names in lists.items():
        if not names <= known:
            lacking = ", ".join(sorted(names - known))
            raise BoxlessError(f"{source / LISTS[part]} names {lacking}, which has no annotations; copy the set again.")
    folder, problems = check_images(folder, progress=True)
    counts = {}
    for part, names in lists.items():
        images = _small(folder, names, edge)
        if part == "train" and others is not None:
            images = chain(images, _without(others, edge, problems))
        counts[part] = write_folder(root / part, images)
    return counts, problems


def _without(photos: Path, edge: int, problems: list[str]) -> Iterator[tuple[str, Tensor, Instances]]:
    """Photos of a folder with no object; a sentence is added to the problems for each that cannot be read."""
    for path, pixels in readable(list_images([photos]), 3, problems):
        size = (pixels.shape[1], pixels.shape[2])
        nothing = Instances(np.zeros((0, 2)), np.zeros((0, 2)), class_names=CLASSES, image_size=size)
        yield f"without-{path.name}", *resized(pixels, nothing, with_shorter_edge(*size, edge))


def _listed(path: Path) -> set[str]:
    """The images that a list of boxes names, each once or more."""
    try:
        with path.open(encoding="utf-8", newline="") as file:
            return {row["filename"] for row in csv.DictReader(file)}
    except FileNotFoundError as error:
        raise BoxlessError(f"There is no {path}; {SOURCE}.") from error
    except (OSError, KeyError, UnicodeDecodeError, csv.Error) as error:
        raise BoxlessError(f"{path} is no CSV with a column filename; copy it again.") from error


def _small(folder: Folder, names: set[str], edge: int) -> Iterator[tuple[str, Tensor, Instances]]:
    for image in folder.images:
        if image.path.name in names and image.truth is not None:
            pixels = to_tensor(image.path, channels=3)
            yield (
                image.path.name,
                *resized(pixels, image.truth, with_shorter_edge(pixels.shape[1], pixels.shape[2], edge)),
            )

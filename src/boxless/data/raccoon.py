"""Photos of raccoons: 200 images with 217 boxes in the format of VOC, parted by lists (Dat Tran, 2017)."""

import csv
import os
from collections.abc import Iterator
from pathlib import Path

from torch import Tensor

from boxless.data.crops import resized, with_shorter_edge
from boxless.data.folder import Folder, check_images
from boxless.data.images import to_tensor
from boxless.data.prepared import write_folder
from boxless.data.voc import read_voc
from boxless.errors import BoxlessError
from boxless.instances import Instances

SHORTER_EDGE = 224
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
    source, root = Path(source), Path(root)
    lists = {part: _listed(source / name) for part, name in LISTS.items() if not (root / part / "coco.json").exists()}
    folder = read_voc(source, None, ("raccoon",))
    known = {image.path.name for image in folder.images}
    for part, names in lists.items():
        if not names <= known:
            lacking = ", ".join(sorted(names - known))
            raise BoxlessError(f"{source / LISTS[part]} names {lacking}, which has no annotations; copy the set again.")
    folder, problems = check_images(folder)
    counts = {part: write_folder(root / part, _small(folder, names, edge)) for part, names in lists.items()}
    return counts, problems


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

"""Sets in YOLO's format, as COCO128: ``images/``, beside it ``labels/`` with a text file for each, and the names.

A line of a text file is an object: its class id and its box, as centre x, centre y, width and height in shares of the
image, counted from the *corner* of the top-left pixel; ours is the pixel's centre. Or it is a polygon, x and y of each
corner, of which the box is taken. An image without a file, or with an empty one, holds no object.
"""

import hashlib
import math
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import yaml
from numpy.typing import NDArray
from torch import Tensor

from boxless.data.bad_rows import bad_rows
from boxless.data.images import list_images, readable
from boxless.data.prepared import write_folder
from boxless.errors import BoxlessError
from boxless.instances import Instances

EVERY = 5  # one image in so many is tested on, where the set has no parts of its own
MOST_BYTES = 1 << 22
TOLERANCE = 1e-3  # by which a box may leave the image, in shares of it
SOURCE = "COCO128 is had at https://docs.ultralytics.com/datasets/detect/coco128/ (its images are under Flickr's terms)"

Rows = list[tuple[int, NDArray[np.float64]]]
"""Class id, and centre x, centre y, width and height in shares of the image, of each object."""


def write_yolo(source: str | os.PathLike[str], root: str | os.PathLike[str]) -> tuple[dict[str, int], list[str]]:
    """Write the set as folders with a COCO file that ``read_folder`` reads; a part that is there stays.

    Each folder in ``images`` becomes a part of its name, as "train". Of a set whose images lie in ``images`` itself,
    every fifth by a hash of its name is in "test", the others are in "train".

    Args:
        source: the folder with ``images``, ``labels``, and a ``.yaml`` file with ``names``, or ``classes.txt``.
        root: where.

    Returns:
        How many images are in each part that was written, and a sentence for each image that was left out because it
        is broken.

    Raises:
        BoxlessError: there is no such set, its names are missing, or lines of labels are bad, which are all named.
    """
    there = Path(source)
    for needed in ("images", "labels"):
        if not (there / needed).is_dir():
            raise BoxlessError(f"There is no folder {there / needed}, which YOLO's format has; {SOURCE}.")
    names = _class_names(there)
    images = list_images([there / "images"])
    rows = _labels_of(there, images, len(names))
    counts: dict[str, int] = {}
    problems: list[str] = []
    parts = _parts(there, images)
    for part, own in parts.items():
        if not any(_label_file(there, path).is_file() for path in own):
            raise BoxlessError(f"No image of the part {part} has a file in {there / 'labels'}; check its folder.")
    for part, own in parts.items():
        if not (Path(root) / part / "coco.json").exists():
            counts[part] = write_folder(Path(root) / part, _labelled(own, rows, names, problems))
    return counts, problems


def _labelled(
    images: Sequence[Path], rows: dict[Path, Rows], names: tuple[str, ...], problems: list[str]
) -> Iterator[tuple[str, Tensor, Instances]]:
    """Name, pixels and objects of each image that can be read; of the others, a sentence is added to the problems."""
    for path, pixels in readable(images, 3, problems):
        size = (pixels.shape[1], pixels.shape[2])
        boxes = np.array([box for _, box in rows[path]]).reshape(-1, 4) * (size[1], size[0], size[1], size[0])
        labels = [label for label, _ in rows[path]]
        yield (
            path.name,
            pixels,
            Instances(boxes[:, :2] - 0.5, boxes[:, 2:], labels=labels, class_names=names, image_size=size),
        )


def _parts(root: Path, images: Sequence[Path]) -> dict[str, list[Path]]:
    parts: dict[str, list[Path]] = {}
    for path in images:
        folders = path.parent.relative_to(root / "images").parts
        part = "-".join(folders) or ("test" if _is_tested(path.name) else "train")
        parts.setdefault(part, []).append(path)
    return parts


def _is_tested(name: str) -> bool:
    return int.from_bytes(hashlib.sha256(os.fsencode(name)).digest()[:8], "big") % EVERY == 0


def _label_file(root: Path, image: Path) -> Path:
    return (root / "labels" / image.relative_to(root / "images")).with_suffix(".txt")


def _labels_of(root: Path, images: Sequence[Path], classes: int) -> dict[Path, Rows]:
    found, problems = {}, []
    for path in images:
        file = _label_file(root, path)
        found[path], wrong = _rows_of(file, classes) if file.is_file() else ([], [])
        problems += [f"{file.relative_to(root / 'labels').as_posix()}, {problem}" for problem in wrong]
    if problems:
        raise bad_rows(root / "labels", problems)
    if not any(found.values()):
        raise BoxlessError(f"{root / 'labels'} has no object for any image of {root / 'images'}; check the names.")
    return found


def _rows_of(path: Path, classes: int) -> tuple[Rows, list[str]]:
    """The objects of a file, and what is wrong with its other lines."""
    try:
        if path.stat().st_size > MOST_BYTES:
            return [], [f"more than {MOST_BYTES:,} bytes"]
        lines = path.read_bytes().decode("utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        return [], [f"which cannot be read ({error})"]
    rows: Rows = []
    problems = []
    for line, text in enumerate(lines, start=1):
        try:
            if text.strip():
                rows.append(_row(text.split(), classes))
        except ValueError as error:
            problems.append(f"line {line}: {error}")
    return rows, problems


def _row(cells: Sequence[str], classes: int) -> tuple[int, NDArray[np.float64]]:
    """Raises ValueError, with the reason."""
    if not (cells[0].isascii() and cells[0].isdigit() and int(cells[0]) < classes):
        raise ValueError(f"the class {cells[0]!r}, where 0 to {classes - 1} are")
    try:
        values = np.array([float(cell) for cell in cells[1:]])
    except ValueError:
        values = np.full(0, math.nan)
    if len(values) < 4 or len(values) % 2 or not np.isfinite(values).all():
        raise ValueError("a class, and four numbers of a box or three corners of a polygon and more, are needed")
    if len(values) > 4:
        low, high = values.reshape(-1, 2).min(axis=0), values.reshape(-1, 2).max(axis=0)
        values = np.concatenate([(low + high) / 2, high - low])
    if (values[2:] <= 0).any() or (np.abs(values[:2] - 0.5) + values[2:] / 2 > 0.5 + TOLERANCE).any():
        raise ValueError(
            "a box without a size, or one that leaves the image; its numbers are shares of the image, from 0 to 1"
        )
    return int(cells[0]), values


def _class_names(root: Path) -> tuple[str, ...]:
    """By ``names`` of a YAML file, a list or a mapping of ids, or by the lines of ``classes.txt``."""
    names: object = None
    for path in sorted([*root.glob("*.yaml"), *root.glob("*.yml")]):
        document = _read_yaml(path)
        names = names or (document.get("names") if isinstance(document, dict) else None)
    if names is None and (root / "classes.txt").is_file():
        names = (root / "classes.txt").read_bytes().decode("utf-8-sig", errors="replace").splitlines()
    if isinstance(names, dict) and set(names) == {str(label) for label in range(len(names))}:
        names = [names[str(label)] for label in range(len(names))]
    texts = isinstance(names, list) and all(isinstance(name, str) for name in names)
    told = [name.strip() for name in names] if isinstance(names, list) and texts else []
    if not told or len(set(told)) < len(told) or not all(told):
        raise BoxlessError(
            f"{root} does not name the classes: it needs a .yaml file with names, or classes.txt with one a line, all "
            "different."
        )
    return tuple(told)


def _read_yaml(path: Path) -> object:
    """Lists, mappings and texts: a class may be called "on", or 1."""
    try:
        return yaml.load(path.read_bytes(), yaml.BaseLoader)
    except (OSError, yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        raise BoxlessError(f"{path} is no YAML; correct it.") from error

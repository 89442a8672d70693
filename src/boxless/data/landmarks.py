"""Images with landmarks: a folder with ``landmarks.csv``, whose columns are file_name, scale, x0, y0, x1, y1 and so on.

A landmark is a point that people have named, as the corner of an eye. Coordinates are pixels, x right, y down, the
centre of the top-left pixel at (0, 0). The scale of an image is what counts as 1 in its errors, in pixels: the
distance between the eyes, or the side of the image. Images of the folder that the file does not name have no landmarks.
"""

import csv
import io
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from boxless.data.bad_rows import bad_rows, file_below
from boxless.data.files import write_atomically
from boxless.data.images import UnreadableImage, read_image
from boxless.errors import BoxlessError

LANDMARKS_FILE = "landmarks.csv"


@dataclass(frozen=True, eq=False)
class Landmarks:
    """N images with T landmarks each.

    Attributes:
        paths: of the images.
        points: (N, T, 2) x and y.
        scales: (N,) above zero.
    """

    paths: list[Path]
    points: NDArray[np.float64]
    scales: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.paths)


@dataclass(frozen=True, eq=False)
class Marked:
    """An image to write.

    Attributes:
        name: of its file.
        data: of its file.
        points: (T, 2), or None where they are not known.
        scale: see ``Landmarks``.
    """

    name: str
    data: bytes
    points: NDArray[np.float64] | None
    scale: float


def read_landmarks(folder: str | os.PathLike[str]) -> tuple[Landmarks, list[str]]:
    """Read ``landmarks.csv`` and decode the images that it names.

    Returns:
        The images that can be read, and a sentence for each of the others.

    Raises:
        BoxlessError: there is no such file or folder, a row is bad (all are named at once), or no image can be read.
    """
    root = Path(folder)
    table = root / LANDMARKS_FILE
    paths: list[Path] = []
    seen: set[Path] = set()
    values: list[list[float]] = []
    problems, broken = [], []
    for line, row in _rows(table):
        try:
            numbers = _numbers(row[1:])
            if values and len(numbers) != len(values[0]):
                raise ValueError(f"{len(numbers)} numbers, where the rows before have {len(values[0])}")
            path = file_below(root, row[0])
            if path in seen:
                raise ValueError(f"{row[0]} is there twice")
            seen.add(path)
            paths.append(path)
            values.append(numbers)
        except ValueError as error:
            problems.append(f"line {line}: {error}")
    if problems:
        raise bad_rows(table, problems)
    kept = []
    for index, path in enumerate(paths):
        try:
            read_image(path, channels=1)
            kept.append(index)
        except UnreadableImage as error:
            broken.append(str(error))
    if not kept:
        raise BoxlessError(f"No image of {table} can be read; the first: {(broken or ['it names none'])[0]}")
    found = np.array([values[index] for index in kept])
    return Landmarks([paths[index] for index in kept], found[:, 1:].reshape(len(kept), -1, 2), found[:, 0]), broken


def write_landmarks(root: Path, images: Iterable[Marked]) -> int:
    """Write images and ``landmarks.csv``, which comes last: a folder without it is not finished.

    Args:
        root: of the folder, which is made; there must be no ``landmarks.csv`` in it yet.
        images: all have equally many landmarks, but for those that have none.

    Returns:
        How many images were written.

    Raises:
        BoxlessError: there is such a file already, or a name is given twice.
    """
    table = Path(root) / LANDMARKS_FILE
    if table.exists():
        raise BoxlessError(f"{table} is there already; give another folder, or delete this one.")
    written: set[str] = set()
    rows: list[list[str]] = []
    for image in images:
        if image.name in written:
            raise BoxlessError(f"There are two images {image.name} for {root}; name them differently.")
        write_atomically(Path(root) / image.name, image.data)
        written.add(image.name)
        if image.points is not None:
            rows.append([image.name, *(f"{value:.6g}" for value in (image.scale, *image.points.flatten()))])
    count = max((len(row) // 2 - 1 for row in rows), default=0)
    text = io.StringIO()
    header = ["file_name", "scale", *(f"{axis}{number}" for number in range(count) for axis in "xy")]
    csv.writer(text, lineterminator="\n").writerows([header, *rows])
    write_atomically(table, text.getvalue())
    return len(written)


def _rows(table: Path) -> list[tuple[int, list[str]]]:
    """Line number and cells of each row but the first that is not blank."""
    try:
        with table.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file)
            rows = [(reader.line_num, row) for row in reader]
    except FileNotFoundError as error:
        raise BoxlessError(f"There is no {table} (columns file_name, scale, x0, y0, ...); add it.") from error
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise BoxlessError(f"{table} is no CSV in UTF-8; save it again.") from error
    if not rows or rows[0][1][:2] != ["file_name", "scale"]:
        raise BoxlessError(f"{table} does not begin with the columns file_name and scale; add them.")
    return [(line, row) for line, row in rows[1:] if row]


def _numbers(cells: list[str]) -> list[float]:
    """Scale, x0, y0, and so on."""
    try:
        numbers = [float(cell) for cell in cells]
    except ValueError as error:
        raise ValueError(f"{str(error).rpartition(': ')[2]} is no number") from error
    if not np.isfinite(numbers).all() or len(numbers) < 3 or len(numbers) % 2 == 0:
        raise ValueError("a scale and pairs of x and y are needed, all finite")
    if not numbers[0] > 0:
        raise ValueError(f"the scale is above zero pixels, not {numbers[0]:g}")
    return numbers

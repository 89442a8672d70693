"""SVHN's ``digitStruct.mat``: a MATLAB 7.3 file, which is HDF5, of the digits and boxes in each image.

``digitStruct/name`` and ``digitStruct/bbox`` are columns of references, one an image. A name is a column of UTF-16
code units. A bbox is a group of label, left, top, width and height, each a column with one row a digit: of references
to 1×1 numbers, or, where an image has a single digit, of the number itself.
"""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from boxless.data.bad_rows import bad_rows
from boxless.errors import BoxlessError

FARTHEST = 1e6  # pixels; a coordinate beyond is a broken file
MOST_DIGITS = 100
MOST_IMAGES = 10**6  # SVHN has half as many, of single digits
LONGEST_NAME = 255
FIELDS = ("label", "left", "top", "width", "height")
ZERO = 10
"""The label of the digit 0."""


@dataclass(frozen=True)
class Digit:
    """A digit 0 to 9 and its box in pixels, with the corner of the top-left pixel at (0, 0)."""

    label: int
    left: float
    top: float
    width: float
    height: float

    def checked(self) -> Self:
        """The digit itself.

        Raises:
            ValueError: it is no digit, or the box has no size; the message is the reason.
        """
        if self.label not in range(10):
            raise ValueError(f"its label is {self.label}, no digit")
        numbers = (self.left, self.top, self.width, self.height)
        if not all(abs(number) <= FARTHEST for number in numbers) or self.width <= 0 or self.height <= 0:
            raise ValueError(f"its box (left, top, width, height) is {numbers}")
        return self


def read_digit_struct(path: Path) -> list[tuple[str, list[Digit]]]:
    """File name and digits of each image, both in the order of the file.

    Raises:
        BoxlessError: h5py is missing, the file is cut off or no such HDF5, or there are bad entries, which are all
            named at once.
    """
    try:
        import h5py
    except ImportError as error:
        raise BoxlessError(f"{path} needs the package h5py: pip install boxless[hdf5].") from error
    found: list[tuple[str, list[Digit]]] = []
    problems = []
    try:
        with h5py.File(path, "r") as file:
            tables = [file["digitStruct"][key] for key in ("name", "bbox")]
            if max(table.size for table in tables) > MOST_IMAGES:
                raise ValueError(f"more than {MOST_IMAGES:,} images")
            names, boxes = (table[()].reshape(-1) for table in tables)
            if len(names) != len(boxes):
                raise ValueError(f"{len(names)} names, and {len(boxes)} lists of boxes")
            for number, (name, box) in enumerate(zip(names, boxes, strict=True), start=1):
                try:
                    found.append((_name(file, name), _digits(file, box)))
                except ValueError as error:
                    problems.append(f"image {number}: {error}")
    except Exception as error:  # a reader of foreign bytes may fail with anything
        reason = (str(error).splitlines() or [""])[0].rstrip(".") or type(error).__name__
        raise BoxlessError(f"{path} is no digitStruct of SVHN ({reason}); unpack it again.") from error
    if problems:
        raise bad_rows(path, problems)
    return found


def _name(file: Any, reference: Any) -> str:
    units = file[reference]
    if not 1 <= units.size <= LONGEST_NAME:
        raise ValueError(f"its name has {units.size} characters")
    return "".join(chr(int(unit)) for unit in units[()].reshape(-1))


def _digits(file: Any, reference: Any) -> list[Digit]:
    group = file[reference]
    columns = [_column(file, group, field) for field in FIELDS]
    if len({len(column) for column in columns}) > 1:
        raise ValueError("its digits have not as many " + ", ".join(FIELDS))
    digits = []
    for number, (label, left, top, width, height) in enumerate(zip(*columns, strict=True), start=1):
        try:
            if not 1 <= label <= ZERO or label % 1:
                raise ValueError(f"its label is {label:g}, where 1 to {ZERO} are")
            digits.append(Digit(int(label) % ZERO, left, top, width, height).checked())
        except ValueError as error:
            raise ValueError(f"digit {number}: {error}") from error
    return digits


def _column(file: Any, group: Any, field: str) -> list[float]:
    if field not in group:
        raise ValueError(f"there is no {field}")
    if group[field].size > MOST_DIGITS:
        raise ValueError(f"it has {group[field].size} digits")
    values = group[field][()].reshape(-1)
    if values.dtype.kind == "O":  # references
        values = [file[reference][()].item() for reference in values]
    numbers = [float(value) for value in values]
    if not all(math.isfinite(number) for number in numbers):
        raise ValueError(f"a {field} is not finite")
    return numbers

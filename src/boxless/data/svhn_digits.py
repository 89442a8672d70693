"""SVHN format 2: single digits, 32×32, from the official ``.mat`` files or from a part of them as PNGs in a zip."""

import io
import os
import zipfile
import zlib
from collections.abc import Container
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from boxless.data.bad_rows import bad_rows
from boxless.data.glyphs import DIGIT_NAMES
from boxless.data.labelled_array import LabelledArray
from boxless.data.svhn import SOURCE, SPLITS
from boxless.data.tables import read_table, whole
from boxless.errors import BoxlessError

SIDE = 32
ZERO = 10
"""The label of the digit 0 in the .mat files."""

NUMBERS_AT_HAND = range(1, 257)
"""Whole numbers that evaluation uses: their digits are not to be trained on."""

MOST_VALUES = 1 << 31
MOST_BYTES = 1 << 16  # of the PNG of a digit


def read_svhn_digits(path: str | os.PathLike[str], split: str) -> LabelledArray:
    """Read ``train_32x32.mat``, ``test_32x32.mat`` or ``extra_32x32.mat``, whose label 10 is the digit 0.

    Args:
        path: of the folder.
        split: "train", "test" or "extra".

    Returns:
        Images (N, 32, 32, 3), and labels 0 to 9.

    Raises:
        BoxlessError: another split, the file is missing, cut off, corrupt, or of another kind.
    """
    if split not in SPLITS:
        raise BoxlessError(f"SVHN comes as {', '.join(SPLITS)}, not {split!r}.")
    file = Path(path) / f"{split}_32x32.mat"
    if not file.is_file():
        raise BoxlessError(f"There is no file {file}; {SOURCE}.")
    images, labels = _variables(file)
    if images.dtype != np.uint8 or images.shape[:3] != (SIDE, SIDE, 3) or images.ndim not in (3, 4):
        raise _broken(file, f"its X is {images.dtype} of the shape {images.shape}, not bytes of 32×32×3×N")
    images = images.reshape(SIDE, SIDE, 3, -1)  # MATLAB drops a last dimension of one
    labels = labels.reshape(-1)
    if labels.dtype.kind not in "uif" or len(labels) != images.shape[3]:
        raise _broken(file, f"its y has {len(labels)} labels of the type {labels.dtype} for {images.shape[3]} images")
    if not np.isin(labels, np.arange(1, ZERO + 1)).all():
        raise _broken(file, f"its labels are other than 1 to {ZERO}")
    return LabelledArray(np.ascontiguousarray(np.moveaxis(images, 3, 0)), labels.astype(np.int64) % ZERO, DIGIT_NAMES)


def read_svhn_digit_pngs(
    path: str | os.PathLike[str], without_numbers: Container[int] = NUMBERS_AT_HAND
) -> LabelledArray:
    """Read a part of format 2 as ``crops.zip`` of PNGs and ``crops_labels.csv``.

    Args:
        path: of the folder. The table has the columns crop (the name of the PNG without its suffix),
            full_number_image (the number of the format 1 image that the digit is cut from), digit_index and label,
            0 to 9.
        without_numbers: images of format 1 whose digits are left out.

    Returns:
        Images (N, 32, 32, 3), labels, and the numbers of the format 1 images as groups, in the order of the table.

    Raises:
        BoxlessError: a file is missing or broken, or there are bad rows, which are all named at once.
    """
    table, archive_path = Path(path) / "crops_labels.csv", Path(path) / "crops.zip"
    images, labels, groups, problems = [], [], [], []
    rows = read_table(table, ("crop", "full_number_image", "digit_index", "label"), SOURCE)
    try:
        with zipfile.ZipFile(archive_path) as archive:
            for line, row in rows:
                try:
                    label = whole(row, "label")
                    if label not in range(10):
                        raise ValueError(f"its label is {label}, no digit")
                    number = whole(row, "full_number_image")
                    if number not in without_numbers:
                        images.append(_png(archive, f"{row['crop'].strip()}.png"))
                        labels.append(label)
                        groups.append(number)
                except ValueError as error:
                    problems.append(f"line {line}: {error}")
    except FileNotFoundError as error:
        raise BoxlessError(f"There is no file {archive_path}; {SOURCE}.") from error
    except (OSError, zipfile.BadZipFile) as error:
        raise _broken(archive_path, str(error)) from error
    if problems:
        raise bad_rows(table, problems)
    pixels = np.array(images, np.uint8).reshape(-1, SIDE, SIDE, 3)
    return LabelledArray(pixels, np.array(labels, np.int64), DIGIT_NAMES, np.array(groups, np.int64))


def _variables(path: Path) -> tuple[NDArray[Any], NDArray[Any]]:
    """X and y, which are arrays of numbers: what else a MATLAB file may hold is not read."""
    from scipy.io import loadmat, whosmat

    try:
        kinds = {name: (shape, kind) for name, shape, kind in whosmat(path)}
        for name in ("X", "y"):
            shape, kind = kinds.get(name, ((), "missing"))
            if kind not in ("uint8", "double") or np.prod(shape, dtype=float) > MOST_VALUES:
                raise ValueError(f"its variable {name} is {kind} {shape}")
        values = loadmat(path, variable_names=["X", "y"], verify_compressed_data_integrity=True)
        return values["X"], values["y"]
    except Exception as error:  # a reader of foreign bytes may fail with anything
        raise _broken(path, str(error) or type(error).__name__) from error


def _png(archive: zipfile.ZipFile, name: str) -> NDArray[np.uint8]:
    try:
        if archive.getinfo(name).file_size > MOST_BYTES:
            raise ValueError(f"{name} has more than {MOST_BYTES:,} bytes")
        with Image.open(io.BytesIO(archive.read(name)), formats=["PNG"]) as image:
            if image.size != (SIDE, SIDE):
                raise ValueError(f"{name} is {image.width}×{image.height}, where digits are {SIDE}×{SIDE}")
            return np.asarray(image.convert("RGB"))
    except KeyError as error:
        raise ValueError(f"there is no {name} in the archive") from error
    except (OSError, SyntaxError, zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError) as error:
        raise ValueError(f"{name} cannot be decoded ({error})") from error


def _broken(path: Path, reason: str) -> BoxlessError:
    line = (reason.splitlines() or [""])[0].rstrip(".")
    return BoxlessError(f"{path} is broken ({line}); delete it and copy or download it again.")

"""SVHN format 1: photographs of house numbers at their native size, with a box for each digit.

Boxes come as left, top, width and height in a frame whose origin is the *corner* of the top-left pixel: SVHN's own
script shows MATLAB's columns left + 1 to left + width. (Its 32×32 crops, made anew in that frame, are met to the
rounding of a pixel's value.) Ours is the pixel's centre: left + width / 2 - 0.5. Boxes reach over the border by a
pixel here and there; they stay as they are.

The objects of an image are in the order of the file, which is the order of reading: ``truth.labels`` is the
transcription.
"""

import os
from collections.abc import Sequence
from pathlib import Path

from boxless.data.bad_rows import bad_rows, file_below
from boxless.data.digit_struct import Digit, read_digit_struct
from boxless.data.folder import Folder, LabelledImage
from boxless.data.glyphs import DIGIT_NAMES
from boxless.data.tables import read_table, whole
from boxless.errors import BoxlessError
from boxless.instances import Instances

SPLITS = ("train", "test", "extra")
SOURCE = "SVHN is had at http://ufldl.stanford.edu/housenumbers/ (for non-commercial use only)"

_COLUMNS = ("image", "width", "height", "digit_index", "label", "xmin", "ymin", "xmax", "ymax")
_Size = tuple[int, int]


def read_svhn(path: str | os.PathLike[str], split: str) -> Folder:
    """Read the boxes of a split; no image is opened (see ``boxless.data.folder.check_images``).

    Args:
        path: of the folder that holds, for the split "train", ``train/*.png`` and either ``train/digitStruct.mat`` (as
            ``train.tar.gz`` unpacks; needs the extra ``hdf5``) or the table ``train_boxes.csv``, one row a digit, with
            the columns image (the name of the PNG without its suffix), width, height, digit_index, label (0 to 9),
            xmin, ymin, xmax, ymax.
        split: "train", "test" or "extra".

    Returns:
        Images in the order of the file; the size of an image is known where it comes from a table.

    Raises:
        BoxlessError: another split, neither file is there, h5py is missing, or there are bad rows, which are all named
            at once.
    """
    if split not in SPLITS:
        raise BoxlessError(f"SVHN comes as {', '.join(SPLITS)}, not {split!r}.")
    root = Path(path)
    struct, table = root / split / "digitStruct.mat", root / f"{split}_boxes.csv"
    if struct.is_file():
        return _folder(root, split, struct, [(name, digits, None) for name, digits in read_digit_struct(struct)])
    if table.is_file():
        return _folder(root, split, table, _numbers_of_table(table))
    raise BoxlessError(f"There is neither {struct} nor {table}; {SOURCE}.")


def _folder(root: Path, split: str, where: Path, numbers: Sequence[tuple[str, list[Digit], _Size | None]]) -> Folder:
    images: list[LabelledImage] = []
    problems: list[str] = []
    seen: set[Path] = set()
    for name, digits, size in numbers:
        try:
            file = file_below(root / split, name)
            if file in seen:
                raise ValueError("it is there twice")
            seen.add(file)
            images.append(_labelled(file, digits, size))
        except ValueError as error:
            problems.append(f"image {name}: {error}")
    if problems:
        raise bad_rows(where, problems)
    if not images:
        raise BoxlessError(f"{where} names no image; copy it again.")
    return Folder(root, DIGIT_NAMES, images, in_reading_order=True)


def _labelled(path: Path, digits: list[Digit], size: _Size | None) -> LabelledImage:
    centers = [(digit.left + digit.width / 2 - 0.5, digit.top + digit.height / 2 - 0.5) for digit in digits]
    sizes = [(digit.width, digit.height) for digit in digits]
    labels = [digit.label for digit in digits]
    truth = Instances(centers, sizes, labels=labels, class_names=DIGIT_NAMES, image_size=size)
    return LabelledImage(path, tuple(sorted(labels)), truth)


def _numbers_of_table(path: Path) -> list[tuple[str, list[Digit], _Size | None]]:
    digits: dict[str, dict[int, Digit]] = {}
    sizes: dict[str, _Size] = {}
    problems = []
    for line, row in read_table(path, _COLUMNS, SOURCE):
        try:
            name, place = row["image"].strip(), whole(row, "digit_index")
            size = whole(row, "height"), whole(row, "width")
            if place in digits.setdefault(name, {}):
                raise ValueError(f"digit {place} of image {name} is there twice")
            if min(size) < 1 or sizes.setdefault(name, size) != size:
                raise ValueError(f"image {name} cannot be {size[1]}×{size[0]}")
            left, top = whole(row, "xmin"), whole(row, "ymin")
            box = (left, top, whole(row, "xmax") - left, whole(row, "ymax") - top)
            digits[name][place] = Digit(whole(row, "label"), *box).checked()
        except ValueError as error:
            problems.append(f"line {line}: {error}")
    if problems:
        raise bad_rows(path, problems)
    return [(f"{name}.png", [by[place] for place in sorted(by)], sizes[name]) for name, by in digits.items()]

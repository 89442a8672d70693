"""CelebA in the wild with five landmarks a face, for TUSK (section 4.3): large faces, tested on MAFL.

Images whose face covers under 30 % of them are left out. All but those of MAFL's test list are learned from; the
regressor of landmarks is fitted on MAFL's training list, and tested on its test list. An image is kept whole, shrunk so
that its longer side is 80 pixels, as PROTOCOL has it. The first two landmarks are the eyes, whose distance is the scale
of the errors.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from boxless.data.bad_rows import bad_rows, file_below
from boxless.data.images import UnreadableImage, to_tensor
from boxless.data.landmarks import LANDMARKS_FILE, Marked, write_landmarks
from boxless.data.prepared import png_bytes
from boxless.data.resize import centers_to_fitted, fit
from boxless.errors import BoxlessError

LEAST_SHARE = 0.3
LONGER_SIDE = 80
BOXES, POINTS = "Anno/list_bbox_celeba.txt", "Anno/list_landmarks_celeba.txt"
IMAGES = "Img/img_celeba"
MAFL = {"train": "MAFL/training.txt", "test": "MAFL/testing.txt"}
SOURCE = (
    "CelebA in the wild is had at http://mmlab.ie.cuhk.edu.hk/projects/CelebA.html and the lists of MAFL at "
    "https://github.com/zhzhanp/TCDCN-face-alignment (both for non-commercial research alone)"
)


@dataclass(frozen=True, eq=False)
class Celebrity:
    """What the lists say of an image, in pixels of it.

    Attributes:
        name: of its file.
        face: width times height of the face's box.
        points: (5, 2) left eye, right eye, nose, left and right corner of the mouth.
    """

    name: str
    face: float
    points: NDArray[np.float64]


def read_celeba(source: str | os.PathLike[str]) -> list[Celebrity]:
    """All faces of CelebA's two lists, in their order.

    Args:
        source: the folder with ``Anno``, ``Img/img_celeba`` and ``MAFL``.

    Raises:
        BoxlessError: a list is missing or has bad rows, or the two name other images.
    """
    root = Path(source)
    boxes, points = _listed(root / BOXES, 4), _listed(root / POINTS, 10)
    if boxes.keys() != points.keys():
        name = min(boxes.keys() ^ points.keys())
        raise BoxlessError(f"{name} is in one of {root / BOXES} and {root / POINTS} alone; copy both again.")
    return [Celebrity(name, box[2] * box[3], points[name].reshape(5, 2)) for name, box in boxes.items()]


def write_celeba(source: str | os.PathLike[str], root: str | os.PathLike[str]) -> tuple[dict[str, int], list[str]]:
    """Write the set as folders ``train`` and ``test``; a part that is there stays.

    The ``landmarks.csv`` of ``train`` names the images of MAFL's training list alone: on the others one learns without.

    Returns:
        How many images are in each part that was written, and a sentence for each image that is missing or broken.

    Raises:
        BoxlessError: a list is missing or bad.
    """
    faces = read_celeba(source)
    lists = {part: set(_lines(Path(source) / name)) for part, name in MAFL.items()}
    problems: list[str] = []
    counts = {}
    for part in ("train", "test"):
        if not (Path(root) / part / LANDMARKS_FILE).exists():
            chosen = [face for face in faces if (face.name in lists["test"]) == (part == "test")]
            large = _large(Path(source) / IMAGES, chosen, lists[part], problems)
            counts[part] = write_landmarks(Path(root) / part, large)
    return counts, problems


def _large(images: Path, faces: list[Celebrity], marked: set[str], problems: list[str]) -> Iterator[Marked]:
    """The images with large faces, small; with the landmarks of those that are marked."""
    for face in faces:
        try:
            pixels = to_tensor(file_below(images, face.name), channels=3)
        except UnreadableImage as error:
            problems.append(str(error))
            continue
        except ValueError as error:
            problems.append(f"{images}: {error}.")
            continue
        if face.face < LEAST_SHARE * pixels[0].numel():
            continue
        small, scale = fit(pixels, LONGER_SIDE)
        points = centers_to_fitted(torch.from_numpy(face.points), scale).numpy()
        between = float(np.linalg.norm(points[0] - points[1]))
        known = face.name in marked and between > 0
        yield Marked(f"{Path(face.name).stem}.png", png_bytes(small), points if known else None, between)


def _listed(path: Path, count: int) -> dict[str, NDArray[np.float64]]:
    """File name to ``count`` numbers, of a list whose first line is its length, and the second names the columns."""
    found, problems = {}, []
    for line, text in enumerate(_lines(path)[2:], start=3):
        name, *cells = text.split()
        try:
            values = np.array([float(cell) for cell in cells])
            if len(values) != count or not np.isfinite(values).all():
                raise ValueError
            found[name] = values
        except ValueError:
            problems.append(f"line {line}: a file name and {count} numbers are needed")
    if problems:
        raise bad_rows(path, problems)
    return found


def _lines(path: Path) -> list[str]:
    try:
        return [line.strip() for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    except FileNotFoundError as error:
        raise BoxlessError(f"There is no {path}; {SOURCE}.") from error
    except (OSError, UnicodeDecodeError) as error:
        raise BoxlessError(f"{path} is no text in UTF-8; copy it again.") from error

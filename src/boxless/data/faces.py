"""Faces of 128×128 pixels with 68 landmarks each, frames of YouTube Faces, parted by person.

The two halves of the release hold the same persons. Here all frames of a person are in one part: every fifth person,
by a hash of the name (the file name before the last underscore), is tested on. The scale of the errors is the distance
between the middles of the eyes, as that of CelebA, whose first two landmarks they are: the means of landmarks 36 to 41
and 42 to 47 of the 68.
"""

import csv
import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from boxless.data.bad_rows import bad_rows, file_below
from boxless.data.images import UnreadableImage, read_image
from boxless.data.landmarks import LANDMARKS_FILE, Marked, write_landmarks
from boxless.errors import BoxlessError

HALVES = {"training": "training_keypoints.csv", "test": "test_keypoints.csv"}
LANDMARKS = 68
EYES = (slice(36, 42), slice(42, 48))
EVERY = 5  # one person in so many is tested on
SOURCE = "the faces are had at https://github.com/udacity/P1_Facial_Keypoints (frames of YouTube Faces, research use)"


@dataclass(frozen=True, eq=False)
class Face:
    """A frame.

    Attributes:
        path: of the image.
        name: of the file that it becomes: the halves of the release use some names twice.
        points: (68, 2) x and y.
    """

    path: Path
    name: str
    points: NDArray[np.float64]


def between_eyes(points: NDArray[np.float64]) -> float:
    """The distance between the middles of the eyes of 68 landmarks (68, 2), in pixels."""
    return float(np.linalg.norm(points[EYES[0]].mean(axis=0) - points[EYES[1]].mean(axis=0)))


def is_tested(name: str) -> bool:
    """Whether the person of a file is in the test part: all of its frames are, or none."""
    person = Path(name).stem.rpartition("_")[0]
    return int.from_bytes(hashlib.sha256(person.encode()).digest()[:8], "big") % EVERY == 0


def read_faces(source: str | os.PathLike[str]) -> tuple[list[Face], list[str]]:
    """All frames of both halves.

    Args:
        source: the folder with ``training``, ``test`` and their ``*_keypoints.csv``.

    Returns:
        The frames in the order of the files, and a sentence for each that is missing or broken.

    Raises:
        BoxlessError: a list is missing, or has bad rows, which are all named at once.
    """
    faces, problems = [], []
    for half, listed in HALVES.items():
        for name, points in _listed(Path(source) / listed):
            try:
                path = file_below(Path(source) / half, name)
                read_image(path, channels=1)
                faces.append(Face(path, f"{half}_{name}", points))
            except (UnreadableImage, ValueError) as error:
                problems.append(f"{Path(source) / half}: {error}" if name not in str(error) else str(error))
    return faces, problems


def write_faces(source: str | os.PathLike[str], root: str | os.PathLike[str]) -> tuple[dict[str, int], list[str]]:
    """Write the set as folders ``train`` and ``test`` with ``landmarks.csv``; a part that is there stays.

    Returns:
        How many images are in each part that was written, and a sentence for each image that was left out.

    Raises:
        BoxlessError: see :func:`read_faces`.
    """
    faces, problems = read_faces(source)
    counts = {}
    for part in ("train", "test"):
        if not (Path(root) / part / LANDMARKS_FILE).exists():
            chosen = [face for face in faces if is_tested(face.path.name) == (part == "test")]
            counts[part] = write_landmarks(Path(root) / part, _marked(chosen))
    return counts, problems


def _marked(faces: list[Face]) -> Iterator[Marked]:
    for face in faces:
        yield Marked(face.name, face.path.read_bytes(), face.points, between_eyes(face.points))


def _listed(path: Path) -> list[tuple[str, NDArray[np.float64]]]:
    """File name and (68, 2) of each row."""
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.reader(file))[1:]
    except FileNotFoundError as error:
        raise BoxlessError(f"There is no {path}; {SOURCE}.") from error
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise BoxlessError(f"{path} is no CSV in UTF-8; copy it again.") from error
    found, problems = [], []
    for line, row in enumerate(rows, start=2):
        try:
            points = np.array([float(cell) for cell in row[1:]]).reshape(LANDMARKS, 2)
            if not np.isfinite(points).all() or between_eyes(points) == 0:
                raise ValueError
            found.append((row[0], points))
        except (ValueError, IndexError):
            problems.append(f"line {line}: a file name and {LANDMARKS} pairs of x and y are needed, the eyes apart")
    if problems:
        raise bad_rows(path, problems)
    return found

"""Faces with 68 landmarks in the format of their release, for tests."""

from pathlib import Path

import numpy as np
from PIL import Image

PERSONS = [f"Jane_Doe-{letter}" for letter in "abcdefghijklmnop"]


def face(shift: float) -> np.ndarray:
    """68 points along a line; the middles of the eyes are at 38.5 and 44.5 of it."""
    return np.stack([np.arange(68.0), 2 * np.arange(68.0)], axis=1) + shift


def release(root: Path, training: list[str], test: list[str]) -> Path:
    """The two halves, each frame of a grey of its own."""
    for half, names in (("training", training), ("test", test)):
        lines = [",".join(["file", *(f"{axis}{number}" for number in range(68) for axis in "xy")])]
        (root / half).mkdir(parents=True)
        for number, name in enumerate(names):
            Image.new("RGB", (128, 128), (number, 0, 0)).save(root / half / name, format="PNG")
            lines.append(",".join([name, *(f"{value:.2f}" for value in face(number).flatten())]))
        (root / f"{half}_keypoints.csv").write_text("\n".join(lines) + "\n")
    return root

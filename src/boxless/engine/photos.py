"""Sets of photos that experiments learn from, written as folders once from what ``BOXLESS_DATA`` holds."""

import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from boxless.data.faces import write_faces
from boxless.data.landmarks import LANDMARKS_FILE
from boxless.data.raccoon import write_raccoons
from boxless.errors import BoxlessError


class Photos(NamedTuple):
    """How a set is written, and the file that comes last in each of its parts."""

    write: Callable[[Path, Path], tuple[dict[str, int], list[str]]]
    last: str = LANDMARKS_FILE


SETS = {
    "raccoon": Photos(write_raccoons, "coco.json"),
    "faces": Photos(write_faces),
}


def photos(name: str, root: Path) -> tuple[Path, Path]:
    """The folders to learn from and to be tested on.

    Args:
        name: of the set.
        root: the folder of all such sets, in which it is written unless it is there.

    Raises:
        BoxlessError: the set is not among the data.
    """
    parts = root / name / "train", root / name / "test"
    if not all((part / SETS[name].last).exists() for part in parts):
        data = os.environ.get("BOXLESS_DATA")
        if not data:
            raise BoxlessError(f"Put the set {name} into a folder, and name that in the variable BOXLESS_DATA.")
        for problem in SETS[name].write(Path(data) / name, root / name)[1]:
            logging.getLogger("boxless").warning("left out: %s", problem)
    return parts

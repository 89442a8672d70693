"""Sets of images that experiments learn from, written as folders once from what ``BOXLESS_DATA`` holds."""

import logging
import os
from collections.abc import Callable
from pathlib import Path

from boxless.data.clevr import write_clevr
from boxless.data.faces import write_faces
from boxless.data.landmarks import LANDMARKS_FILE
from boxless.data.multi_objects import write_clevr_with_masks, write_tetrominoes
from boxless.data.raccoon import write_raccoons
from boxless.data.svhn_crops import write_svhn_crops
from boxless.errors import BoxlessError

SETS: dict[str, Callable[[Path, Path], tuple[dict[str, int], list[str]] | None]] = {
    "raccoon": write_raccoons,
    "svhn": write_svhn_crops,
    "faces": write_faces,
    "clevr": write_clevr,
    "clevr_with_masks": write_clevr_with_masks,
    "tetrominoes": write_tetrominoes,
}

LAST = ("coco.json", LANDMARKS_FILE)  # written last: a part without it is not finished


def photos(name: str, root: Path) -> tuple[Path, Path]:
    """The folders to learn from and to be tested on.

    Args:
        name: of the set.
        root: the folder of all such sets, in which it is written unless it is there.

    Raises:
        BoxlessError: the set is not among the data.
    """
    parts = root / name / "train", root / name / "test"
    if not all(any((part / last).exists() for last in LAST) for part in parts):
        data = os.environ.get("BOXLESS_DATA")
        if not data:
            raise BoxlessError(f"Put the set {name} into a folder, and name that in the variable BOXLESS_DATA.")
        written = SETS[name](Path(data) / name, root / name)
        for problem in () if written is None else written[1]:
            logging.getLogger("boxless").warning("left out: %s", problem)
    return parts

"""Sets of photos that experiments learn from, written as folders once from what ``BOXLESS_DATA`` holds."""

import os
from pathlib import Path

from boxless.data.raccoon import write_raccoons
from boxless.data.svhn_crops import write_svhn_crops
from boxless.errors import BoxlessError

SETS = {"raccoon": write_raccoons, "svhn": write_svhn_crops}


def photos(name: str, root: Path) -> tuple[Path, Path]:
    """The folders to learn from and to be tested on.

    Args:
        name: of the set.
        root: the folder of all such sets, in which it is written unless it is there.

    Raises:
        BoxlessError: the set is not among the data.
    """
    parts = root / name / "train", root / name / "test"
    if not all((part / "coco.json").exists() for part in parts):
        data = os.environ.get("BOXLESS_DATA")
        if not data:
            raise BoxlessError(f"Put the set {name} into a folder, and name that in the variable BOXLESS_DATA.")
        SETS[name](Path(data) / name, root / name)
    return parts

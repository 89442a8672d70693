"""Sets of images that experiments learn from, written as folders once from what ``BOXLESS_DATA`` holds."""

import logging
import os
from pathlib import Path

from boxless.data.landmarks import LANDMARKS_FILE
from boxless.data.metadata import METADATA_FILE
from boxless.data.released import RELEASED
from boxless.errors import BoxlessError

OF_SEVERAL = ("raccoon_among_photos",)  # which are made of more than one folder of BOXLESS_DATA
LAST = ("coco.json", LANDMARKS_FILE, METADATA_FILE)  # written last: a part without it is not finished


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
        _, problems = RELEASED[name](Path(data) / ("" if name in OF_SEVERAL else name), root / name)
        for problem in problems:
            logging.getLogger("boxless").warning("left out: %s", problem)
    return parts

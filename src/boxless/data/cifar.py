"""CIFAR-10 in its binary version: files of records of a class id and a 32×32 image. Its Python version is pickles."""

import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from boxless.data.labelled_array import LabelledArray
from boxless.errors import BoxlessError

SIDE = 32
RECORD = 1 + 3 * SIDE * SIDE
CLASS_NAMES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
FILES = {"train": tuple(f"data_batch_{number}.bin" for number in range(1, 6)), "test": ("test_batch.bin",)}
FOLDER = "cifar-10-batches-bin"
MOST_RECORDS = 60_000
SOURCE = (
    "the binary version of CIFAR-10 is had at https://www.cs.toronto.edu/~kriz/cifar.html "
    "(no licence is stated; its author asks to be cited)"
)


def read_cifar10(path: str | os.PathLike[str], split: str) -> LabelledArray:
    """Read all images of a split, in the order of the files.

    Args:
        path: the folder of the ``.bin`` files, or the one that holds it as ``cifar-10-batches-bin``.
        split: "train" (data_batch_1.bin to data_batch_5.bin) or "test" (test_batch.bin).

    Returns:
        Images (N, 32, 32, 3) with the names of ``batches.meta.txt``, or ``CLASS_NAMES`` where it is missing.

    Raises:
        BoxlessError: another split, a file is missing, is cut off, or holds another class than 0 to 9.
    """
    if split not in FILES:
        raise BoxlessError(f'CIFAR-10 comes as "train" or "test", not {split!r}.')
    root = Path(path)
    root = root / FOLDER if (root / FOLDER).is_dir() else root
    records = np.concatenate([_records(root / name) for name in FILES[split]])
    planes = records[:, 1:].reshape(-1, 3, SIDE, SIDE)
    images = np.ascontiguousarray(planes.transpose(0, 2, 3, 1))
    return LabelledArray(images, records[:, 0].astype(np.int64), _class_names(root / "batches.meta.txt"))


def _records(path: Path) -> NDArray[np.uint8]:
    """(N, 3073): the class id, then the red, the green and the blue plane, row by row."""
    try:
        size = path.stat().st_size
        if size == 0 or size % RECORD or size > MOST_RECORDS * RECORD:
            raise BoxlessError(
                f"{path} holds {size:,} bytes, which is no whole number of CIFAR-10's records of {RECORD} "
                f"(1 to {MOST_RECORDS:,} of them); copy or download it again."
            )
        values = np.frombuffer(path.read_bytes(), np.uint8)
    except FileNotFoundError as error:
        raise BoxlessError(f"There is no file {path}; {SOURCE}.") from error
    except OSError as error:
        raise BoxlessError(f"{path} cannot be read ({error.strerror}); check the name and the rights.") from error
    records = values[: values.size - values.size % RECORD].reshape(-1, RECORD)
    wrong = np.flatnonzero(records[:, 0] >= len(CLASS_NAMES))
    if wrong.size:
        raise BoxlessError(
            f"{path} is not CIFAR-10: record {wrong[0] + 1} has the class {records[wrong[0], 0]}, where 0 to 9 are; "
            "copy or download it again."
        )
    return records


def _class_names(path: Path) -> tuple[str, ...]:
    if not path.is_file():
        return CLASS_NAMES
    names = tuple(path.read_bytes().decode("utf-8", errors="replace").split())
    if len(names) != len(CLASS_NAMES) or len(set(names)) != len(names):
        raise BoxlessError(f"{path} gives {len(set(names))} different names, where CIFAR-10 has 10 classes; delete it.")
    return names

"""The HDF5 files that TUSK's release makes of DeepMind's sets: a group a feature, and in it an array a scene."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from boxless.errors import BoxlessError

LARGEST = 2**26  # values of an array; the masks of CLEVR are a million


def read_scenes(path: Path, names: Sequence[str]) -> Iterator[dict[str, NDArray[Any]]]:
    """The arrays of each scene in turn, in the order of the scenes' keys, as "000000".

    Args:
        path: of the file.
        names: of the features to read; one that a scene lacks is left out.

    Raises:
        BoxlessError: h5py is missing, or the file is cut off or no such HDF5.
    """
    try:
        import h5py
    except ImportError as error:
        raise BoxlessError(f"{path} needs the package h5py: pip install boxless[hdf5].") from error
    try:
        with h5py.File(path, "r") as file:
            for key in sorted(file["image"]):
                yield {name: _array(file[name][key]) for name in names if name in file and key in file[name]}
    except Exception as error:  # a reader of foreign bytes may fail with anything
        reason = (str(error).splitlines() or [""])[0].rstrip(".") or type(error).__name__
        raise BoxlessError(f"{path} is no HDF5 file of scenes, or broken ({reason}); make it again.") from error


def _array(dataset: Any) -> NDArray[Any]:
    if dataset.size > LARGEST:
        raise ValueError(f"an array has {dataset.size:,} values")
    values: NDArray[Any] = dataset[()]
    return values

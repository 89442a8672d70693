"""Files that are either whole or not there."""

import os
import secrets
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from boxless.errors import BoxlessError


def write_atomically(path: Path, data: bytes | str) -> None:
    """Write ``data`` to ``path`` so that a kill or a full disk leaves the old file or the new one, never a part.

    The data goes to a temporary file in the same folder (made if missing), is synced, and renamed. Text is UTF-8, with
    an escape for each byte of a file name that is none.

    Raises:
        OSError: it cannot be written; a full disk, too, with ``path`` as its filename.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(data, str):
        data = data.encode("utf-8", "backslashreplace")
    temporary = path.parent / f".{secrets.token_hex(8)}.tmp"  # opened with the rights that the user gives new files
    try:
        with naming(path), temporary.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException as error:
        with suppress(OSError):
            temporary.unlink()
        if isinstance(error, OSError) and error.filename == str(temporary):
            error.filename = str(path)
        raise


def check_writable(path: Path) -> None:
    """Make the folder of a file to come, and try it: before the work whose result is to lie there.

    Raises:
        OSError: nothing can be written there, with ``path`` as its filename.
    """
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent):
            pass
    except OSError as error:
        error.filename = str(path)
        raise


def check_folder(path: Path) -> None:
    """That a folder is there or can be made, and written to; none is made yet. Before the work that is to lie there.

    Raises:
        BoxlessError: it, or what it is to lie in, is a file.
        OSError: nothing can be written there, with ``path`` as its filename.
    """
    nearest = next(place for place in (path, *path.absolute().parents) if place.exists())
    if not nearest.is_dir():
        raise BoxlessError(f"{nearest} is a file, where a folder is needed; give another name.")
    try:
        with tempfile.NamedTemporaryFile(dir=nearest):
            pass
    except OSError as error:
        error.filename = str(path)
        raise


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Give an error of the system in here this file's name: a full disk names none."""
    try:
        yield
    except OSError as error:
        error.filename = error.filename or str(path)
        raise

"""What is wrong with a user's table: every bad row in one error, and the names of files that rows may give."""

import os
from collections.abc import Sequence
from pathlib import Path

from boxless.errors import BoxlessError

MOST_SHOWN = 20


def bad_rows(where: str | os.PathLike[str], problems: Sequence[str]) -> BoxlessError:
    """The error for all bad rows of a file at once: one sentence, then one line a row, at most ``MOST_SHOWN``."""
    rows = "1 bad row" if len(problems) == 1 else f"{len(problems)} bad rows"
    lines = [f"{os.fspath(where)} has {rows}; correct them and start again:"]
    lines += [f"  {problem}" for problem in problems[:MOST_SHOWN]]
    if len(problems) > MOST_SHOWN:
        lines.append(f"  and {len(problems) - MOST_SHOWN} more")
    return BoxlessError("\n".join(lines))


def file_below(folder: Path, name: str, also_in: Sequence[str] = ()) -> Path:
    """The file that a row names, relative to ``folder``, or else to one of the folders ``also_in`` in it.

    Raises:
        ValueError: the name is empty, leaves the folder, or there is no such file; the message is the reason.
    """
    relative = os.path.normpath(name)
    if not name:
        raise ValueError("there is no file name")
    if Path(name).anchor or relative.split(os.sep)[0] == os.pardir:
        raise ValueError(f"{name} leads out of the folder")
    for parent in ("", *also_in):
        path = folder / parent / relative
        if os.path.isfile(path):
            return path
    raise ValueError(f"there is no file {name}")

"""CSV tables that come with public data sets: named columns, each row with its line number for what is wrong in it."""

import csv
import io
from collections.abc import Sequence
from pathlib import Path

from boxless.data.bad_rows import bad_rows
from boxless.errors import BoxlessError


def read_table(path: Path, columns: Sequence[str], source: str) -> list[tuple[int, dict[str, str]]]:
    """The rows of a table, with the number of the line that each ends on.

    Args:
        path: of a UTF-8 file whose first line names the columns.
        columns: those that must be there.
        source: where the set is had, for the error of a missing file.

    Raises:
        BoxlessError: the file is missing, no CSV, lacks a column, or a row has another number of cells than the head.
    """
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError as error:
        raise BoxlessError(f"There is no file {path}; {source}.") from error
    except (OSError, UnicodeDecodeError) as error:
        raise BoxlessError(f"{path} cannot be read ({error}); copy it again.") from error
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        records = [(reader.line_num, cells) for cells in reader if cells]
    except csv.Error as error:
        raise BoxlessError(f"{path} is no CSV from line {reader.line_num} on ({error}); copy it again.") from error
    head = [name.strip() for name in records[0][1]] if records else []
    if not set(columns) <= set(head) or len(set(head)) < len(head):
        raise BoxlessError(f"{path} has the columns {', '.join(head) or '(none)'}, and needs {', '.join(columns)}.")
    problems = [
        f"line {line}: {len(cells)} cells, where the head has {len(head)}"
        for line, cells in records[1:]
        if len(cells) != len(head)
    ]
    if problems:
        raise bad_rows(path, problems)
    return [(line, dict(zip(head, cells, strict=True))) for line, cells in records[1:]]


def whole(row: dict[str, str], column: str) -> int:
    """The whole number in a cell.

    Raises:
        ValueError: there is another text; the message is the reason.
    """
    text = row[column].strip()
    digits = text.removeprefix("-")
    if not (digits.isascii() and digits.isdigit()) or len(digits) > 9:
        raise ValueError(f"its {column} is {text!r}, no whole number")
    return int(text)

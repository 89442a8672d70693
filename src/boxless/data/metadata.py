"""A user's ``metadata.csv``: which labels each image has.

The table has the columns ``file_name``, relative to the table's folder, and ``labels``; others are passed over. Where
its first line has no comma, semicolons or tabs may separate the columns, as spreadsheets of many countries write them.
Labels are class names separated by blanks, "3 3 7", or with counts, "cell:12 debris:3"; empty for none. A class whose
name has blanks, of a model or of the COCO file beside the table, is written with underscores: red_cell.
"""

import csv
import io
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from boxless.data.bad_rows import bad_rows, file_below
from boxless.errors import BoxlessError

METADATA_FILE = "metadata.csv"
MOST_IN_AN_IMAGE = 100_000
"""More objects in one image are a slip of the pen."""
MOST_NAMES = 20  # of classes in a sentence


@dataclass(frozen=True)
class Row:
    """One image of the table.

    Attributes:
        path: of the image.
        counts: how often each class name occurs; a name that is given with the count 0 is there with 0.
    """

    path: Path
    counts: Counter[str]


def read_metadata(path: Path, class_names: Sequence[str] | None) -> list[Row]:
    """Read and check the table: UTF-8 with or without a byte order mark, any line ends, names quoted or not.

    Args:
        path: of the CSV file; its folder is what file names are relative to.
        class_names: the classes there are, or None where the table says which.

    Returns:
        The rows in their order.

    Raises:
        BoxlessError: it is no CSV with these columns, it has no row, or there are bad rows, which are all named by
            their line: a wrong number of columns, a file that is missing, outside the folder or given twice, an
            unknown class, a count that is negative or no whole number.
    """
    header, records, problems = _records(path)
    if "file_name" not in header or "labels" not in header or len(set(header)) < len(header):
        raise BoxlessError(
            f"{path} has the columns {', '.join(header) or '(none)'}, where file_name and labels are needed, "
            "once each and separated by commas; correct its first line."
        )
    rows: list[Row] = []
    first_lines: dict[Path, int] = {}
    known, unknown = False, dict[str, None]()
    for line, cells in records:
        if len(cells) != len(header):
            problems[line] = f"{_columns(len(cells))}, where the head has {len(header)} (quote names with commas)"
            continue
        record = dict(zip(header, cells, strict=True))
        counts, reasons, others = _counts(record["labels"], class_names)
        known |= bool(counts)
        unknown |= dict.fromkeys(others)
        try:
            image = file_below(path.parent, record["file_name"].strip())
            if image in first_lines:
                raise ValueError(f"{record['file_name'].strip()} is on line {first_lines[image]} already")
            first_lines[image] = line
            rows.append(Row(image, counts))
        except ValueError as error:
            reasons.insert(0, str(error))
        if reasons:
            problems[line] = "; ".join(dict.fromkeys(reasons))
    if unknown and not known:
        raise BoxlessError(
            f"{path} names {_some(unknown)}, and none of the classes that are known: {_some(class_names or ())}; it is "
            "of other data."
        )
    if problems:
        raise bad_rows(path, [f"line {line}: {problems[line]}" for line in sorted(problems)])
    if not rows:
        raise BoxlessError(f"{path} names no image; add a row for each.")
    return rows


def _records(path: Path) -> tuple[list[str], list[tuple[int, list[str]]], dict[int, str]]:
    """The head, then line number and cells of each row that is not blank, then what cannot be parsed, by line."""
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BoxlessError(f"{path} is not UTF-8 (byte {error.start}); save it as CSV UTF-8.") from error
    except OSError as error:
        raise BoxlessError(f"{path} cannot be read ({error.strerror}); check the name and the rights.") from error
    head = text.partition("\n")[0]
    mark = "," if "," in head else next((mark for mark in ";\t" if mark in head), ",")
    reader = csv.reader(io.StringIO(text, newline=""), strict=True, delimiter=mark)
    records: list[tuple[int, list[str]]] = []
    line = 1
    try:
        for cells in reader:
            if cells:
                records.append((line, cells))
            line = reader.line_num + 1
    except csv.Error as error:  # what follows cannot be told apart
        return _header(records), records[1:], {line: f"no CSV from here on ({error})"}
    return _header(records), records[1:], {}


def _header(records: list[tuple[int, list[str]]]) -> list[str]:
    return [name.strip() for name in records[0][1]] if records else []


def _columns(count: int) -> str:
    return f"{count} column{'' if count == 1 else 's'}"


def _some(names: Iterable[str]) -> str:
    names = list(names)
    return ", ".join(names[:MOST_NAMES]) + (f" and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else "")


def _counts(labels: str, class_names: Sequence[str] | None) -> tuple[Counter[str], list[str], list[str]]:
    """Counts by class name, what is wrong with them, and the names that are not known."""
    counts: Counter[str] = Counter()
    reasons, unknown = [], []
    joined = {name.replace(" ", "_"): name for name in class_names or () if " " in name}
    for token in labels.split():
        name, colon, number = token.rpartition(":")
        if not colon or (class_names is not None and token in class_names):
            name, number = token, "1"
        if class_names is not None and name not in class_names:
            name = joined.get(name, name)
        if re.fullmatch(r"-[0-9]+", number):
            reasons.append(f"the count of {name} is negative ({number})")
        elif not re.fullmatch(r"\+?[0-9]{1,18}", number) or not name:
            reasons.append(f"{token} is not a class name, nor one with a colon and a whole number")
        elif re.search("[,;]", name) and (class_names is None or name not in class_names):
            reasons.append(f"{token} is not a class name: labels are separated by blanks alone, as in red red blue")
        elif class_names is not None and name not in class_names:
            unknown.append(name)
            reasons.append(f"unknown class {name} (known: {_some(class_names)})")
        elif counts.total() + int(number) > MOST_IN_AN_IMAGE:
            reasons.append(f"more than {MOST_IN_AN_IMAGE} objects, with {token}")
        else:
            counts[name] += int(number)
    return counts, reasons, unknown

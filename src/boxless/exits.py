"""Detections of many images, written to one file: COCO, CSV, parquet or Label Studio tasks."""

import csv
import io
import json
from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal, cast, get_args

from boxless.data.coco import FOUND, write_coco
from boxless.data.files import write_atomically
from boxless.errors import BoxlessError
from boxless.instances import Instances

Format = Literal["coco", "csv", "parquet", "label-studio"]
Items = Iterable[tuple[str, Instances]]

SUFFIXES: dict[str, Format] = {".json": "coco", ".csv": "csv", ".parquet": "parquet"}
COLUMNS = ("file_name", "label", "name", "score", "x", "y", "width", "height")


def write(path: Path | str, items: Items, format: Format | None = None) -> None:
    """Write the instances of many images to one file, which is whole or not there.

    Args:
        path: the file to write; its folder is made if it is missing.
        items: (file name, instances) of each image, looked at one by one: of a generator, no instances stay in memory.
            COCO and Label Studio need their ``image_size``.
        format: "coco", "csv", "parquet" or "label-studio"; by the suffix (.json is COCO) where None.

    Raises:
        BoxlessError: a format or suffix that is not known, parquet without pyarrow, an image without the size that
            the format needs; for COCO also class names that differ between images, and a file name given twice.
    """
    path = Path(path)
    chosen = format_of(path, format)
    if chosen == "coco":
        write_coco(path, items, description=FOUND)
    elif chosen == "csv":
        write_atomically(path, _csv(items))
    elif chosen == "parquet":
        write_atomically(path, _parquet(items))
    else:
        write_atomically(path, json.dumps(label_studio_tasks(items)))


def label_studio_tasks(items: Items) -> list[dict[str, Any]]:
    """Label Studio's import format: for each image a task whose prediction is the instances, in percent.

    The file name stands in ``data["image"]`` as it is; Label Studio opens it as a URL or a path of its own storage.

    Raises:
        BoxlessError: an image without a size.
    """
    tasks = []
    for file_name, instances in items:
        if instances.image_size is None:
            raise BoxlessError(f"{file_name} has no image_size, which Label Studio's percent need; add it.")
        tasks.append({"data": {"image": file_name}, "predictions": [instances.to_label_studio()]})
    return tasks


def format_of(path: Path | str, format: str | None = None) -> Format:
    """The format to write a file in, before there is anything to write.

    Raises:
        BoxlessError: a format or suffix that is not known, or parquet without pyarrow.
    """
    path = Path(path)
    if format is None and path.suffix.lower() not in SUFFIXES:
        raise BoxlessError(
            f"{path.name} does not tell its format: end it in {', '.join(SUFFIXES)}, or name the format"
            f" ({', '.join(get_args(Format))})."
        )
    chosen = SUFFIXES[path.suffix.lower()] if format is None else format
    if chosen not in get_args(Format):
        raise BoxlessError(f"there is no format {chosen!r}: take one of {', '.join(get_args(Format))}.")
    if chosen == "parquet" and find_spec("pyarrow") is None:
        raise BoxlessError("parquet needs the package pyarrow: pip install boxless[parquet].")
    return cast(Format, chosen)


def _rows(items: Items) -> list[dict[str, Any]]:
    return [row for file_name, instances in items for row in instances.to_rows(_in_utf8(file_name))]


def _in_utf8(name: str) -> str:
    """The name with an escape for each byte that is no UTF-8, as files of another system may have."""
    return name.encode("utf-8", "backslashreplace").decode()


def _csv(items: Items) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(_rows(items))
    return text.getvalue()


def _parquet(items: Items) -> bytes:
    import pyarrow
    import pyarrow.parquet

    types = (pyarrow.string(), pyarrow.int64(), pyarrow.string(), *[pyarrow.float32()] * 5)
    schema = pyarrow.schema(list(zip(COLUMNS, types, strict=True)))
    buffer = io.BytesIO()
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(_rows(items), schema=schema), buffer)
    return buffer.getvalue()

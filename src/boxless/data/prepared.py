"""Images of a public set, written as a folder like a user's: PNGs with a COCO file of boxes, or a table of labels.

Where the object of each pixel is known, ``segments/*.png`` hold its number, from 1 on; 0 is background.
"""

import csv
import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from os import PathLike
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from boxless.data.coco import write_coco
from boxless.data.files import write_atomically
from boxless.data.labelled_array import LabelledArray
from boxless.data.metadata import METADATA_FILE
from boxless.errors import BoxlessError
from boxless.image_progress import ImageProgress
from boxless.instances import Instances

Prepared = tuple[str, Tensor, Instances] | tuple[str, Tensor, Instances, Tensor]


def write_folder(
    root: Path,
    images: Iterable[Prepared],
    attributes: Mapping[str, Sequence[str]] | None = None,
    in_reading_order: bool = False,
) -> int:
    """Write ``images/*.png`` and ``coco.json``, so that ``boxless.data.folder.read_folder`` reads them.

    ``coco.json`` comes last: a folder without it is not finished. Of the images one at a time is in memory.

    Args:
        root: of the folder, which is made; there must be no ``coco.json`` in it yet.
        images: file name (its suffix becomes ``.png``), pixels (3, H, W) in [0, 1], and objects with ``image_size``;
            all agree in class names. Then (H, W) integers up to 255, the object of each pixel, where it is known.
        attributes: of classes that combine some, see ``boxless.data.attributes``.
        in_reading_order: said in the file, of the objects of each image.

    Returns:
        How many images were written.

    Raises:
        BoxlessError: there is such a folder already, or a name is given twice.
    """
    table = root / "coco.json"
    if table.exists():
        raise BoxlessError(f"{table} is there already; give another folder, or delete this one.")
    written: dict[str, Instances] = {}
    with ImageProgress("writing", None) as writing:
        for given, pixels, truth, *segments in writing.over(images):
            name = f"{Path(given).stem}.png"
            if name in written:
                raise BoxlessError(f"There are two images {name} for {root}; name them differently.")
            write_atomically(root / "images" / name, png_bytes(pixels))
            for numbers in segments:
                write_atomically(root / "segments" / name, _png(numbers))
            written[name] = truth
    write_coco(table, list(written.items()), attributes, in_reading_order)
    return len(written)


def write_labelled(root: Path, array: LabelledArray) -> int:
    """Write ``images/*.png``, named by their number, and ``metadata.csv``, which comes last, with the label of each.

    Returns:
        How many images were written.
    """
    table = io.StringIO()
    rows = csv.writer(table)
    rows.writerow(("file_name", "labels"))
    with ImageProgress("writing", len(array.labels)) as writing:
        for number, (pixels, label) in enumerate(writing.over(zip(array.images, array.labels, strict=True))):
            name = f"images/{number:06}.png"
            write_atomically(root / name, _png(torch.from_numpy(pixels)))
            rows.writerow((name, array.class_names[label]))
    write_atomically(root / METADATA_FILE, table.getvalue())
    return len(array.labels)


def write_labelled_parts(
    read: Callable[[str | PathLike[str], str], LabelledArray],
    source: str | PathLike[str],
    root: str | PathLike[str],
) -> tuple[dict[str, int], list[str]]:
    """Write ``train`` and ``test`` of a set as folders that ``read_folder`` reads; a part that is there stays.

    Args:
        read: a part of the set, by its folder and the name of the part.
        source: the folder that it lies in.
        root: where.

    Returns:
        How many images are in each part that was written, and no sentence: such a set is whole or not read at all.

    Raises:
        BoxlessError: see ``read``.
    """
    missing = [part for part in ("train", "test") if not (Path(root) / part / METADATA_FILE).exists()]
    return {part: write_labelled(Path(root) / part, read(source, part)) for part in missing}, []


def png_bytes(pixels: Tensor) -> bytes:
    """The file of an image (3, H, W) in [0, 1]."""
    return _png((pixels.clamp(0, 1) * 255).round().permute(1, 2, 0))


def _png(values: Tensor) -> bytes:
    """Of whole numbers from 0 to 255, (H, W) or (H, W, 3)."""
    data = io.BytesIO()
    Image.fromarray(values.byte().contiguous().numpy()).save(data, format="PNG")
    return data.getvalue()

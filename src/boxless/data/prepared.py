"""Images that were cropped and resized, written as a folder like a user's: PNGs and a COCO file of their boxes."""

import io
from collections.abc import Iterable
from pathlib import Path

from PIL import Image
from torch import Tensor

from boxless.data.coco import write_coco
from boxless.data.files import write_atomically
from boxless.errors import BoxlessError
from boxless.instances import Instances


def write_folder(root: Path, images: Iterable[tuple[str, Tensor, Instances]], in_reading_order: bool = False) -> int:
    """Write ``images/*.png`` and ``coco.json``, so that ``boxless.data.folder.read_folder`` reads them.

    ``coco.json`` comes last: a folder without it is not finished. Of the images one at a time is in memory.

    Args:
        root: of the folder, which is made; there must be no ``coco.json`` in it yet.
        images: file name (its suffix becomes ``.png``), pixels (3, H, W) in [0, 1], and objects with ``image_size``;
            all agree in class names.
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
    for given, pixels, truth in images:
        name = f"{Path(given).stem}.png"
        if name in written:
            raise BoxlessError(f"There are two images {name} for {root}; name them differently.")
        write_atomically(root / "images" / name, _png(pixels))
        written[name] = truth
    write_coco(table, list(written.items()), in_reading_order)
    return len(written)


def _png(pixels: Tensor) -> bytes:
    values = (pixels.clamp(0, 1) * 255).round().byte().permute(1, 2, 0).contiguous().numpy()
    data = io.BytesIO()
    Image.fromarray(values).save(data, format="PNG")
    return data.getvalue()

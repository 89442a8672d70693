"""SVHN in small, in its own format: digits are bright blocks in the colour of their class on dark grey."""

import io
import zipfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

GROUND = 40
HEAD = "image,width,height,digit_index,label,xmin,ymin,xmax,ymax"


def digit_tile(label: int) -> NDArray[np.uint8]:
    """(32, 32, 3): a block of 8×24 pixels in the middle; red, green or blue by the label."""
    tile = np.full((32, 32, 3), GROUND, np.uint8)
    tile[4:28, 12:20, label % 3] = 220
    return tile


def write_svhn(root: Path, crops: dict[int, list[int]], numbers: dict[str, list[str]]) -> Path:
    """The folder ``svhn``.

    Args:
        root: of the folder.
        crops: number of the photograph to the labels of its digits.
        numbers: "train" and "test" to the numbers in their photographs, as "190"; digits of 12×24 pixels that stand
            side by side in the middle of 100×60.
    """
    rows = ["crop,full_number_image,digit_index,label"]
    (root / "full").mkdir(parents=True)
    with zipfile.ZipFile(root / "crops.zip", "w") as archive:
        for photograph, labels in crops.items():
            for place, label in enumerate(labels):
                rows.append(f"{len(rows)},{photograph},{place},{label}")
                archive.writestr(f"{len(rows) - 1}.png", _png(digit_tile(label)))
    (root / "crops_labels.csv").write_text("\n".join(rows))
    for part, texts in numbers.items():
        boxes = [HEAD]
        (root / "full" / part).mkdir()
        for name, text in enumerate(texts, start=1):
            image = np.full((60, 100, 3), GROUND, np.uint8)
            for place, label in enumerate(map(int, text)):
                left = 50 - 6 * len(text) + 12 * place
                image[18:42, left + 2 : left + 10, label % 3] = 220
                boxes.append(f"{name},100,60,{place},{label},{left},18,{left + 12},42")
            (root / "full" / part / f"{name}.png").write_bytes(_png(image))
        (root / "full" / f"{part}_boxes.csv").write_text("\n".join(boxes))
    return root


def small_svhn(root: Path) -> Path:
    """Enough of it for each part to have digits and walls, and to train on."""
    every = {300 + number: [number % 10, (number + 3) % 10] for number in range(24)}
    texts = ["12", "190", "45", "6", "78", "321", "203", "59", "87", "4"]
    return write_svhn(root, every, {"train": texts, "test": ["903", "11", "5"]})


def _png(pixels: NDArray[np.uint8]) -> bytes:
    data = io.BytesIO()
    Image.fromarray(pixels).save(data, format="PNG")
    return data.getvalue()

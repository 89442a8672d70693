"""Square crops of house numbers as MCMIL makes them (section 5.3).

"We take a tight square crop containing all the digits of an image, and rescale it to size 64 × 64": a square, unlike a
tight rectangle, keeps the digits' shape. Where it would reach over the border it is moved inside. Where the image is
smaller than the square, the border's pixels go on: a black bar would look like a 1.
"""

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from torch import Tensor

from boxless.data.crops import Rectangle, cut, cut_instances, resized
from boxless.data.folder import Folder, check_images
from boxless.data.images import to_tensor
from boxless.data.prepared import write_folder
from boxless.data.svhn import read_svhn
from boxless.instances import Instances

SIDE = 64


def write_svhn_crops(source: str | os.PathLike[str], root: str | os.PathLike[str]) -> tuple[dict[str, int], list[str]]:
    """Write the crops as folders ``train`` and ``test`` that ``read_folder`` reads; a part that is there stays.

    Args:
        source: the folder that holds ``full``, see ``boxless.data.svhn.read_svhn``.
        root: where.

    Returns:
        How many images are in each part that was written, and a sentence for each image that was left out because it
        is broken.

    Raises:
        BoxlessError: a table is missing or bad.
    """
    counts: dict[str, int] = {}
    problems: list[str] = []
    for part in ("train", "test"):
        if not (Path(root) / part / "coco.json").exists():
            numbers, broken = check_images(read_svhn(Path(source) / "full", part), progress=True)
            counts[part] = write_folder(
                Path(root) / part, square_crops(numbers), in_reading_order=numbers.in_reading_order
            )
            problems += broken
    return counts, problems


def square_around(truth: Instances, image_size: tuple[int, int]) -> Rectangle:
    """The smallest square of whole pixels that holds all boxes, with their middle as near to its own as fits.

    Args:
        truth: at least one object; what reaches over the border of the image is cut off.
        image_size: (height, width) in pixels.

    Raises:
        ValueError: there is no object.
    """
    if not len(truth):
        raise ValueError("a crop is chosen by its objects, and there is none")
    extent = np.array([image_size[1], image_size[0]])
    boxes = truth.boxes.astype(np.float64) + 0.5
    start = np.floor(boxes[:, :2].min(axis=0)).clip(0, extent - 1)
    end = np.ceil(boxes[:, 2:].max(axis=0)).clip(start + 1, extent)
    side = (end - start).max()
    corner = start - np.floor((side - (end - start)) / 2)
    room = extent - side  # negative where the square is larger than the image
    left, top = corner.clip(np.minimum(room, 0), np.maximum(room, 0)).astype(int).tolist()
    return Rectangle(left, top, int(side), int(side))


def square_crops(folder: Folder, side: int = SIDE) -> Iterator[tuple[str, Tensor, Instances]]:
    """The crop of each image that has objects, one after another.

    Args:
        folder: with boxes; images that cannot be read are left out beforehand (``check_images``).
        side: of the crops in pixels.

    Yields:
        The name of the image's file, the crop (3, side, side) in [0, 1], and the objects in it, in their order.

    Raises:
        UnreadableImage: an image is broken.
    """
    for entry in folder.images:
        if entry.truth is not None and len(entry.truth):
            image = to_tensor(entry.path, channels=3)
            square = square_around(entry.truth, (image.shape[1], image.shape[2]))
            crop, truth = resized(cut(image, square), cut_instances(entry.truth, square), (side, side))
            yield entry.path.name, crop, truth

"""CLEVR v1.0: images of 3 to 10 solids, with the shape, colour, size and place of each (Johnson et al., 2017).

A file of scenes gives the centre of each object in pixels of the original 480×320, ``pixel_coords``, and its depth;
there are no boxes and no masks. A box here is the square around a ball of the object's radius, as the set's camera sees
it.
"""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from boxless.data.attributes import Attributes, combinations
from boxless.data.bad_rows import bad_rows, file_below
from boxless.data.crops import centred_in, cut, middle_square, moved_into, resized
from boxless.data.folder import Folder, LabelledImage, check_images
from boxless.data.images import to_tensor
from boxless.data.prepared import write_folder
from boxless.data.resize import Scale, centers_to_fitted, sizes_to_fitted
from boxless.errors import BoxlessError
from boxless.instances import Instances

ATTRIBUTES: Attributes = {
    "shape": ("cube", "cylinder", "sphere"),
    "color": ("gray", "red", "blue", "green", "brown", "purple", "cyan", "yellow"),
    "size": ("small", "large"),
}
CLASS_NAMES = combinations(ATTRIBUTES)
WIDTH, HEIGHT = 480, 320  # of the images that pixel_coords are for
RADII = {"small": 0.35, "large": 0.7}  # of objects, in the units of the depth
FOCAL_LENGTH = WIDTH * 35 / 32  # pixels: Blender's lens of 35 mm on its sensor of 32 mm
CROP = 192 / 320  # of the width: TUSK crops 192 of images of 320×240, which show as much from left to right
SIDE = 112
TEST_SHARE = 1 / 4  # of the images, the last
SOURCE = "CLEVR v1.0 is had at https://cs.stanford.edu/people/jcjohns/clevr/ (CC BY 4.0)"


def read_clevr(path: str | os.PathLike[str], split: str = "train", most: int = 6) -> Folder:
    """Read the scenes of a split, or of a part of it that lies by itself; no image is decoded.

    Args:
        path: the folder of the set, with ``scenes/CLEVR_<split>_scenes.json`` and ``images/<split>``; or one with
            ``scenes.json`` and ``images``. Images may be smaller or larger than 480×320.
        split: "train" or "val"; the test split has no scenes.
        most: scenes of more objects are left out: 6 for what is known as CLEVR6, 10 for all.

    Returns:
        The images with all their objects; a class is a shape, a colour and a size.

    Raises:
        BoxlessError: the scenes are missing or no JSON, or there are bad ones, which are all named at once.
    """
    root = Path(path)
    file, images = root / "scenes" / f"CLEVR_{split}_scenes.json", root / "images" / split
    if not file.is_file():
        file, images = root / "scenes.json", root / "images"
    scenes = _scenes(file)
    found: list[LabelledImage] = []
    problems = []
    for number, scene in enumerate(scenes, start=1):
        try:
            image = _image(images, scene)
            if len(image.labels) <= most:
                found.append(image)
        except (ValueError, TypeError, KeyError, OverflowError) as error:
            reason = f"there is no {error}" if isinstance(error, KeyError) else str(error)
            problems.append(f"scene {number}: {reason}")
    if problems:
        raise bad_rows(file, problems)
    return Folder(root, CLASS_NAMES, found, ATTRIBUTES)


def write_clevr(
    source: str | os.PathLike[str], root: str | os.PathLike[str], most: int = 6, side: int = SIDE
) -> tuple[dict[str, int], list[str]]:
    """Write CLEVR as folders ``train`` and ``test``, the last quarter of the images; a part that is there stays.

    Of each image the middle is taken, as TUSK takes it, with the objects whose centre lies in it.

    Args:
        source: see :func:`read_clevr`.
        root: where.
        most: objects of a scene.
        side: of the square images in pixels.

    Returns:
        How many images are in each part that was written, and a sentence for each image that is broken.

    Raises:
        BoxlessError: see :func:`read_clevr`.
    """
    folder, problems = check_images(read_clevr(source, most=most), progress=True)
    tested = round(len(folder.images) * TEST_SHARE)
    parts = {
        "train": folder.images[: len(folder.images) - tested],
        "test": folder.images[len(folder.images) - tested :],
    }
    counts = {
        part: write_folder(Path(root) / part, (_view(image, side) for image in images), ATTRIBUTES)
        for part, images in parts.items()
        if not (Path(root) / part / "coco.json").exists()
    }
    return counts, problems


def _scenes(file: Path) -> list[Any]:
    try:
        document = json.loads(file.read_bytes())
    except FileNotFoundError as error:
        raise BoxlessError(f"There is no {file}; {SOURCE}.") from error
    except (ValueError, RecursionError, OSError) as error:
        raise BoxlessError(f"{file} is no JSON that can be read ({error}); copy it again.") from error
    scenes = document.get("scenes") if isinstance(document, dict) else None
    if not isinstance(scenes, list):
        raise BoxlessError(f"{file} has no list of scenes; {SOURCE}.")
    return scenes


def _image(images: Path, scene: Mapping[str, Any]) -> LabelledImage:
    path = file_below(images, str(scene["image_filename"]))
    try:
        with Image.open(path) as image:  # its head alone
            width, height = image.size
    except Exception:  # check_images names a broken one
        width, height = WIDTH, HEIGHT
    objects = [_object(number, each) for number, each in enumerate(scene["objects"], start=1)]
    truth = _truth(objects, (width / WIDTH, height / HEIGHT), (height, width))
    return LabelledImage(path, tuple(sorted(truth.labels.tolist())), truth)


def _object(number: int, entry: Mapping[str, Any]) -> tuple[float, float, float, int]:
    """x, y and side of the box in pixels of the original, and class; ``pixel_coords`` count from the corner."""
    label = 0
    for name, values in ATTRIBUTES.items():
        if entry[name] not in values:
            raise ValueError(f"object {number} has the {name} {entry[name]!r}, where {', '.join(values)} are")
        label = label * len(values) + values.index(entry[name])
    x, y, depth = (float(value) for value in entry["pixel_coords"])
    if not (0 <= x < WIDTH and 0 <= y < HEIGHT and 1 <= depth <= 100):
        raise ValueError(f"object {number} lies at {(x, y)} with the depth {depth}, which no camera of the set sees")
    return x - 0.5, y - 0.5, 2 * RADII[entry["size"]] * FOCAL_LENGTH / depth, label


def _truth(objects: list[tuple[float, float, float, int]], scale: Scale, image_size: tuple[int, int]) -> Instances:
    table = torch.tensor(objects, dtype=torch.float64).reshape(-1, 4)
    return Instances(
        centers_to_fitted(table[:, :2], scale).numpy(),
        sizes_to_fitted(table[:, 2:3].expand(-1, 2), scale).numpy(),
        labels=table[:, 3].numpy().astype(np.int64),
        class_names=CLASS_NAMES,
        image_size=image_size,
    )


def _view(image: LabelledImage, side: int) -> tuple[str, Tensor, Instances]:
    """The middle of an image, resized, and its objects."""
    assert image.truth is not None
    pixels = to_tensor(image.path, channels=3)
    height, width = pixels.shape[1:]
    middle = middle_square(height, width, min(height, round(CROP * width)))
    seen = moved_into(image.truth[centred_in(image.truth, middle)], middle)
    return (image.path.name, *resized(cut(pixels, middle), seen, (side, side)))

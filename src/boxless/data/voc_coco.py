"""MIST's set of natural images (section 5.2): VOC 2007 and COCO together, filtered, cropped and parted.

All images of either set that hold any of VOC's twenty classes, which COCO has under names of its own; objects of other
classes do not count. ``boxless.data.object_crops`` says which images stay and how they are cropped; they are resized
so that the shorter edge is 224 (supplement A), and parted as the paper parts 9,780 into 7,816, 987 and 977.
"""

import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from torch import Tensor

from boxless.data.bad_rows import bad_rows, file_below
from boxless.data.coco import read_coco
from boxless.data.crops import cut, cut_instances, resized, with_shorter_edge
from boxless.data.folder import Folder, LabelledImage, check_images
from boxless.data.images import to_tensor
from boxless.data.object_crops import is_suitable, random_crop
from boxless.data.prepared import write_folder
from boxless.data.voc import SOURCE as VOC_SOURCE
from boxless.data.voc import VOC_CLASSES, read_voc
from boxless.errors import BoxlessError
from boxless.instances import Instances

SHORTER_EDGE = 224
TRAIN, VALIDATION, TEST = 7816, 987, 977
"""How many images of the paper's set are in each part."""

NAMES_IN_COCO = {
    "aeroplane": "airplane",
    "diningtable": "dining table",
    "motorbike": "motorcycle",
    "pottedplant": "potted plant",
    "sofa": "couch",
    "tvmonitor": "tv",
}
"""The classes of VOC that COCO calls otherwise."""

COCO_SPLITS = ("train2017", "val2017")
COCO_SOURCE = "COCO is had at https://cocodataset.org (annotations: CC BY 4.0; its images are under Flickr's terms)"


def read_coco_set(annotations: str | os.PathLike[str], images: str | os.PathLike[str]) -> Folder:
    """Read COCO as it is released: ``annotations/instances_val2017.json`` beside the folder ``val2017``, say.

    Args:
        annotations: the JSON file.
        images: the folder of the images that it names.

    Raises:
        BoxlessError: the file or the folder is missing, or there are bad entries, which are all named at once.
    """
    table, root = Path(annotations), Path(images)
    if not table.is_file() or not root.is_dir():
        raise BoxlessError(f"There is no {table if root.is_dir() else root}; {COCO_SOURCE}.")
    coco = read_coco(table)
    found, problems = [], []
    for name, truth in coco.images:
        try:
            labels = tuple(sorted(truth.labels.tolist()))
            found.append(LabelledImage(file_below(root, name), labels, truth))
        except ValueError as error:
            problems.append(f"image {name}: {error}")
    if problems:
        raise bad_rows(table, problems)
    return Folder(root, coco.class_names, found)


def with_voc_classes(folder: Folder) -> Folder:
    """The images with boxes of any of VOC's classes, by the names of either set, and these boxes alone."""
    ids = {name: label for label, name in enumerate(VOC_CLASSES)}
    ids |= {other: ids[name] for name, other in NAMES_IN_COCO.items()}
    images = []
    for image in folder.images:
        known = [row for row, name in enumerate(image.truth.names) if name in ids] if image.truth else []
        if image.truth is not None and known:
            part = image.truth[known]
            labels = [ids[name] for name in part.names]
            truth = Instances(
                part.centers, part.sizes, labels=labels, class_names=VOC_CLASSES, image_size=part.image_size
            )
            images.append(LabelledImage(image.path, tuple(sorted(labels)), truth))
    return replace(folder, class_names=VOC_CLASSES, images=images)


def suitable_images(folders: Mapping[str, Folder]) -> dict[str, LabelledImage]:
    """The images that stay, under the name of their set and their own: "voc2007-000005" for "voc2007".

    Args:
        folders: by a short name; the size of each image is known.

    Raises:
        BoxlessError: two images of a set have one name, or the size of an image is not known.
    """
    kept: dict[str, LabelledImage] = {}
    for prefix, folder in folders.items():
        for image in with_voc_classes(folder).images:
            name = f"{prefix}-{image.path.stem}"
            if name in kept:
                raise BoxlessError(f"{folder.root} has two images {image.path.stem}; rename one.")
            if image.truth is None or image.truth.image_size is None:
                raise BoxlessError(f"The size of {image.path} is not known from its annotations; add it there.")
            if is_suitable(image.truth):
                kept[name] = image
    return kept


def parted(names: Sequence[str], seed: int) -> dict[str, list[str]]:
    """Names for train, validation and test, in the paper's shares, each in their order; by a hash of name and seed."""
    count, whole = len(names), TRAIN + VALIDATION + TEST
    ranked = sorted(names, key=lambda name: hashlib.sha256(os.fsencode(f"{seed}/{name}")).digest())
    test = round(count * TEST / whole)
    validation = test + round(count * VALIDATION / whole)
    parts = {"train": set(ranked[validation:]), "validation": set(ranked[test:validation]), "test": set(ranked[:test])}
    return {part: [name for name in names if name in chosen] for part, chosen in parts.items()}


def cropped(
    images: Mapping[str, LabelledImage], seed: int, edge: int = SHORTER_EDGE
) -> Iterator[tuple[str, Tensor, Instances]]:
    """The crop of each image, one after another; the same for a name and a seed, whatever other images there are.

    Args:
        images: with objects and the size of the image.
        seed: of the crops.
        edge: the shorter side of the result in pixels.

    Yields:
        The name, the crop (3, H, W) in [0, 1], and the objects in it.

    Raises:
        UnreadableImage: an image is broken; leave these out beforehand (``check_images``).
    """
    for name, image in images.items():
        if image.truth is None:
            raise ValueError(f"a crop is chosen by its objects, and those of {name} are not known")
        rectangle = random_crop(image.truth, seed, _index(name))
        crop = cut(to_tensor(image.path, channels=3), rectangle)
        size = with_shorter_edge(rectangle.height, rectangle.width, edge)
        yield name, *resized(crop, cut_instances(image.truth, rectangle), size)


def write_voc_coco(
    root: str | os.PathLike[str], folders: Mapping[str, Folder], seed: int = 0
) -> tuple[dict[str, int], list[str]]:
    """Write the whole set as folders ``train``, ``validation`` and ``test`` that ``read_folder`` reads.

    A part that is there stays.

    Args:
        root: where.
        folders: what to take images from, by a short name each: ``read_voc`` and ``read_coco_set``.
        seed: of the parts and the crops.

    Returns:
        How many images are in each part that was written, and a sentence for each image that was left out because it
        is broken.

    Raises:
        BoxlessError: see ``suitable_images`` and ``boxless.data.prepared.write_folder``.
    """
    images = suitable_images(folders)
    by_path = {image.path: name for name, image in images.items()}
    checked, problems = check_images(Folder(Path(root), VOC_CLASSES, list(images.values())), progress=True)
    usable = {by_path[image.path]: image for image in checked.images}
    counts = {}
    for part, names in parted(list(usable), seed).items():
        if not (Path(root) / part / "coco.json").exists():
            counts[part] = write_folder(Path(root) / part, cropped({name: usable[name] for name in names}, seed))
    return counts, problems


def write_released_voc_coco(
    source: str | os.PathLike[str], root: str | os.PathLike[str]
) -> tuple[dict[str, int], list[str]]:
    """:func:`write_voc_coco` of what a folder holds of the two sets as they are released.

    Args:
        source: the folder with ``VOCdevkit/VOC2007``, or with COCO's ``annotations/instances_train2017.json`` (or
            ``val2017``) beside the images' folder of that name, or with all of these.
        root: where.

    Returns:
        See :func:`write_voc_coco`.

    Raises:
        BoxlessError: there is none of them; or see :func:`write_voc_coco`.
    """
    there = Path(source)
    voc = there / "VOCdevkit" / "VOC2007"
    folders = {"voc2007": read_voc(voc, None)} if voc.is_dir() else {}
    for split in COCO_SPLITS:
        table = there / "annotations" / f"instances_{split}.json"
        if table.is_file():
            folders[f"coco-{split}"] = read_coco_set(table, there / split)
    if not folders:
        raise BoxlessError(
            f"{there} has neither VOCdevkit/VOC2007 nor annotations/instances_{COCO_SPLITS[0]}.json; {VOC_SOURCE}, "
            f"and {COCO_SOURCE}."
        )
    return write_voc_coco(root, folders)


def _index(name: str) -> int:
    """A number for a name, of 63 bits."""
    return int.from_bytes(hashlib.sha256(os.fsencode(name)).digest()[:8], "big") >> 1

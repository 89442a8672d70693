"""A user's data: a folder of images with ``metadata.csv``, a COCO file, or both.

Each file keeps its job. ``metadata.csv`` says which images there are and what labels they have to learn from; COCO's
boxes are the truth to evaluate by, and never seen in training. Where both are there, labels come from ``metadata.csv``
alone, even where COCO's boxes say otherwise (a set of labels is no contradiction to the boxes); images that only COCO
names are left out, and images that only ``metadata.csv`` names have no truth. Without ``metadata.csv`` the labels are
the classes of COCO's boxes. Of an image, ``segments`` in the folder may hold a PNG of the same name: the object of each
pixel, as ``boxless.data.prepared`` writes it.
"""

import hashlib
import os
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path

from boxless.data.attributes import Attributes, combinations
from boxless.data.bad_rows import bad_rows, file_below
from boxless.data.coco import CocoFile, find_coco, found_files
from boxless.data.images import UnreadableImage, list_images, read_image
from boxless.data.metadata import METADATA_FILE, read_metadata
from boxless.errors import BoxlessError
from boxless.image_progress import ImageProgress
from boxless.instances import Instances

# Pillow decodes without Python's lock; more threads would hold too many huge images at once.
CHECKING_THREADS = 4


@dataclass(frozen=True)
class LabelledImage:
    """An image file and what is known about it.

    Attributes:
        path: of the file.
        labels: class ids in rising order, each as often as it occurs.
        truth: its objects with their boxes, for evaluation; None where there are no boxes.
        segments: the PNG of the object of each pixel, if there is one.
        size: height and width in pixels; None before :func:`check_images`.
    """

    path: Path
    labels: tuple[int, ...]
    truth: Instances | None
    segments: Path | None = None
    size: tuple[int, int] | None = None


@dataclass(frozen=True)
class Folder:
    """Labelled images.

    Attributes:
        root: the folder.
        class_names: the name of each class id.
        images: in the order of ``metadata.csv``, or else of the COCO file.
        attributes: of classes that combine some, see ``boxless.data.attributes``.
        in_reading_order: the objects of each image come in the order in which they are read.
    """

    root: Path
    class_names: tuple[str, ...]
    images: list[LabelledImage]
    attributes: Attributes = field(default_factory=dict)
    in_reading_order: bool = False


def read_folder(
    path: str | os.PathLike[str], class_names: Sequence[str] | None = None, labels_needed: bool = True
) -> Folder:
    """Read and check the labels of a folder; no image is opened (see ``check_images``).

    Args:
        path: a folder with ``metadata.csv`` (see ``boxless.data.metadata``), or a COCO file ``*.json`` in it or in
            ``annotations``, whose file names are relative to it or to ``images`` in it.
        class_names: the classes of a model that exists; None takes those that the files name, in natural order
            (2 before 10).
        labels_needed: else a folder with neither file is all the images in it and below, without labels.

    Raises:
        BoxlessError: there is no such folder, none or two of these files in it, or a file has bad rows, which are
            all named at once.
    """
    root = Path(path)
    if root.is_file():
        raise BoxlessError(f"{root} is a file; give the folder that it lies in.")
    if not root.is_dir():
        raise BoxlessError(f"There is no folder {root}; check the name.")
    table = root / METADATA_FILE
    coco = find_coco(root)
    rows = read_metadata(table, class_names) if table.is_file() else None
    if rows is None and coco is None and not labels_needed:
        return Folder(root, (), [LabelledImage(path, (), None) for path in list_images([root])])
    if rows is None and coco is None:
        if found := found_files(root):
            raise BoxlessError(
                f"{found[0]} is what a model found, no truth to learn from; correct it and take its info.description "
                "away, or add metadata.csv."
            )
        for path in root.iterdir():
            if path.name.lower() == METADATA_FILE:
                raise BoxlessError(f"{path} is to be called {METADATA_FILE}, in small letters; rename it.")
        deeper = " or ".join(str(path.parent) for path in sorted(root.glob(f"*/{METADATA_FILE}")))
        advice = f"did you mean {deeper}?" if deeper else "add one."
        raise BoxlessError(f"{root} has neither metadata.csv (columns file_name and labels) nor a COCO file; {advice}")
    truths = {} if coco is None else _truths(root, coco, among=None if rows is None else {row.path for row in rows})
    if rows is not None:
        named_by = coco if class_names is None else None  # the table has taken those that are given already
        counts = {row.path: row.counts if named_by is None else _as_in_coco(row.counts, named_by) for row in rows}
    else:
        counts = {path: Counter(truth.names) for path, truth in truths.items()}
    attributes = {} if coco is None else coco.attributes
    if class_names is None:
        named = {*chain.from_iterable(counts.values()), *(coco.class_names if coco else ())}
        combined = combinations(attributes)
        class_names = combined if named == set(combined) else sorted(named, key=_natural)
    elif coco is not None:
        _check_classes(coco, truths, class_names)
    if tuple(class_names) != combinations(attributes):
        attributes = {}
    ids = {name: label for label, name in enumerate(class_names)}
    alike = Counter(path.name for path in counts)
    images = [
        LabelledImage(
            path,
            _labels(count, ids),
            _relabelled(truths[path], ids) if path in truths else None,
            _segments_of(path, root, alone=alike[path.name] == 1),
        )
        for path, count in counts.items()
    ]
    return Folder(root, tuple(class_names), images, attributes, coco is not None and coco.in_reading_order)


def check_images(folder: Folder, progress: bool = False) -> tuple[Folder, list[str]]:
    """Decode every image once, because only that finds a file that was cut off.

    Returns:
        The folder with the images that can be read, and their sizes; and one sentence for each of the others, in their
        order: it is broken, or its size is not the one that its boxes are said to lie in.
    """
    checking = ImageProgress("checking", len(folder.images), shown=progress)
    with checking, ThreadPoolExecutor(CHECKING_THREADS) as threads:
        found = list(checking.over(threads.map(_size_or_problem, folder.images)))
    good = [replace(image, size=one) for image, one in zip(folder.images, found, strict=True) if isinstance(one, tuple)]
    return replace(folder, images=good), [one for one in found if isinstance(one, str)]


def split(folder: Folder, validation_share: float, seed: int) -> tuple[Folder, Folder]:
    """Part the images into some to train on and some to validate with, by a hash of their names and the seed.

    Neither the place of the folder nor the order of the images matters, and an image more moves few others.

    Args:
        folder: at least two images where ``validation_share`` is more than 0.
        validation_share: of the images, in [0, 1); rounded, but at least one image on either side unless it is 0.
        seed: another seed, another split.

    Returns:
        The images to train on, and to validate with, each in their order in ``folder``.

    Raises:
        BoxlessError: the share is out of range, or there are too few images.
    """
    count = len(folder.images)
    if not 0 <= validation_share < 1:
        raise BoxlessError(f"The share of images to validate with is in [0, 1), not {validation_share}.")
    if validation_share > 0 and count < 2:
        raise BoxlessError(f"{folder.root} has {count} usable image(s), too few to part; add images.")
    chosen = min(max(round(count * validation_share), 1), count - 1) if validation_share > 0 else 0
    names = [image.path.relative_to(folder.root).as_posix() for image in folder.images]
    ranked = sorted(range(count), key=lambda index: hashlib.sha256(os.fsencode(f"{seed}/{names[index]}")).digest())
    held_out = set(ranked[:chosen])
    parts = (
        [image for index, image in enumerate(folder.images) if (index in held_out) == part] for part in (False, True)
    )
    train, validation = (replace(folder, images=images) for images in parts)
    return train, validation


def _segments_of(path: Path, root: Path, alone: bool) -> Path | None:
    """Of an image that is alone in its name, whatever its folder; else in folders as those of the images."""
    names = [path.relative_to(root), *([Path(path.name)] if alone else [])]
    return next((file for name in names if (file := root / "segments" / name).is_file()), None)


def _as_in_coco(counts: Counter[str], coco: CocoFile) -> Counter[str]:
    """Counts by class name; with blanks in names, not underscores, where the COCO file has such."""
    joined = {name.replace(" ", "_"): name for name in coco.class_names if " " in name}
    return Counter({name if name in coco.class_names else joined.get(name, name): n for name, n in counts.items()})


def _truths(root: Path, coco: CocoFile, among: set[Path] | None) -> dict[Path, Instances]:
    """The instances of each image file that COCO names; where ``among`` is given, of these files alone."""
    truths: dict[Path, Instances] = {}
    problems = []
    for name, instances in coco.images:
        try:
            path = file_below(root, name, also_in=["images"])
            if path in truths:
                raise ValueError(f"{name} is another name of a file that is there already")
        except ValueError as error:
            if among is None:
                problems.append(f"image {name}: {error}")
            continue
        if among is None or path in among:
            truths[path] = instances
    if problems:
        raise bad_rows(coco.path, problems)
    if not truths and among is None:
        raise BoxlessError(f"{coco.path} names no image; add some.")
    return truths


def _check_classes(coco: CocoFile, truths: Mapping[Path, Instances], class_names: Sequence[str]) -> None:
    unknown = ((path, sorted(set(truth.names).difference(class_names))) for path, truth in truths.items())
    known = " ".join(class_names)
    problems = [
        f"image {path.name}: unknown class {', '.join(names)} (known: {known})" for path, names in unknown if names
    ]
    if problems:
        raise bad_rows(coco.path, problems)


def _natural(name: str) -> tuple[list[str | tuple[int, str]], str]:
    """Sorts digits within names by their number: text and numbers alternate, so that like meets like."""
    parts = re.split(r"([0-9]+)", name)
    numbered = ((len(digits := part.lstrip("0")), digits) if index % 2 else part for index, part in enumerate(parts))
    return list(numbered), name


def _labels(counts: Counter[str], ids: Mapping[str, int]) -> tuple[int, ...]:
    return tuple(sorted(ids[name] for name in counts.elements()))


def _relabelled(truth: Instances, ids: Mapping[str, int]) -> Instances:
    """The same objects with the class ids of the folder instead of the COCO file's."""
    labels = [ids[name] for name in truth.names]
    return Instances(truth.centers, truth.sizes, labels=labels, class_names=tuple(ids), image_size=truth.image_size)


def _size_or_problem(image: LabelledImage) -> tuple[int, int] | str:
    try:
        height, width, _ = read_image(image.path, channels=1).shape
    except UnreadableImage as error:
        return str(error)
    stated = None if image.truth is None else image.truth.image_size
    if stated is not None and stated != (height, width):
        return f"{image.path} has {width}×{height} pixels, and its boxes are for {stated[1]}×{stated[0]}; correct them."
    return height, width

"""Tetrominoes and CLEVR with masks, as DeepMind released them: scenes with the mask and the attributes of each object.

The sets are TFRecord files (Kabra et al., 2019), or what TUSK makes of them: an HDF5 file that has a group for each
feature, and in it an array for each scene. An image has E entities, the background first, each with a mask of 255 and 0
and a ``visibility``, which is 0 where there is no such object.
"""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import interpolate

from boxless.data.attributes import Attributes, combinations
from boxless.data.crops import centred_in, cut, middle_square, moved_into, resized
from boxless.data.multi_objects_hdf5 import read_scenes
from boxless.data.prepared import write_folder
from boxless.data.tetrominoes import COLORS
from boxless.data.tfrecord import read_examples
from boxless.errors import BoxlessError
from boxless.instances import Instances
from boxless.ops.masks import mask_boxes

SIDE = 112
SOURCE = "multi-object-datasets are had at https://github.com/google-deepmind/multi_object_datasets (Apache 2.0)"

Features = Mapping[str, NDArray[Any]]


@dataclass(frozen=True)
class MultiObjectSet:
    """One of the sets.

    Attributes:
        name: of its folder and of its file.
        features: type and shape of each that is read: ``image``, ``mask``, ``visibility``, and the attributes.
        crop: side of the square in the middle that is taken; None for all.
        most: scenes of more objects are left out.
        attributes: the values of each, counted from 1 in the file; colours may come as red, green and blue.
        parts: how many scenes of the file each part of the set is taken from, one behind the other.
    """

    name: str
    features: Mapping[str, tuple[type[np.generic], tuple[int, ...]]]
    crop: int | None
    most: int
    attributes: Attributes
    parts: Mapping[str, int]

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the images."""
        height, width, _ = self.features["image"][1]
        return height, width


def _numbered(**values: int) -> Attributes:
    """Values of which only the number is known: DeepMind does not say what they mean."""
    return {name: tuple(f"{name}{number}" for number in range(1, count + 1)) for name, count in values.items()}


CLEVR_WITH_MASKS = MultiObjectSet(
    "clevr_with_masks",
    {
        "image": (np.uint8, (240, 320, 3)),
        "mask": (np.uint8, (11, 240, 320, 1)),
        "visibility": (np.float32, (11,)),
        "shape": (np.uint8, (11,)),
        "color": (np.uint8, (11,)),
        "size": (np.uint8, (11,)),
    },
    crop=192,
    most=6,
    attributes=_numbered(shape=3, color=8, size=2),
    parts={"train": 60_000, "test": 10_000},
)
TETROMINOES = MultiObjectSet(
    "tetrominoes",
    {
        "image": (np.uint8, (35, 35, 3)),
        "mask": (np.uint8, (4, 35, 35, 1)),
        "visibility": (np.float32, (4,)),
        "shape": (np.float32, (4,)),
        "color": (np.float32, (4, 3)),
    },
    crop=None,
    most=3,
    attributes=_numbered(shape=19) | {"color": tuple(COLORS)},
    parts={"train": 50_000, "test": 10_000},
)


@dataclass(frozen=True)
class ObjectScene:
    """An image with its objects.

    Attributes:
        image: (3, H, W) float32 in [0, 1].
        objects: boxes around what is seen of them.
        segments: (H, W) int64, the number of the object of each pixel, from 1 on; 0 is background. Objects that are
            not among ``objects``, as their centre lies outside, have numbers too.
    """

    image: Tensor
    objects: Instances
    segments: Tensor


def read_multi_objects(path: str | os.PathLike[str], kind: MultiObjectSet) -> Iterator[ObjectScene | None]:
    """The scenes of a file in turn, as TUSK sees them: their middle, resized to 112×112.

    Images are resized by antialiased bilinear sampling, segments take the nearest pixel.

    Args:
        path: ``*.tfrecords``, or an HDF5 file ``*.h5`` or ``*.hdf5``.
        kind: which set it is.

    Yields:
        A scene, or None where it has too many objects.

    Raises:
        BoxlessError: the file is missing, broken, or of another set.
    """
    path = Path(path)
    if not path.is_file():
        raise BoxlessError(f"There is no file {path}; {SOURCE}.")
    in_hdf5 = path.suffix in (".h5", ".hdf5")
    scenes: Iterator[Features] = read_scenes(path, list(kind.features)) if in_hdf5 else read_examples(path)
    for number, features in enumerate(scenes, start=1):
        try:
            yield _scene({name: _feature(features, name, *form) for name, form in kind.features.items()}, kind)
        except ValueError as error:
            raise BoxlessError(f"{path} is not {kind.name}: of scene {number} {error}; {SOURCE}.") from error


def write_multi_objects(
    source: str | os.PathLike[str],
    root: str | os.PathLike[str],
    kind: MultiObjectSet,
    parts: Mapping[str, int] | None = None,
) -> tuple[dict[str, int], list[str]]:
    """Write a set as folders, ``train`` and ``test``, that ``read_folder`` reads, with segments; in one pass.

    Args:
        source: the file, or the folder of ``<name>_train.tfrecords`` or ``<name>_train.h5``.
        root: where; a part that is there stays.
        kind: which set it is.
        parts: how many scenes of the file each part takes, one behind the other; those of ``kind`` without.

    Returns:
        How many images are in each part that was written, and nothing that was left out.

    Raises:
        BoxlessError: see :func:`read_multi_objects`.
    """
    scenes = enumerate(read_multi_objects(_file(Path(source), kind), kind))
    counts = {}
    for part, number in (kind.parts if parts is None else parts).items():
        share = islice(scenes, number)
        if (Path(root) / part / "coco.json").exists():
            for _ in share:
                pass
            continue
        prepared = (
            (f"{index:06}.png", scene.image, scene.objects, scene.segments)
            for index, scene in share
            if scene is not None
        )
        counts[part] = write_folder(Path(root) / part, prepared, kind.attributes)
    return counts, []


def write_clevr_with_masks(
    source: str | os.PathLike[str], root: str | os.PathLike[str]
) -> tuple[dict[str, int], list[str]]:
    """CLEVR with masks of at most 6 objects: those of the first 60,000 scenes, and of the next 10,000 to test on."""
    return write_multi_objects(source, root, CLEVR_WITH_MASKS)


def write_tetrominoes(source: str | os.PathLike[str], root: str | os.PathLike[str]) -> tuple[dict[str, int], list[str]]:
    """The released tetrominoes: the first 50,000 scenes, and the next 10,000 to test on."""
    return write_multi_objects(source, root, TETROMINOES)


def _file(source: Path, kind: MultiObjectSet) -> Path:
    if not source.is_dir():
        return source
    found = [path for suffix in ("tfrecords", "h5") if (path := source / f"{kind.name}_train.{suffix}").is_file()]
    if not found:
        raise BoxlessError(f"{source} has no {kind.name}_train.tfrecords and no {kind.name}_train.h5; {SOURCE}.")
    return found[0]


def _feature(features: Features, name: str, kind: type[np.generic], shape: tuple[int, ...]) -> NDArray[Any]:
    if name not in features:
        raise ValueError(f"there is no {name}")
    values = features[name]
    if values.dtype != kind or values.size != np.prod(shape):
        raise ValueError(f"the {name} is {values.size} numbers of {values.dtype}, not {shape} of {np.dtype(kind)}")
    return values.reshape(shape)


def _scene(features: Features, kind: MultiObjectSet) -> ObjectScene | None:
    present = features["visibility"][1:] > 0
    if present.sum() > kind.most:
        return None
    masks = torch.from_numpy(features["mask"][1:, :, :, 0] == 255) & torch.from_numpy(present)[:, None, None]
    centers, sizes, seen = mask_boxes(masks)
    objects = Instances(
        centers[seen].numpy(),
        sizes[seen].numpy(),
        labels=_classes(features, kind, seen.numpy()),
        class_names=combinations(kind.attributes),
        image_size=kind.size,
    )
    image = torch.from_numpy(features["image"].astype(np.float32) / 255).permute(2, 0, 1)
    segments = (masks * torch.arange(1, len(masks) + 1)[:, None, None]).amax(0, keepdim=True)
    if kind.crop is not None:
        middle = middle_square(*kind.size, kind.crop)
        objects = moved_into(objects[centred_in(objects, middle)], middle)
        image, segments = cut(image, middle), cut(segments, middle)
    image, objects = resized(image, objects, (SIDE, SIDE))
    nearest = interpolate(segments.unsqueeze(0).float(), size=(SIDE, SIDE), mode="nearest-exact")
    return ObjectScene(image, objects, nearest[0, 0].long())


def _classes(features: Features, kind: MultiObjectSet, seen: NDArray[np.bool_]) -> NDArray[np.int64]:
    """(N,) the combination of attributes of each object that is seen."""
    classes = np.zeros(int(seen.sum()), np.int64)
    for name, values in kind.attributes.items():
        numbers = features[name][1:][seen]
        if numbers.ndim == 2:  # red, green, blue
            alike = (numbers[:, None] == np.array(list(COLORS.values()), np.float32)).all(axis=2)
            numbers = np.where(alike.any(axis=1), 1 + alike.argmax(axis=1), 0)
        if ((numbers < 1) | (numbers > len(values)) | (numbers % 1 != 0)).any():
            raise ValueError(f"an object has a {name} of none of the {len(values)} values")
        classes = classes * len(values) + numbers.astype(np.int64) - 1
    return classes

"""Where batches come from: scenes or a folder, always by index, the same batch for the same step."""

import logging
from contextlib import AbstractContextManager, nullcontext
from copy import copy
from dataclasses import replace
from typing import Protocol

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from boxless.data.batch import Batch
from boxless.data.folder import Folder, LabelledImage, check_images, read_folder, split
from boxless.data.generators import AnyLayout, Generator, generator_of, layout_named
from boxless.data.glyphs import Glyphs, load_glyphs
from boxless.data.images import to_tensor
from boxless.data.resize import centers_to_fitted, fit, fitted_size, pad_batch, sizes_to_fitted
from boxless.data.varying_scenes import VaryingSceneGenerator
from boxless.engine.recipe import DataConfig
from boxless.errors import BoxlessError
from boxless.methods.detector import Detector, shrink_of

TRAIN, VALIDATION, TEST = 0, 1, 2  # streams of scenes
LOOKED_AT = 64  # images of a folder, for their size
HELD_OUT = 12  # every so many-th training glyph is kept for validation scenes


class Source(Protocol):
    """Images by index.

    Attributes:
        class_names: of the labels.
        in_reading_order: the objects of an image, where places are known, come in the order in which they are read.
        one_size: all images are as large.
        sides: (N,) int64 of square images, if batches to train on are to be of images as large; else None.
        places: of all objects are given.
        padded_pixels: of an image at most, as it comes in a batch to evaluate; 0 where all are small.
    """

    class_names: tuple[str, ...]
    in_reading_order: bool
    one_size: bool
    sides: Tensor | None
    places: bool
    padded_pixels: int

    def __len__(self) -> int: ...
    def batch(self, indices: Tensor) -> Batch:
        """The images of these indices, (B,) int64."""
        ...


class Scenes:
    """A fixed number of scenes, composed when asked for."""

    places = True
    padded_pixels = 0

    def __init__(self, generator: Generator, size: int) -> None:
        self.generator, self.size = generator, size
        self.class_names = generator.class_names
        self.attributes: dict[str, tuple[str, ...]] = getattr(
            generator, "attributes", {}
        )  # whose values classes combine
        self.in_reading_order: bool = getattr(generator, "in_reading_order", False)
        self.sides = generator.sides(torch.arange(size)) if isinstance(generator, VaryingSceneGenerator) else None
        self.one_size = self.sides is None

    def __len__(self) -> int:
        return self.size

    def batch(self, indices: Tensor) -> Batch:
        return self.generator.compose(indices)


class Mixed:
    """Images of a folder and scenes of the same size and classes, for training: each index is one of either.

    Args:
        images: come again and again, each as often.
        scenes: those of the other indices.
        size: the number of indices.
        share: of the scenes among them.

    Raises:
        BoxlessError: the classes differ, or the sizes.
    """

    in_reading_order = False
    one_size = True
    sides: Tensor | None = None
    places = False
    padded_pixels = 0  # to train with alone

    def __init__(self, images: "Images", scenes: Scenes, size: int, share: float) -> None:
        if images.class_names != scenes.class_names:
            raise BoxlessError(
                f"The folder has the classes {', '.join(images.class_names)}, and the scenes to mix it with "
                f"{', '.join(scenes.class_names)}; leave scenes_share out."
            )
        wanted = tuple(scenes.batch(torch.zeros(1, dtype=torch.int64)).images.shape[2:])
        other = next((image for image in images.folder.images if images.size_of(image) != wanted), None)
        if other is not None:
            height, width = images.size_of(other)
            raise BoxlessError(
                f"{other.path} is {width}×{height} pixels, and the scenes to mix it with are {wanted[1]}×{wanted[0]}; "
                "resize it, or leave scenes_share out."
            )
        self.images, self.scenes, self.size, self.share = images, scenes, size, share
        self.class_names = scenes.class_names

    def __len__(self) -> int:
        return self.size

    def batch(self, indices: Tensor) -> Batch:
        composed = indices < round(self.share * self.size)
        parts = [
            source.batch(own)
            for source, own in ((self.images, indices[~composed] % len(self.images)), (self.scenes, indices[composed]))
            if len(own)
        ]
        labels = _padded([row for part in parts for row in part.labels], -1)
        return Batch(torch.cat([part.images for part in parts]), labels)


class Images:
    """The images of a folder, shrunk to fit and padded to one size; kept in memory as 8 bits while they are few.

    Args:
        folder: checked already (``check_images``).
        channels: 1 or 3.
        max_side: in pixels.
        shrink: factor on their sides.
        places: give the true boxes, if all images have them, and the labels of the boxes; and the object of each pixel,
            where it is known of all.
    """

    KEPT_BYTES = 2**31

    def __init__(self, folder: Folder, channels: int, max_side: int | None, places: bool, shrink: float = 1.0) -> None:
        self.folder, self.channels = folder, channels
        self.places = places and all(image.truth is not None for image in folder.images)
        self.max_side, self.shrink = max_side, shrink
        self.class_names, self.attributes = folder.class_names, folder.attributes
        self.in_reading_order = folder.in_reading_order
        self.one_size = len({image.size for image in folder.images}) == 1
        sides = [fitted_size(image.size, max_side, shrink) for image in folder.images if image.size is not None]
        self.padded_pixels = max((h for h, _ in sides), default=0) * max((w for _, w in sides), default=0)
        self.sides: Tensor | None = None  # of few images, of which each has its own size, the same would always meet
        self._kept: dict[int, tuple[Tensor, tuple[float, float]]] = {}
        self._bytes = 0

    def __len__(self) -> int:
        return len(self.folder.images)

    def shown_by(self, detector: Detector) -> tuple["Images", list[str]]:
        """Those that the detector can learn from, which may be too small for it; and a sentence for each of the others.

        Raises:
            BoxlessError: there are no others.
        """
        fitting, problems = [], []
        for image in self.folder.images:
            size = self.size_of(image)
            number, most = len(set(image.labels)), detector.most_classes(size)
            if size[0] * size[1] < detector.least_pixels:
                few = f"{size[1]}×{size[0]} pixels, and {detector.least_pixels:,} at least are needed to learn from it"
                problems.append(f"{image.path} has {few}; enlarge it, or leave it out.")
            elif most is None or number <= most:
                fitting.append(image)
            else:
                seen = f"one of {size[1]}×{size[0]} pixels can teach {most} at most"
                problems.append(f"{image.path} has {number} classes, and {seen}; enlarge it, or cut it in parts.")
        if not fitting:
            raise BoxlessError(f"No image of {self.folder.root} can be learned from; the first: {problems[0]}")
        if problems:
            return self._of(fitting), problems
        return self, []

    def size_of(self, image: LabelledImage) -> tuple[int, int]:
        """Height and width that one of them is seen at."""
        assert image.size is not None
        return fitted_size(image.size, self.max_side, self.shrink)

    def first(self, number: int) -> "Images":
        """The first of them, so many at most."""
        return self._of(self.folder.images[:number])

    def _of(self, images: list[LabelledImage]) -> "Images":
        folder = replace(self.folder, images=images)
        return Images(folder, self.channels, self.max_side, self.places, self.shrink)

    def without_places(self) -> "Images":
        """The same images with the labels that one trains by, and no box."""
        other = copy(self)
        other.places = False
        return other

    def batch(self, indices: Tensor) -> Batch:
        entries = [self.folder.images[index] for index in indices.tolist()]
        loaded = [self._image(index) for index in indices.tolist()]
        images, extents = pad_batch([image.float() / 255 for image, _ in loaded])
        truths = [entry.truth for entry in entries if entry.truth is not None]
        if not self.places:
            labels = _padded([torch.tensor(entry.labels, dtype=torch.int64) for entry in entries], -1)
            if self.class_names and labels.shape[1] == 0:  # images that hold nothing, which is known
                labels = labels.new_full((len(entries), 1), -1)
            return Batch(images, labels, extents=torch.tensor(extents))
        scales = [scale for _, scale in loaded]
        centers = [centers_to_fitted(torch.from_numpy(t.centers), s) for t, s in zip(truths, scales, strict=True)]
        sizes = [sizes_to_fitted(torch.from_numpy(t.sizes), s) for t, s in zip(truths, scales, strict=True)]
        labels = _padded([torch.from_numpy(truth.labels) for truth in truths], -1)
        batch = Batch(images, labels, _padded(centers, 0), _padded(sizes, 0), torch.tensor(extents))
        if any(entry.segments is None for entry in entries):
            return batch
        segments = [_segments(entry, extent) for entry, extent in zip(entries, extents, strict=True)]
        return replace(batch, segments=pad_batch(segments)[0][:, 0])

    def _image(self, index: int) -> tuple[Tensor, tuple[float, float]]:
        if index not in self._kept:
            image = to_tensor(self.folder.images[index].path, self.channels)
            image, scale = fit(image, self.max_side, self.shrink)
            stored = (image * 255).round().to(torch.uint8)
            if self._bytes + stored.nbytes > self.KEPT_BYTES:
                return stored, scale
            self._bytes += stored.nbytes
            self._kept[index] = (stored, scale)
        return self._kept[index]


def _segments(image: LabelledImage, extent: tuple[int, int]) -> Tensor:
    """(1, H, W) int64 the object of each pixel of an image that was fitted to that size; the nearest pixel's.

    Raises:
        BoxlessError: the file is no such image, or of another size than the image.
    """
    pixels = to_tensor(image.segments, channels=1) if image.segments is not None else torch.zeros(1, *extent)
    stated = None if image.truth is None else image.truth.image_size
    if stated is not None and stated != tuple(pixels.shape[1:]):
        raise BoxlessError(
            f"{image.segments} has not as many pixels as its image, {stated[1]}×{stated[0]}; correct it."
        )
    return interpolate((pixels * 255).round().unsqueeze(0), size=extent, mode="nearest-exact")[0].long()


def first(source: Source, number: int) -> Source:
    """The first images of a source, so many at most; of scenes or of a folder."""
    if isinstance(source, Scenes):
        return Scenes(source.generator, min(len(source), number))
    if isinstance(source, Images):
        return source.first(number)
    return source


def seen_by(detector: Detector, source: Source | None) -> AbstractContextManager[None]:
    """Within, the detector takes the images of a source: those of a folder are shrunk for it, and scenes are not."""
    return detector.images_shrunk_already() if isinstance(source, Images) else nullcontext()


def known_images(detector: Detector, folder: str, progress: bool = False) -> tuple[Images, list[str]]:
    """The images of a folder whose objects are known, to compare a detector with; a sentence for each that is broken.

    Raises:
        BoxlessError: the folder is not usable, none of its images is, or it names no class of a model that knows some.
    """
    classes = detector.config.class_names if detector.knows_classes else None
    known, problems = check_images(read_folder(folder, classes, detector.labels_are == "needed"), progress)
    if not known.images:
        raise BoxlessError(f"No image of {known.root} can be read; the first: {(problems or ['there is none'])[0]}")
    if detector.knows_classes and not known.class_names:
        raise BoxlessError(f"{known.root} does not say what its images hold; add metadata.csv or a COCO file.")
    without = sum(image.truth is None for image in known.images)
    if 0 < without < len(known.images):
        logging.getLogger("boxless").warning(
            "%d of %d images of %s have no boxes, so places are not compared.", without, len(known.images), known.root
        )
    config = detector.config
    return Images(known, config.channels, config.max_side, places=True, shrink=shrink_of(config)), problems


def training_sources(
    data: DataConfig,
    seed: int,
    channels: int,
    max_side: int | None,
    shrink: float = 1.0,
    labels_needed: bool = True,
    places: bool = False,
    progress: bool = False,
) -> tuple[Source, Source, list[str]]:
    """What to train on, what to validate on, and one sentence for each image that cannot be read.

    Args:
        data: scenes or a folder.
        seed: of both, and of what is held out.
        channels, max_side, shrink: of the images of a folder.
        labels_needed: see ``read_folder``.
        places: give the true boxes in training too, where all images of a folder have them: to name by them what was
            learned without.
        progress: show that of checking the images of a folder.

    Raises:
        BoxlessError: the layout, the glyphs or the folder are not usable.
    """
    if data.folder is None:
        return _scenes(data, seed, TRAIN), _scenes(data, seed, VALIDATION), []
    folder, problems = check_images(read_folder(data.folder, labels_needed=labels_needed), progress)
    if not folder.images:
        raise BoxlessError(f"No image of {data.folder} can be read; the first: {problems[0]}")
    folder = replace(folder, images=[replace(image, segments=None) for image in folder.images])  # for tests alone
    train_part, validation_part = split(folder, data.validation_share, seed)
    train_source = Images(train_part, channels, max_side, places, shrink)
    boxes_agree = all(image.truth is not None and _counted(image) == image.labels for image in validation_part.images)
    validation_source = Images(validation_part, channels, max_side, places or boxes_agree, shrink)
    if data.scenes_share:
        scenes = _scenes(data, seed, TRAIN)
        return Mixed(train_source, scenes, data.train_size, data.scenes_share), validation_source, problems
    return train_source, validation_source, problems


def _counted(image: LabelledImage) -> tuple[int, ...]:
    """The labels of an image by its boxes, in rising order."""
    return () if image.truth is None else tuple(sorted(image.truth.labels.tolist()))


def _scenes(data: DataConfig, seed: int, stream: int) -> Scenes:
    """Scenes to train on, or to validate on with glyphs that no training scene has."""
    glyphs = load_glyphs(data.glyphs, "train")
    held_out = torch.arange(len(glyphs.labels)) % HELD_OUT == 0
    own = _subset(glyphs, held_out if stream == VALIDATION else ~held_out)
    size = data.validation_size if stream == VALIDATION else data.train_size
    return Scenes(generator_of(_layout(data), own, seed, stream), size)


def scenes_of_test_glyphs(data: DataConfig, size: int, seed: int = 0) -> Scenes:
    """Scenes of test glyphs, which no training and no validation has seen."""
    return Scenes(generator_of(_layout(data), load_glyphs(data.glyphs, "test"), seed, TEST), size)


def _layout(data: DataConfig) -> AnyLayout:
    layout = layout_named(data.layout)
    return layout if data.counts is None else replace(layout, counts=data.counts)


def image_size(data: DataConfig) -> tuple[int, int] | None:
    """Height and width of the images to learn from, in pixels, by the first of a folder; None where they differ.

    Raises:
        BoxlessError: the layout or the folder is not usable.
    """
    if data.folder is None:
        side = getattr(_layout(data), "side", None)
        return None if side is None else (side, side)
    folder = read_folder(data.folder, labels_needed=False)
    seen, _ = check_images(replace(folder, images=folder.images[:LOOKED_AT]))
    sizes = {image.size for image in seen.images}
    return sizes.pop() if len(sizes) == 1 else None


def _padded(rows: list[Tensor], value: float) -> Tensor:
    return torch.nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=value)


def _subset(glyphs: Glyphs, chosen: Tensor) -> Glyphs:
    return replace(glyphs, images=glyphs.images[chosen], labels=glyphs.labels[chosen])

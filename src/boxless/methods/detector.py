"""The contract of every method: detect, save, load.

A model directory holds ``model.json`` (the name of the method, plain values of its configuration, and the threshold
that counts best) and ``model.safetensors``. Both are data: no import path in them is resolved, nothing is unpickled.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from math import prod
from numbers import Integral
from pathlib import Path
from typing import Any, ClassVar, Literal, NamedTuple, Self, TypeVar, overload

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from boxless.data.files import write_atomically
from boxless.data.images import ImageLike, to_tensor
from boxless.data.resize import Scale, centers_to_original, fit, sizes_to_original
from boxless.errors import BoxlessError
from boxless.hardware import autocast
from boxless.instances import Instances
from boxless.plain import from_plain

T = TypeVar("T")
R = TypeVar("R")
Threshold = float | Literal["auto"] | None

CONFIG_FILE, WEIGHTS_FILE = "model.json", "model.safetensors"
HELD_VALUES = 2**25  # of images that wait for others of their size: 128 MB


@dataclass(frozen=True)
class Found:
    """The instances of one image as tensors, in pixels of the image that the network saw."""

    centers: Tensor  # (N, 2) x and y
    sizes: Tensor  # (N, 2) width and height
    scores: Tensor  # (N,) in [0, 1]
    labels: Tensor  # (N,)
    descriptors: Tensor | None = None  # (N, D)
    masks: Tensor | None = None  # (N, H, W) bool

    def there(self) -> dict[str, Tensor]:
        """What there is of these, by name."""
        return {name: tensor for name, tensor in vars(self).items() if tensor is not None}


class Rows(NamedTuple):
    """What may be an instance in a batch of images, as much for each: a graph of fixed shapes leaves nothing out."""

    keep: Tensor  # (B, N) bool: is one
    columns: Found  # each (B, N, ...)

    def kept(self) -> list[Found]:
        """What of each image is kept, taken out at once: an image at a time took a tenth of a detection."""
        image, number = self.keep.nonzero(as_tuple=True)
        numbers = self.keep.sum(1).tolist()
        columns = self.columns.there()
        rows = zip(*(column[image, number].split(numbers) for column in columns.values()), strict=True)
        return [Found(**dict(zip(columns, row, strict=True))) for row in rows]


class Detector(nn.Module):
    """A trained or trainable model that finds instances in images.

    A method subclasses this, names itself and its configuration, and implements :meth:`rows`, or :meth:`find` itself.

    Attributes:
        calibrated_threshold: the score from which to count, in [0, 1], so that the number of objects came nearest to
            the true one on the validation images of its training; None where it is not known.
    """

    method: ClassVar[str]
    config_type: ClassVar[type[Any]]
    labels_are: ClassVar[Literal["needed", "used", "ignored"]] = "needed"  # used where there are any, to name classes
    sees_boxes: ClassVar[bool] = False  # its training does: to compare with those that do not
    learns_from_counts: ClassVar[bool] = False  # then these choose the ``calibrated_threshold`` too
    config: Any
    calibrated_threshold: float | None = None
    _shrunk_already = False

    @property
    def shrink(self) -> float:
        """Factor on the sides of the images that are given, at most 1."""
        return 1.0 if self._shrunk_already else shrink_of(self.config)

    @contextmanager
    def images_shrunk_already(self) -> Iterator[None]:
        """Within, images are those of a source that has shrunk them for this model, and stay as they are."""
        before, self._shrunk_already = self._shrunk_already, True
        try:
            yield
        finally:
            self._shrunk_already = before

    @property
    def knows_classes(self) -> bool:
        """False where the labels of what is found have nothing to do with those of the data."""
        return self.labels_are != "ignored"

    def most_classes(self, size: tuple[int, int]) -> int | None:
        """How many classes an image of this height and width can show to the training; None for any number."""
        return None

    @property
    def least_pixels(self) -> int:
        """Of an image, that the training can learn from it."""
        return 1

    @classmethod
    def settings_of_before(cls, config: Mapping[str, Any]) -> dict[str, Any]:
        """What settings were before they had a name, where the default is another: for models saved without them."""
        return {}

    def measure_scores(self, images: Iterable[Tensor]) -> None:
        """Measure on other images than those of the training what scores are in proportion to, if it is anything.

        Args:
            images: each (C, H, W), in [0, 1], as the network is to see it.
        """

    def rows(self, images: Tensor, k: int | None, threshold: float | None) -> Rows:
        """What may be an instance in a batch of images (B, C, H, W), see :meth:`detect`."""
        raise NotImplementedError

    def find(self, images: Tensor, k: int | None, threshold: float | None) -> list[Found]:
        """The instances of each image of a batch (B, C, H, W), see :meth:`detect`."""
        return self.rows(images, k, threshold).kept()

    def outputs(self, images: Tensor) -> dict[str, Tensor]:
        """What an exported model says of a batch of images (B, C, H, W): tensors of fixed shapes, by name.

        Those of :class:`Found`, each (B, N, ...), and ``keep``, (B, N) bool, which of the N are instances.
        """
        keep, columns = self.rows(images, None, None)
        return {"keep": keep, **columns.there()}

    @overload
    def detect(
        self,
        images: list[Any] | tuple[Any, ...],
        *,
        k: int | None = None,
        threshold: Threshold = None,
        batch_size: int = 32,
    ) -> list[Instances]: ...
    @overload
    def detect(
        self, images: ImageLike, *, k: int | None = None, threshold: Threshold = None, batch_size: int = 32
    ) -> Instances: ...
    def detect(
        self,
        images: Any,
        *,
        k: int | None = None,
        threshold: Threshold = None,
        batch_size: int = 32,
    ) -> Instances | list[Instances]:
        """Find the objects of an image, or of each of a list of images.

        Args:
            images: a path, a Pillow image, an array (H, W) or (H, W, C) of uint8 or of floats in [0, 1], a tensor
                (H, W) or (C, H, W), or a list of these.
            k: return the ``k`` highest peaks of each image, in this order, or fewer where there are not so many; the
                model's own number by default. By score, which a class has a part in: ``sorted_by_score()``.
            threshold: return as many as have at least this score instead, in [0, 1]; with ``k``, of these ``k``. "auto"
                is the ``calibrated_threshold``.
            batch_size: images of one size that are computed at once.

        Returns:
            Instances in pixels of the image that was given; a list for a list.

        Raises:
            BoxlessError: an image cannot be read, ``k``, ``threshold`` or ``batch_size`` is out of range, or the model
                has no threshold of its own.
        """
        if k is not None and (not isinstance(k, Integral) or isinstance(k, bool) or k < 1):
            raise BoxlessError(f"k is the number of instances to return, at least 1, not {k!r}.")
        least = self._score_of(threshold)
        if batch_size < 1:
            raise BoxlessError(f"batch_size is a number of images, at least 1, not {batch_size}.")
        if isinstance(images, list | tuple):
            return self._detect_all(images, k, least, batch_size)
        return self._detect_all([images], k, least, batch_size)[0]

    def _score_of(self, threshold: Threshold) -> float | None:
        if threshold == "auto":
            if self.calibrated_threshold is None:
                cure = ", or go on with boxless train --resume --out RUN" if self.learns_from_counts else ""
                raise BoxlessError(
                    f"This model has no threshold of its own; give a score in [0, 1], or leave it out{cure}."
                )
            return self.calibrated_threshold
        if threshold is not None and (isinstance(threshold, str) or not 0 <= threshold <= 1):
            raise BoxlessError(f'threshold is a score in [0, 1] or "auto", not {threshold!r}.')
        return threshold

    def _detect_all(
        self, images: Sequence[ImageLike], k: int | None, threshold: float | None, batch_size: int
    ) -> list[Instances]:
        return self._by_batches(images, batch_size, lambda batch: self.find(batch, k, threshold), self._instances)

    def map_images(
        self, images: Sequence[ImageLike], function: Callable[[Tensor], Tensor], batch_size: int = 32
    ) -> list[Tensor]:
        """A picture (C, H, W) for each image, in its own size, by a function of batches (B, C, H, W) to (B, C, H, W).

        The function runs in eval mode, without gradients, on the model's device.
        """

        def finished(picture: Tensor, scale: Scale, size: tuple[int, int]) -> Tensor:
            if tuple(picture.shape[1:]) == size:
                return picture.float().cpu()
            resized = F.interpolate(picture[None].float().cpu(), size=size, mode="bilinear", align_corners=False)
            return resized[0]

        return self._by_batches(images, batch_size, lambda batch: list(function(batch)), finished)

    def _by_batches(
        self,
        images: Sequence[ImageLike],
        batch_size: int,
        compute: Callable[[Tensor], Sequence[T]],
        finish: Callable[[T, Scale, tuple[int, int]], R],
    ) -> list[R]:
        """Images of one size are computed together, while they fit into memory; the order of the list is kept."""
        if not isinstance(images, list | tuple):  # an array would be taken for a list of its rows
            raise BoxlessError("Here images are a list, also where there is one alone: give [image].")
        results: dict[int, R] = {}
        waiting: dict[tuple[int, ...], list[tuple[int, Tensor, Scale, tuple[int, int]]]] = {}

        def flush(shape: tuple[int, ...]) -> None:
            entries = waiting.pop(shape)
            found = self._computed(torch.stack([tensor for _, tensor, _, _ in entries]), compute)
            for (index, _, scale, size), one in zip(entries, found, strict=True):
                results[index] = finish(one, scale, size)

        for index, image in enumerate(images):
            original = to_tensor(image, self.config.channels)
            tensor, scale = fit(original, self.config.max_side, self.shrink)
            shape = tuple(tensor.shape)
            waiting.setdefault(shape, []).append((index, tensor, scale, (original.shape[1], original.shape[2])))
            if len(waiting[shape]) == batch_size:
                flush(shape)
            elif sum(len(entries) * prod(of) for of, entries in waiting.items()) > HELD_VALUES:
                for of in list(waiting):
                    flush(of)
        for shape in list(waiting):
            flush(shape)
        return [results[index] for index in range(len(images))]

    def _computed(self, images: Tensor, compute: Callable[[Tensor], Sequence[T]]) -> Sequence[T]:
        device = next(self.parameters()).device
        training = [module for module in self.modules() if module.training]
        for module in training:
            module.training = False
        try:
            with torch.inference_mode(), autocast(device.type):
                return compute(images.to(device))
        finally:
            for module in training:
                module.training = True

    def _instances(self, found: Found, scale: Scale, image_size: tuple[int, int]) -> Instances:
        return Instances(
            centers=centers_to_original(found.centers.float(), scale).cpu().numpy(),
            sizes=sizes_to_original(found.sizes.float(), scale).cpu().numpy(),
            scores=found.scores.float().cpu().numpy(),
            labels=found.labels.cpu().numpy(),
            class_names=self.config.class_names,
            image_size=image_size,
            descriptors=None if found.descriptors is None else found.descriptors.float().cpu().numpy(),
            masks=None if found.masks is None else _masks_of_size(found.masks, image_size).cpu().numpy(),
        )

    def channels_last(self) -> Self:
        """Lay convolutions out as the fast kernels want them: channels last. Values and shapes stay."""
        for parameter in self.parameters():
            if parameter.ndim == 4:
                parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)
        return self

    def save(self, directory: str | Path, half: bool = False) -> None:
        """Write ``model.json`` and ``model.safetensors``, each whole or not at all.

        Args:
            directory: made if it is missing.
            half: store weights as float16, half as large; loading makes them float32 again.
        """
        from safetensors.torch import save

        weights = {name: tensor.detach().cpu().contiguous() for name, tensor in self.state_dict().items()}
        if half:
            weights = {name: w.half() if w.is_floating_point() else w for name, w in weights.items()}
        directory = Path(directory)
        write_atomically(directory / WEIGHTS_FILE, save(weights))
        self.save_description(directory)

    def save_description(self, directory: str | Path) -> None:
        """Write ``model.json`` alone, beside weights that are there: for another threshold."""
        description = {"method": self.method, "config": asdict(self.config), "threshold": self.calibrated_threshold}
        write_atomically(Path(directory) / CONFIG_FILE, json.dumps(description, indent=2))

    @classmethod
    def load(cls, directory: str | Path) -> Self:
        """Read a model that :meth:`save` wrote, on the CPU and in eval mode.

        Raises:
            BoxlessError: a file is missing or broken, or is of another method.
        """
        directory = Path(directory)
        description = read_description(directory)
        if description["method"] != cls.method:
            raise BoxlessError(f"{directory} holds a {description['method']} model, not {cls.method}.")
        plain = cls.settings_of_before(description["config"]) | description["config"]
        config = from_plain(cls.config_type, plain, str(directory / CONFIG_FILE))
        try:
            with torch.device("meta"):  # no memory is taken for what the file may not hold
                wanted = cls(config).state_dict()
        except (RuntimeError, OverflowError, TypeError) as error:
            raise BoxlessError(f"{directory / CONFIG_FILE} describes no model that can be; save it again.") from error
        weights = _read_weights(directory / WEIGHTS_FILE, wanted)
        model = cls(config)
        model.load_state_dict(weights)
        model.calibrated_threshold = description.get("threshold")
        return model.channels_last().eval()


def shrink_of(config: Any) -> float:
    """Factor on the sides of all images by a model's configuration; 1 of methods that resize images in another way."""
    return float(getattr(config, "shrink", 1.0))


def _masks_of_size(masks: Tensor, size: tuple[int, int]) -> Tensor:
    """(N, H, W) bool of the image that the network saw, as those of the image that was given."""
    if tuple(masks.shape[1:]) == size or len(masks) == 0:
        return masks.new_zeros(0, *size) if len(masks) == 0 else masks
    return F.interpolate(masks.unsqueeze(1).float(), size=size, mode="nearest-exact").squeeze(1) > 0.5


def read_description(directory: Path) -> dict[str, Any]:
    """``model.json`` of a model directory: {"method": name, "config": plain values, "threshold": score or None}.

    Those of before there were thresholds lack it.

    Raises:
        BoxlessError: the file is missing or is not of this form.
    """
    path = Path(directory) / CONFIG_FILE
    if not path.is_file():
        raise BoxlessError(f"{directory} is no model directory: it has no {CONFIG_FILE}; give a run or a saved model.")
    try:
        description = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise BoxlessError(f"{path} is broken ({error}); save the model again.") from error
    if (
        not isinstance(description, dict)
        or not isinstance(description.get("method"), str)
        or not isinstance(description.get("config"), dict)
    ):
        raise BoxlessError(f"{path} does not name a method and its config; save the model again.")
    threshold = description.get("threshold")
    if threshold is not None and not (type(threshold) in (int, float) and 0 <= threshold <= 1):
        raise BoxlessError(f"{path}: threshold is {threshold!r}, no score in [0, 1]; train or save the model again.")
    return description


def _read_weights(path: Path, wanted: Mapping[str, Tensor]) -> dict[str, Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load

    try:
        weights = load(path.read_bytes())
    except FileNotFoundError as error:
        raise BoxlessError(f"There is no {path}; save the model again.") from error
    except (OSError, SafetensorError) as error:
        raise BoxlessError(f"{path} is broken ({error}); copy or save it again.") from error
    if weights.keys() != wanted.keys() or any(weights[name].shape != wanted[name].shape for name in wanted):
        raise BoxlessError(f"{path} does not fit the configuration beside it; save the model again.")
    if not all(bool(weight.isfinite().all()) for weight in weights.values()):
        raise BoxlessError(f"{path} holds weights that are no finite numbers; save or train the model again.")
    return {name: tensor.to(wanted[name].dtype) for name, tensor in weights.items()}

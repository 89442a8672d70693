"""Instances: what every method returns for one image, and the form of its ground truth."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from boxless.errors import BoxlessError
from boxless.run_lengths import encoded

if TYPE_CHECKING:
    import supervision

FloatArray = NDArray[np.float32]
Index = int | slice | NDArray[Any] | list[int] | list[bool]

# Sums of float32 softmax terms may leave [0, 1] by rounding; what is further out is an error of the caller.
SCORE_TOLERANCE = 1e-4


@dataclass(frozen=True, eq=False, init=False, repr=False)
class Instances:
    """The N objects of one image, as numpy arrays.

    Coordinates are pixels of the input image, x right, y down, with the centre of the top-left pixel at (0, 0).
    A box of centre c and size s covers [c - s/2, c + s/2] in that frame. The exits to formats whose origin is the
    *corner* of the top-left pixel (COCO, Label Studio, supervision) add the half pixel; boxes that reach over the
    border of the image stay as they are, there as here.

    Args:
        centers: (N, 2), x and y.
        sizes: (N, 2), full width and height, not negative.
        scores: (N,) in [0, 1]; ones where None.
        labels: (N,) integer class ids, contiguous from 0; zeros where None.
        class_names: the name of each class id, or None.
        image_size: (height, width) of the image, or None where it is not known.
        descriptors: (N, D), or None.
        masks: (N, H, W), or None; with ``image_size`` given, (H, W) must equal it.

    Raises:
        BoxlessError: an array has a wrong shape, a value that is not finite, or one out of its range.
    """

    centers: FloatArray
    sizes: FloatArray
    scores: FloatArray
    labels: NDArray[np.int64]
    class_names: tuple[str, ...] | None
    image_size: tuple[int, int] | None
    descriptors: FloatArray | None
    masks: NDArray[np.bool_] | None

    def __init__(
        self,
        centers: ArrayLike,
        sizes: ArrayLike,
        scores: ArrayLike | None = None,
        labels: ArrayLike | None = None,
        class_names: tuple[str, ...] | list[str] | None = None,
        image_size: tuple[int, int] | None = None,
        descriptors: ArrayLike | None = None,
        masks: ArrayLike | None = None,
    ) -> None:
        checked_centers = _floats("centers", _rows_of_two(centers), (None, 2))
        count = len(checked_centers)
        names = None if class_names is None else tuple(str(name) for name in class_names)
        size = None if image_size is None else _image_size(image_size)
        fields: dict[str, Any] = {
            "centers": checked_centers,
            "sizes": _sizes(sizes, count),
            "scores": np.ones(count, np.float32) if scores is None else _scores(scores, count),
            "labels": np.zeros(count, np.int64) if labels is None else _labels(labels, count, names),
            "class_names": names,
            "image_size": size,
            "descriptors": None if descriptors is None else _floats("descriptors", descriptors, (count, None)),
            "masks": None if masks is None else _masks(masks, count, size),
        }
        for name, value in fields.items():
            object.__setattr__(self, name, value)

    def __len__(self) -> int:
        return len(self.centers)

    def __iter__(self) -> Iterator[Instances]:
        """Each instance in turn, as Instances of length one."""
        return (self[index] for index in range(len(self)))

    def __getitem__(self, index: Index) -> Instances:
        """The instances at ``index``: an integer (Instances of length one), a slice, a boolean mask or integers.

        Raises:
            IndexError: as numpy does, for an index or a mask that does not fit.
        """
        rows = np.arange(len(self))[np.asarray(index, np.int64) if isinstance(index, list) and not index else index]
        rows = np.atleast_1d(rows)
        return Instances(
            self.centers[rows],
            self.sizes[rows],
            self.scores[rows],
            self.labels[rows],
            class_names=self.class_names,
            image_size=self.image_size,
            descriptors=None if self.descriptors is None else self.descriptors[rows],
            masks=None if self.masks is None else self.masks[rows],
        )

    def __repr__(self) -> str:
        counts = ", ".join(f"{name}: {count}" for name, count in self.counts().items())
        return f"Instances({len(self)}{' of ' if counts else ''}{counts})"

    def above(self, score: float) -> Instances:
        """The instances whose score is at least ``score``, in their order.

        Raises:
            BoxlessError: it is no number.
        """
        if not isinstance(score, int | float | np.number):
            raise BoxlessError(f"score is a number in [0, 1], not {score!r}; only detect knows the model's own.")
        return self[self.scores >= score]

    def of_class(self, label: int | str) -> Instances:
        """The instances of one class, given by its id or its name.

        Raises:
            BoxlessError: there is no class of that name.
        """
        if isinstance(label, str):
            if self.class_names is None or label not in self.class_names:
                known = "no class names" if self.class_names is None else ", ".join(self.class_names)
                raise BoxlessError(f"there is no class {label!r} among these instances, which know {known}.")
            label = self.class_names.index(label)
        return self[self.labels == label]

    def sorted_by_score(self) -> Instances:
        """The same instances, highest score first; equal scores keep their order."""
        return self[np.argsort(-self.scores, kind="stable")]

    @property
    def boxes(self) -> FloatArray:
        """(N, 4) left, top, right, bottom: centre -+ half the size, in the frame of the centres."""
        return np.concatenate([self.centers - self.sizes / 2, self.centers + self.sizes / 2], axis=1)

    @property
    def names(self) -> list[str]:
        """The class name of each instance; the class id in digits where there are no names."""
        return [self._name(label) for label in self.labels.tolist()]

    def counts(self) -> dict[str, int]:
        """How many instances there are of each class that is present, by name (see ``names``), in order of the id."""
        labels, counts = np.unique(self.labels, return_counts=True)
        return {self._name(label): count for label, count in zip(labels.tolist(), counts.tolist(), strict=True)}

    def to_coco(self, image_id: int, first_id: int = 1) -> list[dict[str, Any]]:
        """COCO annotations, which COCO's results format accepts too (they carry a score).

        Args:
            image_id: the id of the image in the COCO file.
            first_id: the id of the first annotation; the others follow.

        Returns:
            For each instance ``id``, ``image_id``, ``category_id`` (our class id, from 0), ``bbox`` (left, top, width,
            height in pixels, from the corner of the top-left pixel), ``area``, ``score``, ``iscrowd``; with masks also
            ``segmentation``, as run lengths, whose pixels are then the area.
        """
        lefts, tops = (_plain(self._corner_boxes()[:, axis]) for axis in (0, 1))
        widths, heights = (_plain(self.sizes[:, axis]) for axis in (0, 1))
        areas = _plain(self.sizes[:, 0] * self.sizes[:, 1] if self.masks is None else self.masks.sum(axis=(1, 2)))
        scores, labels = _plain(self.scores), self.labels.tolist()
        segments = [{}] * len(self) if self.masks is None else [{"segmentation": encoded(mask)} for mask in self.masks]
        return [
            {
                "id": first_id + index,
                "image_id": image_id,
                "category_id": labels[index],
                "bbox": [lefts[index], tops[index], widths[index], heights[index]],
                "area": areas[index],
                "score": scores[index],
                "iscrowd": 0,
                **segments[index],
            }
            for index in range(len(self))
        ]

    def to_rows(self, file_name: str) -> list[dict[str, Any]]:
        """One row of a table for each instance: x and y are the centre in our frame, width and height the box's."""
        columns = zip(
            self.labels.tolist(),
            self.names,
            _plain(self.scores),
            *(_plain(column) for column in (*self.centers.T, *self.sizes.T)),
            strict=True,
        )
        keys = ("label", "name", "score", "x", "y", "width", "height")
        return [{"file_name": file_name, **dict(zip(keys, row, strict=True))} for row in columns]

    def to_label_studio(self, from_name: str = "label", to_name: str = "image") -> dict[str, Any]:
        """One entry of a Label Studio task's ``predictions``: rectangles in percent of the image's width and height.

        Args:
            from_name: the name of the ``RectangleLabels`` tag in the labelling configuration.
            to_name: the name of its ``Image`` tag.

        Raises:
            BoxlessError: the size of the image is not known.
        """
        if self.image_size is None:
            raise BoxlessError("Label Studio counts in percent of the image, so give the instances their image_size.")
        height, width = self.image_size
        percent = np.concatenate([self._corner_boxes()[:, :2], self.sizes], axis=1) * (
            100 / np.array([width, height, width, height])
        )
        columns = zip(*(_plain(column) for column in percent.T), _plain(self.scores), self.names, strict=True)
        result = [
            {
                "id": f"instance-{number}",
                "type": "rectanglelabels",
                "from_name": from_name,
                "to_name": to_name,
                "original_width": width,
                "original_height": height,
                "image_rotation": 0,
                "value": {"x": x, "y": y, "width": w, "height": h, "rotation": 0, "rectanglelabels": [name]},
                "score": score,
            }
            for number, (x, y, w, h, score, name) in enumerate(columns, start=1)
        ]
        mean_score = float(self.scores.mean(dtype=np.float64)) if len(self) else 0.0
        return {"model_version": "boxless", "score": mean_score, "result": result}

    def to_supervision(self) -> supervision.Detections:
        """``supervision.Detections``: boxes from the corner of the top-left pixel, names in ``data["class_name"]``.

        Raises:
            BoxlessError: the package supervision is not installed.
        """
        try:
            import supervision
        except ImportError as error:
            raise BoxlessError(
                "to_supervision needs the package supervision: pip install boxless[supervision]."
            ) from error
        return supervision.Detections(
            xyxy=self._corner_boxes().astype(np.float32),
            mask=self.masks,
            confidence=self.scores,
            class_id=self.labels,
            data={"class_name": np.array(self.names, dtype=str)},
        )

    def _corner_boxes(self) -> NDArray[np.float64]:
        """(N, 4) left, top, right, bottom with the corner of the top-left pixel at (0, 0)."""
        centers, sizes = self.centers.astype(np.float64), self.sizes.astype(np.float64)
        return np.concatenate([centers - sizes / 2, centers + sizes / 2], axis=1) + 0.5

    def _name(self, label: int) -> str:
        return str(label) if self.class_names is None else self.class_names[label]


def _plain(values: NDArray[Any]) -> list[float]:
    """Python floats with the fewest digits that give the same float32: 8.1, not 8.100000381469727."""
    shortest: list[float] = values.astype(np.float32).astype(str).astype(np.float64).tolist()
    return shortest


def _rows_of_two(values: ArrayLike) -> ArrayLike:
    """An empty list has the shape (0,); it is meant as (0, 2)."""
    return np.zeros((0, 2), np.float32) if np.size(values) == 0 else values


def _floats(name: str, values: ArrayLike, shape: tuple[int | None, ...]) -> FloatArray:
    array = np.asarray(values, dtype=np.float32)
    _check_shape(name, array, shape)
    if not np.isfinite(array).all():
        raise BoxlessError(f"{name} of Instances hold a value that is not finite; leave such instances out.")
    return array


def _check_shape(name: str, array: NDArray[Any], shape: tuple[int | None, ...]) -> None:
    fits = array.ndim == len(shape) and all(want in (None, got) for want, got in zip(shape, array.shape, strict=True))
    if not fits:
        wanted = ", ".join("any" if length is None else str(length) for length in shape)
        raise BoxlessError(f"{name} of Instances have shape {array.shape}, not ({wanted}); one row is one instance.")


def _sizes(values: ArrayLike, count: int) -> FloatArray:
    array = _floats("sizes", _rows_of_two(values), (count, 2))
    if (array < 0).any():
        raise BoxlessError(f"sizes of Instances must not be negative, and the least is {array.min():g}.")
    return array


def _scores(values: ArrayLike, count: int) -> FloatArray:
    array = _floats("scores", values, (count,))
    if ((array < -SCORE_TOLERANCE) | (array > 1 + SCORE_TOLERANCE)).any():
        raise BoxlessError(f"scores of Instances must lie in [0, 1], not in [{array.min():g}, {array.max():g}].")
    return array.clip(0, 1)


def _labels(values: ArrayLike, count: int, names: tuple[str, ...] | None) -> NDArray[np.int64]:
    array = np.asarray(values)
    if array.size and array.dtype.kind not in "iu":
        raise BoxlessError(f"labels of Instances must be integers, not {array.dtype}.")
    _check_shape("labels", array, (count,))
    if array.size and array.min() < 0:
        raise BoxlessError(f"labels of Instances count from 0, and the least is {array.min()}.")
    if array.size and names is not None and array.max() >= len(names):
        raise BoxlessError(f"label {array.max()} of Instances has no name: class_names has {len(names)}, from 0 on.")
    return array.astype(np.int64)


def _image_size(values: tuple[int, int]) -> tuple[int, int]:
    height, width = (int(value) for value in values)
    if height < 1 or width < 1:
        raise BoxlessError(f"image_size of Instances is (height, width) in pixels, not {(height, width)}.")
    return height, width


def _masks(values: ArrayLike, count: int, image_size: tuple[int, int] | None) -> NDArray[np.bool_]:
    array = np.asarray(values)
    if array.size and not np.isin(array, (0, 1)).all():
        raise BoxlessError("masks of Instances are true or false for each pixel; of shares, give masks > 0.5.")
    _check_shape("masks", array, (count, *(image_size or (None, None))))
    return array.astype(np.bool_)

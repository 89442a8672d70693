"""What a report can hold. All but the title may be missing; what is missing has no section."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from boxless.instances import Instances
from boxless.metrics.counting import CountingScores
from boxless.metrics.offsets import OffsetStatistics
from boxless.report.pictures import ImageArray
from boxless.report.plots import Curve

Unit = Literal["%", "px", ""]


@dataclass(frozen=True)
class MetricRow:
    """One measure beside what it is held against.

    Attributes:
        name: as the reader knows it, for example "IOU 50 %".
        ours: what this run reached; nan where it is of nothing.
        paper: what the paper reached, or None.
        goal: what is to be reached, or None.
        unit: "%" for shares in [0, 1], which are shown in percent (this goes for all three numbers); "px" for pixels.
        lower_is_better: of an error.
    """

    name: str
    ours: float
    paper: float | None = None
    goal: float | None = None
    unit: Unit = "%"
    lower_is_better: bool = False

    def reaches(self, mark: float) -> bool:
        """Ours is at least (of an error: at most) the mark."""
        return self.ours <= mark if self.lower_is_better else self.ours >= mark


@dataclass(frozen=True, eq=False)
class Rebuilt:
    """An image rebuilt from what was found in it; all of it in [0, 1], without or with colours like the image.

    Attributes:
        image: (H, W), (H, W, 1) or (H, W, 3), the synthesis.
        patches: (N, P, P), (N, P, P, 1) or (N, P, P, 3), what was cut out for each prediction, in their order.
        decoded: of the same shape, what became of each.
    """

    image: ImageArray
    patches: ImageArray
    decoded: ImageArray


@dataclass(frozen=True, eq=False)
class Layers:
    """An image taken apart: what each of K keypoints adds to it.

    Attributes:
        colors: (K, H, W, C) in [0, 1], on black.
        alphas: (K, H, W) in [0, 1], how opaque each is.
    """

    colors: ImageArray
    alphas: ImageArray


@dataclass(frozen=True, eq=False)
class Kinds:
    """The M kinds of objects that a model has made out by itself: its prototypes.

    Attributes:
        names: of each, the class that it stands for, or none.
        counts: (M,) how many of the keypoints that were found are of each.
        pictures: (M, H, W, C) in [0, 1], each decoded from its prototype alone.
        places: (N, 2) of N descriptors on a map where near ones are alike (t-SNE), or None for too few of them.
        groups: (N,) what each descriptor is: an index of ``group_names``, or -1 where that is not known.
        group_names: the true classes, where they are known; else the prototypes.
        centers: (M, 2) of the prototypes on the same map.
    """

    names: Sequence[str]
    counts: NDArray[np.int64]
    pictures: ImageArray
    places: NDArray[np.float64] | None
    groups: NDArray[np.int64]
    group_names: Sequence[str]
    centers: NDArray[np.float64] | None


@dataclass(frozen=True, eq=False)
class MarkedImage:
    """An image with its landmarks.

    Attributes:
        name: of the file.
        image: (H, W), (H, W, 1) or (H, W, 3), floats in [0, 1].
        keypoints: what the landmarks are regressed from; labels are kinds.
        predicted: (T, 2) x and y, or None where there are keypoints alone.
        true: (T, 2).
        error: over the scale of the image.
    """

    name: str
    image: ImageArray
    keypoints: Instances
    predicted: NDArray[np.float64] | None = None
    true: NDArray[np.float64] | None = None
    error: float | None = None


@dataclass(frozen=True, eq=False)
class LandmarkPictures:
    """Landmarks that a linear map makes of keypoints.

    Attributes:
        measures: name -> error, shares.
        images: some of those that were tested, from good to bad.
        collage: several of them in one image, with as many more keypoints; no landmarks are regressed there.
        kinds: how many there are.
    """

    measures: Mapping[str, float]
    images: Sequence[MarkedImage]
    collage: MarkedImage | None
    kinds: int


@dataclass(frozen=True, eq=False)
class Example:
    """One image with what was found in it.

    Attributes:
        name: of the file or scene.
        image: (H, W), (H, W, 1) or (H, W, 3), floats in [0, 1].
        predicted: what was found.
        true: what is there, or None where that is not known.
        heatmap: (H, W), any range, or (H, W, C), the probability of each class, or None.
        rebuilt: from what was found, or None.
        kinds: what was found, with kinds for labels, or None of a model without them.
        layers: what each keypoint adds to ``rebuilt``, or None.
    """

    name: str
    image: ImageArray
    predicted: Instances
    true: Instances | None = None
    heatmap: ImageArray | None = None
    rebuilt: Rebuilt | None = None
    kinds: Instances | None = None
    layers: Layers | None = None


@dataclass(frozen=True, eq=False)
class Reading:
    """One image with what was read in it.

    Attributes:
        name: of the file or scene.
        image: (H, W), (H, W, 1) or (H, W, 3), floats in [0, 1].
        class_map: (H, W, C), the probability of each class, or None.
        read: by our reading.
        by_columns: by the paper's rule.
        true: what is there.
    """

    name: str
    image: ImageArray
    class_map: ImageArray | None
    read: str
    by_columns: str
    true: str


@dataclass(frozen=True, eq=False)
class Report:
    """A run or an evaluation, told to a person.

    Attributes:
        title: for example "mist-classify on mnist-hard".
        summary: one sentence: what was done, on what, and what came of it.
        metrics: rows beside the paper's numbers, or plain name -> value.
        counting: how well the objects are counted.
        counted: the same with the model's own threshold, or None where it has none.
        threshold: that threshold.
        examples: images with what was found in them.
        readings: images with what was read in them.
        confusion: (C + 1, C + 1) of ``metrics.confusion.confusion_matrix``.
        class_names: C names, for the confusion, the counts and the offsets; ids where None.
        offsets: of ``metrics.offsets.offset_statistics``.
        kinds: that the model has made out by itself, or None.
        landmarks: regressed from its keypoints, or None.
        curves: name -> (steps, values). Names that differ only in a leading "train/", "val/" or "test/" share a plot.
        settings: recipe, seed, commit, machine, seconds: what one needs to do it again.
        problems: what was skipped and why, one sentence each, with its name.
    """

    title: str
    summary: str = ""
    metrics: Mapping[str, float] | Sequence[MetricRow] | None = None
    counting: CountingScores | None = None
    counted: CountingScores | None = None
    threshold: float | None = None
    examples: Sequence[Example] = field(default=())
    readings: Sequence[Reading] = field(default=())
    confusion: NDArray[np.integer] | None = None
    class_names: Sequence[str] | None = None
    offsets: OffsetStatistics | None = None
    kinds: Kinds | None = None
    landmarks: LandmarkPictures | None = None
    curves: Mapping[str, Curve] | None = None
    settings: Mapping[str, str] | None = None
    problems: Sequence[str] | None = None

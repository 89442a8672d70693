"""From an evaluation to what a person reads: rows of measures, examples with pictures, the whole report."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from boxless.engine.evaluation import Evaluation
from boxless.engine.marks import Mark
from boxless.engine.sources import Images, Source, seen_by
from boxless.hardware import autocast
from boxless.instances import Instances
from boxless.methods.detector import Detector
from boxless.metrics.sequences import edit_distance
from boxless.report.contents import Example, LandmarkPictures, MetricRow, Reading, Rebuilt, Report, Unit
from boxless.report.discovered import kinds_in, kinds_of, layers_of, rebuilt_by
from boxless.report.pictures import ImageArray
from boxless.report.plots import Curve
from boxless.report.verdicts import verdicts_of

MEASURES: dict[str, tuple[str, Unit, bool]] = {
    "rmse": ("RMSE of the images rebuilt", "", True),
    "grey_rmse": ("The same of each image's mean colour", "", True),
    "ari": ("ARI, pixels of objects", "%", False),
    "shape": ("Shape", "%", False),
    "color": ("Color", "%", False),
    "size": ("Size", "%", False),
    "localization": ("IOU 50 %", "%", False),
    "classification": ("Classif.", "%", False),
    "exact_sets": ("Images with the right set of classes", "%", False),
    "image_error": ("Images of one class read wrong", "%", True),
    "sequence_error": ("Sequences read wrong", "%", True),
    "column_sequence_error": ("The same by the columns of the map", "%", True),
    "character_error": ("Edits a true character", "%", True),
    "column_character_error": ("The same by the columns of the map", "%", True),
    "both": ("Both", "%", False),
    "precision": ("Precision, centre in the box", "%", False),
    "recall": ("Recall, centre in the box", "%", False),
    "f1": ("F1, centre in the box", "%", False),
    "guess_f1": ("The same of one in the middle of each image", "%", False),
    "average_precision": ("IOU 50 AP, mean over classes", "%", False),
    "average_precision_of_any_class": ("IOU 50 AP, any class", "%", False),
    "median_offset": ("Median distance from the true centre", "px", True),
    "median_size_error": ("Median error of the size", "%", True),
    "exact_multiset": ("Images with every count right", "%", False),
    "total_error": ("Mean error of the number of objects", "", True),
}
"""Name in ``Evaluation.metrics()`` to name, unit and whether lower is better."""

OF_CLASSES = ("classification", "both", "average_precision_of_any_class")
"""Of a single class these tell nothing, or nothing new."""

TITLES_OF_ONE_CLASS = {"average_precision": "IOU 50 AP", "exact_multiset": "Images with the right count"}

# The report has a section of its own for these.
OF_COUNTING = ("exact_multiset", "total_error")

# A heatmap is drawn of images whose sides lie in this range: the network needs a few pixels, and memory for many.
LEAST_SIDE, MOST_SIDE = 32, 1600


@runtime_checkable
class HasHeatmap(Protocol):
    """A detector that can show where it looks."""

    def heatmap(self, images: Tensor) -> Tensor:
        """(B, C, H, W) to (B, H, W)."""
        ...


@runtime_checkable
class HasClassMap(Protocol):
    """A detector that can show which class it sees where."""

    def class_map(self, images: Tensor) -> Tensor:
        """(B, C, H, W) to probabilities (B, classes, H, W)."""
        ...


@runtime_checkable
class RebuildsFrom(Protocol):
    """A detector that can show how it rebuilds an image from what it found."""

    def rebuild_from(
        self, image: Tensor, found: Instances
    ) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
        """(C, H, W) and N instances to the synthesis, the patches cut out, and what became of each.

        See ``Rebuilt``.
        """
        ...


def metric_rows(
    evaluation: Evaluation, marks: Mapping[str, Mark] | None = None, without: Sequence[str] = ()
) -> list[MetricRow]:
    """The measures that the evaluation has and that tell something, beside what they are held against."""
    found = evaluation.metrics()
    one_class = has_one_class(evaluation)
    without = (*without, *OF_CLASSES) if one_class else without
    rows = []
    for name, (title, unit, lower_is_better) in MEASURES.items():
        if name in found and name not in without:
            mark = (marks or {}).get(name, Mark())
            title = TITLES_OF_ONE_CLASS.get(name, title) if one_class else title
            rows.append(MetricRow(title, found[name], mark.paper, mark.goal, unit, lower_is_better))
    return rows


def has_one_class(evaluation: Evaluation) -> bool:
    """Whether there is nothing to tell apart: the model knows one class, or none."""
    return len(evaluation.class_names) == 1


def examples(evaluation: Evaluation, detector: Detector, indices: Sequence[int]) -> list[Example]:
    """Images of the evaluation with what was found in them, what is there, the heatmap, and how it is rebuilt."""
    source = evaluation.source
    if source is None:
        return []
    places_known = evaluation.detection is not None
    return [
        Example(
            name=_name(source, index),
            image=image.permute(1, 2, 0).numpy(),
            predicted=evaluation.predicted[index],
            true=evaluation.true[index] if places_known else None,
            heatmap=_heatmap(detector, image),
            rebuilt=_rebuilt(detector, image, evaluation.predicted[index]),
            kinds=kinds_in(detector, evaluation.predicted[index]),
            layers=layers_of(detector, image),
        )
        for index in indices
        for image in [_image(source, index)]
    ]


def readings(evaluation: Evaluation, detector: Detector, number: int) -> list[Reading]:
    """What images say beside what was read in them, the worst first."""
    texts, source = evaluation.transcriptions, evaluation.source
    if texts is None or source is None:
        return []
    edits = [edit_distance(read, true) for read, true in zip(texts.read, texts.true, strict=True)]
    worst = np.argsort(-np.array(edits), kind="stable")[:number].tolist()
    names = evaluation.class_names
    return [
        Reading(
            name=_name(source, index),
            image=image.permute(1, 2, 0).numpy(),
            class_map=_heatmap(detector, image),
            read=_spelled(texts.read[index], names),
            by_columns=_spelled(texts.by_columns[index], names),
            true=_spelled(texts.true[index], names),
        )
        for index in worst
        for image in [_image(source, index)]
    ]


def _spelled(labels: Sequence[int], names: Sequence[str]) -> str:
    """Names of one letter stand together, others apart."""
    return ("" if all(len(name) == 1 for name in names) else " ").join(names[label] for label in labels)


def telling(evaluation: Evaluation, number: int) -> list[int]:
    """Images to show: the first ones, and those with the most mistakes where there are any."""
    count = len(evaluation.predicted)
    if evaluation.detection is None:
        return list(range(min(number, count)))
    mistakes = np.array([_mistakes(*pair) for pair in zip(evaluation.predicted, evaluation.true, strict=True)])
    first = list(range(min(-(-number // 2), count)))
    worst = [index for index in np.argsort(-mistakes, kind="stable").tolist() if mistakes[index] and index not in first]
    return first + worst[: number - len(first)]


def report_of(
    evaluation: Evaluation,
    detector: Detector,
    title: str,
    summary: str = "",
    marks: Mapping[str, Mark] | None = None,
    curves: Mapping[str, Curve] | None = None,
    settings: Mapping[str, str] | None = None,
    landmarks: LandmarkPictures | None = None,
    pictures: int = 12,
) -> Report:
    """All that an evaluation tells.

    Args:
        evaluation: of the detector.
        detector: draws the heatmaps.
        title, summary, curves, settings, landmarks: see ``Report``.
        marks: what measures are held against.
        pictures: examples to show.
    """
    one_class = has_one_class(evaluation)
    offsets = evaluation.offsets
    with seen_by(detector, evaluation.source):
        return Report(
            title=title,
            summary=summary,
            metrics=metric_rows(evaluation, marks, without=OF_COUNTING),
            counting=evaluation.counting,
            counted=evaluation.counted,
            threshold=evaluation.calibrated_threshold,
            examples=examples(evaluation, detector, telling(evaluation, pictures)),
            readings=readings(evaluation, detector, 2 * pictures),
            confusion=None if one_class else evaluation.confusion,
            class_names=evaluation.class_names,
            offsets=replace(offsets, by_class={}) if one_class and offsets is not None else offsets,
            kinds=kinds_of(evaluation, detector),
            landmarks=landmarks,
            curves=curves,
            settings=settings,
            problems=evaluation.problems,
        )


def _image(source: Source, index: int) -> Tensor:
    """(C, H, W) without padding."""
    batch = source.batch(torch.tensor([index]))
    if batch.extents is None:
        return batch.images[0]
    height, width = batch.extents[0].tolist()
    return batch.images[0, :, :height, :width]


def _name(source: Source, index: int) -> str:
    if isinstance(source, Images):
        folder = source.folder
        return folder.images[index].path.relative_to(folder.root).as_posix()
    return f"scene {index}"


def _heatmap(detector: Detector, image: Tensor) -> ImageArray | None:
    """(H, W), or (H, W, classes)."""
    height, width = image.shape[1:]
    if min(height, width) < LEAST_SIDE or max(height, width) > MOST_SIDE:
        return None
    images = image[None].to(next(detector.parameters()).device)
    with torch.inference_mode(), autocast(images.device.type):
        if isinstance(detector, HasHeatmap):
            return detector.heatmap(images)[0].float().cpu().numpy()
        if isinstance(detector, HasClassMap):
            return detector.class_map(images)[0].permute(1, 2, 0).float().cpu().numpy()
    return None


def _rebuilt(detector: Detector, image: Tensor, found: Instances) -> Rebuilt | None:
    if isinstance(detector, RebuildsFrom):
        return Rebuilt(*detector.rebuild_from(image, found))
    return rebuilt_by(detector, image)


def _mistakes(predicted: Instances, true: Instances) -> int:
    verdicts = verdicts_of(predicted, true)
    return len(verdicts.mistaken) + len(verdicts.false) + len(verdicts.missed)

"""Evaluate a model: the papers' measures on images whose objects are known."""

import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from boxless.engine.loaders import evaluation_loader
from boxless.engine.recipe import DataConfig
from boxless.engine.sources import Images, Scenes, Source, known_images, scenes_of_test_glyphs, seen_by
from boxless.engine.truth import of_one_class, the_only_class, truths_for
from boxless.engine.without_learning import grey_error_sums, one_in_the_middle
from boxless.errors import BoxlessError
from boxless.image_progress import ImageProgress
from boxless.instances import Instances
from boxless.methods.abilities import ReadsImages, Reconstructs, Segments, Transcribes
from boxless.methods.detector import Detector, Threshold
from boxless.metrics.attributes import attribute_accuracies
from boxless.metrics.average_precision import AveragePrecision, average_precision
from boxless.metrics.center_detection import CenterScores, center_scores
from boxless.metrics.confusion import confusion_matrix
from boxless.metrics.counting import CountingScores, counting_scores, counting_scores_of, counting_sums
from boxless.metrics.detection import DetectionScores, detection_scores
from boxless.metrics.offsets import OffsetStatistics, offset_statistics
from boxless.metrics.reading import ReadingScores, reading_scores
from boxless.metrics.reconstruction import rmse_of, squared_error_sums
from boxless.metrics.segmentation import ari_sums, mean_ari_of
from boxless.metrics.sequences import SequenceErrors, sequence_errors
from boxless.metrics.sizes import SizeStatistics, size_statistics
from boxless.models import load

Texts = list[tuple[int, ...]]
Number = int | Literal["true"] | None


@dataclass(frozen=True)
class Transcriptions:
    """What images say, as class ids in reading order.

    Attributes:
        read: by our reading, of each image.
        by_columns: by the paper's rule.
        true: what is there.
    """

    read: Texts
    by_columns: Texts
    true: Texts

    def errors(self) -> SequenceErrors:
        """Of our reading."""
        return sequence_errors(self.read, self.true)

    def errors_by_columns(self) -> SequenceErrors:
        """Of the paper's rule."""
        return sequence_errors(self.by_columns, self.true)


@dataclass(frozen=True)
class Evaluation:
    """What a model reaches on a set of images. Shares are in [0, 1]; see ``boxless.metrics`` for each.

    Attributes:
        detection, centers, average_precision, confusion, offsets, sizes: None where the true places are not known.
        counting: of what was found as it was asked for; of K an image, the total is what it must be.
        rmse: of the images rebuilt, in [0, 1]; None of a model that rebuilds none.
        grey_rmse: the same of each image's mean colour; with ``rmse``.
        guess: ``centers`` of one object in the middle of each image; with one class, where there is nothing to name.
        counted: by the model's own threshold, whatever was asked for; None of a model without.
        calibrated_threshold: that of the model.
        reading: of images as a whole; None of a model that only finds instances.
        transcriptions: None of a model that transcribes nothing, or where the order of the objects is not known.
        ari: the adjusted Rand index over foreground pixels; None of a model that draws no masks, or without true ones.
        attributes: the accuracy of each attribute of the objects, where their classes are combinations of some.
        images, seconds: how many, and how long their detection took.
        predicted, true: of each image, in order, in pixels of the images of ``source``.
        source: the images.
        problems: one sentence for each image that was skipped.
    """

    class_names: tuple[str, ...]
    counting: CountingScores
    classification: float
    images: int
    seconds: float
    detection: DetectionScores | None = None
    centers: CenterScores | None = None
    average_precision: AveragePrecision | None = None
    confusion: NDArray[np.int64] | None = None
    offsets: OffsetStatistics | None = None
    sizes: SizeStatistics | None = None
    rmse: float | None = None
    grey_rmse: float | None = None
    guess: CenterScores | None = None
    counted: CountingScores | None = None
    calibrated_threshold: float | None = None
    reading: ReadingScores | None = None
    transcriptions: Transcriptions | None = None
    ari: float | None = None
    attributes: dict[str, float] = field(default_factory=dict)
    predicted: list[Instances] = field(default_factory=list, repr=False)
    true: list[Instances] = field(default_factory=list, repr=False)
    problems: list[str] = field(default_factory=list)
    source: Source | None = field(default=None, repr=False)

    def metrics(self) -> dict[str, float]:
        """The measures by name, as plain numbers."""
        found: dict[str, float] = {"images": self.images, "classification": self.classification}
        if self.rmse is not None:
            found["rmse"] = self.rmse
        if self.grey_rmse is not None:
            found["grey_rmse"] = self.grey_rmse
        if self.reading is not None:
            found |= {name: value for name, value in asdict(self.reading).items() if value is not None}
        if self.transcriptions is not None:
            ours, theirs = self.transcriptions.errors(), self.transcriptions.errors_by_columns()
            found |= {"sequence_error": ours.sequence, "character_error": ours.character}
            found |= {"column_sequence_error": theirs.sequence, "column_character_error": theirs.character}
        if self.ari is not None:
            found["ari"] = self.ari
        found |= self.attributes
        if self.detection is not None:
            found |= {"localization": self.detection.localization, "both": self.detection.both}
        if self.centers is not None:
            found |= _by_center(self.centers)
        if self.guess is not None:
            found |= {f"guess_{name}": value for name, value in _by_center(self.guess).items()}
        if self.average_precision is not None:
            found["average_precision"] = self.average_precision.mean
            found["average_precision_of_any_class"] = self.average_precision.class_agnostic
        if self.offsets is not None:
            found["median_offset"] = self.offsets.median_distance
        if self.sizes is not None:
            found |= {"median_size_error": self.sizes.median_error, "median_size_ratio": self.sizes.median_ratio}
        found |= _counts(self.counting)
        if self.counted is not None and self.calibrated_threshold is not None:
            found["calibrated_threshold"] = self.calibrated_threshold
            found |= {f"calibrated_{name}": value for name, value in _counts(self.counted).items()}
        return found


def _counts(scores: CountingScores) -> dict[str, float]:
    """The measures of counting that are recorded."""
    values = asdict(scores)
    return {name: values[name] for name in ("total_error", "class_error", "exact_total", "exact_multiset")}


def _by_center(scores: CenterScores) -> dict[str, float]:
    return {name: getattr(scores, name) for name in ("precision", "recall", "f1")}


def evaluate(
    model: Detector | str | Path,
    data: DataConfig | str | Path | Source,
    *,
    images: int = 5000,
    k: Number = None,
    threshold: Threshold = None,
    seed: int = 0,
    progress: bool = False,
) -> Evaluation:
    """Detect in every image of a set and compare with the truth.

    Args:
        model: a detector, a run, or the name of a shipped model.
        data: scenes of test glyphs; a user's folder, whose broken images are skipped and named; or images of a source.
        images: how many scenes to compose; a folder or a source is taken whole.
        k: instances an image, see ``Detector.detect``; "true" tells the model the true number of each image.
        threshold: see ``Detector.detect``.
        seed: of the scenes.
        progress: show it.

    Raises:
        BoxlessError: the model, the folder or a setting is not usable.
    """
    detector = model if isinstance(model, Detector) else load(model)
    if isinstance(data, DataConfig | str | Path):
        source, problems = _source(detector, data, images, seed, progress)
    else:
        source, problems = data, []
    predicted: list[Instances] = []
    true: list[Instances] = []
    guessed: list[Instances] = []
    classes_read: list[tuple[int, ...]] = []
    class_read: list[int] = []
    read: Texts = []
    by_columns: Texts = []
    places_known, seconds, squared_errors, grey_errors, ari = True, 0.0, np.zeros(2), np.zeros(2), np.zeros(2)
    class_names = source.class_names if detector.knows_classes else the_only_class(detector.config.class_names)
    counted = None if detector.calibrated_threshold is None else counting_sums([], [], len(class_names))
    with seen_by(detector, source), ImageProgress("evaluating", len(source), shown=progress) as watched:
        for batch in evaluation_loader(source):
            truth = truths_for(detector, batch, class_names)
            places_known &= batch.centers is not None
            contents = batch.unpadded()
            began = time.perf_counter()
            numbers = [max(1, len(one)) if k == "true" else k for one in truth]
            found = _detected(detector, contents, numbers, threshold)
            seconds += time.perf_counter() - began
            if isinstance(detector, Reconstructs):
                squared_errors += _squared_errors(detector, contents)
                grey_errors += np.sum([grey_error_sums(image.permute(1, 2, 0).numpy()) for image in contents], axis=0)
            if isinstance(detector, Segments) and detector.draws_masks and batch.segments is not None:
                drawn = detector.segments(contents, None if k == "true" else k)
                for ours, truly in zip(drawn, batch.segments.numpy(), strict=True):
                    ari += ari_sums(ours[None], truly[None, : ours.shape[0], : ours.shape[1]])
            guessed += [one_in_the_middle(image, class_names) for image in contents]
            if not detector.knows_classes:
                found = [of_one_class(one, class_names) for one in found]
            if counted is not None:
                many = found if (k, threshold) == (None, "auto") else detector.detect(contents, threshold="auto")
                if not detector.knows_classes:
                    many = [of_one_class(one, class_names) for one in many]
                counted += counting_sums(many, truth, len(class_names))
            if isinstance(detector, ReadsImages):
                classes_read += detector.classes_in(contents)
                class_read += detector.classify(contents).tolist()
            if isinstance(detector, Transcribes) and source.in_reading_order:
                read += detector.transcribe(contents)
                by_columns += detector.transcribe(contents, by_columns=True)
            predicted += [one[: len(t)] for one, t in zip(found, truth, strict=True)] if k == "true" else found
            true += truth
            watched.advance(len(truth))
    scores = detection_scores(predicted, true)
    texts = [tuple(one.labels.tolist()) for one in true]
    known: dict[str, Any] = {"ari": mean_ari_of(ari) if ari.any() else None}
    if places_known:
        known |= {
            "detection": scores,
            "centers": center_scores(predicted, true),
            "guess": center_scores(guessed, true) if len(class_names) == 1 else None,
            "average_precision": average_precision(predicted, true),
            "confusion": confusion_matrix(predicted, true, len(class_names)),
            "offsets": offset_statistics(predicted, true),
            "sizes": size_statistics(predicted, true),
        }
        if detector.knows_classes and isinstance(source, Scenes | Images) and source.attributes:
            by_center = confusion_matrix(predicted, true, len(class_names), threshold=None)
            known["attributes"] = attribute_accuracies(by_center, source.attributes)
    return Evaluation(
        class_names=class_names,
        counting=counting_scores(predicted, true, len(class_names)),
        classification=scores.classification,
        images=len(true),
        seconds=seconds,
        predicted=predicted,
        true=true,
        problems=problems,
        source=source,
        reading=reading_scores(class_read, classes_read, texts) if isinstance(detector, ReadsImages) else None,
        transcriptions=Transcriptions(read, by_columns, texts) if places_known and read else None,
        rmse=rmse_of(squared_errors) if isinstance(detector, Reconstructs) else None,
        grey_rmse=rmse_of(grey_errors) if isinstance(detector, Reconstructs) else None,
        counted=None if counted is None else counting_scores_of(counted),
        calibrated_threshold=detector.calibrated_threshold,
        **known,
    )


def _source(
    detector: Detector, data: DataConfig | str | Path, size: int, seed: int, progress: bool
) -> tuple[Source, list[str]]:
    config = detector.config
    if isinstance(data, DataConfig) and data.folder is None:
        scenes = scenes_of_test_glyphs(data, size, seed)
        if detector.knows_classes and scenes.class_names != config.class_names:
            raise BoxlessError(f"The model knows {', '.join(config.class_names)}, the scenes other classes.")
        return scenes, []
    return known_images(detector, data.folder if isinstance(data, DataConfig) and data.folder else str(data), progress)


def _detected(
    detector: Detector, images: list[Tensor], numbers: list[int | None], threshold: Threshold
) -> list[Instances]:
    """As many instances of each image as its number says."""
    found: dict[int, Instances] = {}
    for number in set(numbers):
        chosen = [index for index, own in enumerate(numbers) if own == number]
        instances = detector.detect([images[index] for index in chosen], k=number, threshold=threshold)
        found |= dict(zip(chosen, instances, strict=True))
    return [found[index] for index in range(len(images))]


def _squared_errors(detector: Reconstructs, images: list[Tensor]) -> NDArray[np.float64]:
    """See ``boxless.metrics.reconstruction``; over all images."""
    rebuilt = detector.reconstruct(images)
    originals = [image.permute(1, 2, 0).numpy().reshape(one.shape) for one, image in zip(rebuilt, images, strict=True)]
    sums: NDArray[np.float64] = np.zeros(2)
    for pair in zip(rebuilt, originals, strict=True):
        sums += squared_error_sums(*pair)
    return sums

"""The threshold of a detector: chosen on validation images at the end of a training, by their counts alone."""

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from boxless.data.batch import Batch
from boxless.engine.loaders import evaluation_loader
from boxless.engine.sources import Images, Source, seen_by
from boxless.image_progress import ImageProgress
from boxless.instances import Instances
from boxless.methods.detector import Detector
from boxless.metrics.count_threshold import CountThreshold, best_count_threshold


def calibrate(
    detector: Detector, source: Source, progress: bool = False, scores: bool = False, counted: bool = False
) -> CountThreshold:
    """Give the detector the ``calibrated_threshold`` that counts best on these images, and say what it reaches there.

    It learns no more of an image than the training: how many objects of each class there are, or, for a method
    without classes, its own K. No box is looked at.

    Args:
        detector: trained.
        source: images to validate on, never those to test on.
        progress: show it.
        scores: first let the detector measure its scores on these images anew, see ``Detector.measure_scores``.
        counted: the labels of the images, if there are any, say how many objects each holds to a method without
            classes, too.
    """
    source = source.without_places() if isinstance(source, Images) else source
    with seen_by(detector, source):
        found = _calibrated(detector, source, progress, scores, counted)
    detector.calibrated_threshold = found.threshold
    return found


def _calibrated(detector: Detector, source: Source, progress: bool, scores: bool, counted: bool) -> CountThreshold:
    if scores:
        with ImageProgress("measuring scores", len(source), shown=progress) as watched:
            detector.measure_scores(_watched(source, watched))
    candidates: list[Instances] = []
    counts: list[Tensor] = []
    with ImageProgress("choosing the threshold", len(source), shown=progress) as watched:
        for batch in evaluation_loader(source):
            candidates += detector.detect(batch.unpadded(), threshold=0.0)
            counts.append(_known_counts(detector, batch, counted and bool(source.class_names)))
            watched.advance(len(batch.images))
    return best_count_threshold(candidates, torch.cat(counts).numpy().astype(np.int64))


def _watched(source: Source, progress: ImageProgress) -> Iterator[Tensor]:
    """The images (C, H, W), one after the other."""
    for batch in evaluation_loader(source):
        yield from batch.unpadded()
        progress.advance(len(batch.images))


def _known_counts(detector: Detector, batch: Batch, counted: bool) -> Tensor:
    """(B, classes) what a training of this method is told; or, of one class, how many labels an image has."""
    if detector.knows_classes:
        return batch.counts(len(detector.config.class_names))
    if counted:
        return (batch.labels >= 0).sum(1, keepdim=True)
    return torch.full((len(batch.images), 1), detector.config.instances)

"""The truth of a batch as Instances."""

from dataclasses import replace

import numpy as np

from boxless.data.batch import Batch
from boxless.instances import Instances
from boxless.methods.detector import Detector


def truths_for(detector: Detector, batch: Batch, class_names: tuple[str, ...]) -> list[Instances]:
    """What this detector is held against, see :func:`truths_of`.

    To a method without classes all objects are alike, and images without any label have as many as it was told: its K.
    """
    if detector.knows_classes:
        return truths_of(batch, class_names)
    if batch.labels.shape[1] == 0 and batch.centers is None:
        nowhere = np.zeros((detector.config.instances, 2), np.float32)
        return [Instances(nowhere, nowhere, class_names=class_names)] * len(batch.images)
    return truths_of(batch, class_names, one_class=True)


def truths_of(batch: Batch, class_names: tuple[str, ...], one_class: bool = False) -> list[Instances]:
    """The true instances of each image; where places are not known they are zero, and only the labels count.

    Args:
        batch: of images.
        class_names: the name of each class.
        one_class: all instances are of class 0, whatever they are, for a model that knows no others.
    """
    labels = batch.labels.cpu().numpy()
    if one_class:
        labels = np.minimum(labels, 0)
    places = np.zeros((*labels.shape, 2), np.float32)
    centers = places if batch.centers is None else batch.centers.cpu().numpy()
    sizes = places if batch.sizes is None else batch.sizes.cpu().numpy()
    return [
        Instances(center[label >= 0], size[label >= 0], labels=label[label >= 0], class_names=class_names)
        for center, size, label in zip(centers, sizes, labels, strict=True)
    ]


def the_only_class(class_names: tuple[str, ...]) -> tuple[str, ...]:
    """The name of all objects, for a model whose classes have nothing to do with those of the data: its own, if one."""
    return class_names if len(class_names) == 1 else ("object",)


def of_one_class(found: Instances, class_names: tuple[str, ...]) -> Instances:
    """The same instances, all of the one class that there is."""
    return replace(found, labels=np.zeros_like(found.labels), class_names=class_names)

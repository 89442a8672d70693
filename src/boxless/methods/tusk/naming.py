"""Which class each prototype stands for, found on labelled training images and then frozen (PROTOCOL 2)."""

import dataclasses
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from boxless.data.batch import Batch
from boxless.engine.ranks import gathered
from boxless.engine.truth import truths_of
from boxless.instances import Instances
from boxless.methods.tusk.model import Tusk
from boxless.metrics.prototypes import assign_prototypes, count_covariance, prototype_contingency


def with_prototypes(model: Tusk, found: Sequence[Instances]) -> list[Instances]:
    """What a model found, with the numbers of prototypes for labels."""
    device = model.prototypes.device
    numbers = [model.nearest(torch.from_numpy(one.descriptors).to(device)).cpu().numpy() for one in found]
    return [dataclasses.replace(one, labels=n, class_names=None) for one, n in zip(found, numbers, strict=True)]


def classes_of_prototypes(
    model: Tusk, found: Sequence[Instances], batches: Sequence[Batch], one_to_one: bool = True
) -> NDArray[np.int64] | None:
    """The class of each prototype, so that the most objects agree; over the images of all processes.

    With places, an object agrees with the keypoint that lies on it. Without, the numbers of the prototypes of an image
    are compared with those of its classes.

    Args:
        model: whose classes have names.
        found: of each image of the batches, in their order; the labels are prototypes.
        batches: at least one, labelled.
        one_to_one: see ``assign_prototypes``.

    Returns:
        (M,) classes; None where no image has a label.
    """
    names, prototypes = model.config.class_names, model.config.prototypes
    device = batches[0].labels.device
    counts = torch.cat([batch.counts(len(names)) for batch in batches])
    if not bool(gathered(counts.sum().view(1)).any()):
        return None
    if all(batch.centers is not None for batch in batches):
        truth = [dataclasses.replace(one, class_names=None) for batch in batches for one in truths_of(batch, names)]
        table = torch.from_numpy(prototype_contingency(found, truth, prototypes, len(names), threshold=None)).to(device)
        return assign_prototypes(gathered(table.unsqueeze(0)).sum(0).cpu().numpy(), one_to_one)
    numbers = torch.from_numpy(np.stack([np.bincount(one.labels, minlength=prototypes) for one in found])).to(device)
    covariance = count_covariance(*(gathered(rows).cpu().numpy() for rows in (numbers, counts)))
    return assign_prototypes(covariance, one_to_one)

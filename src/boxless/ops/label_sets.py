"""Label sets of a batch: which classes each sample has, as a mask, from lists or a mask."""

from collections.abc import Collection, Sequence

import torch
from torch import Tensor

LabelSets = Tensor | Sequence[Collection[int]]


def label_set_mask(label_sets: LabelSets, batch: int, classes: int, device: torch.device) -> Tensor:
    """Where each sample has each class.

    Args:
        label_sets: for each sample its classes, ids in 0…C − 1 in any order, where a repeated one counts once, and none
            for the empty set; or a bool mask (B, C). The background, which is id C, is in no set.
        batch: B.
        classes: C, without the background.
        device: where the mask shall be.

    Returns:
        (B, C) bool.

    Raises:
        ValueError: if the sets are not B, or name a class that is not in 0…C − 1.
    """
    if isinstance(label_sets, Tensor):
        if label_sets.dtype != torch.bool or label_sets.shape != (batch, classes):
            raise ValueError(
                f"label sets in a tensor are a bool mask ({batch}, {classes}) without the background, "
                f"not {label_sets.dtype} {tuple(label_sets.shape)}."
            )
        return label_sets.to(device)
    if len(label_sets) != batch:
        raise ValueError(f"there are {len(label_sets)} label sets for {batch} samples; give one for each.")
    if any(not isinstance(labels, Collection) or isinstance(labels, str) for labels in label_sets):
        raise ValueError("each label set is a collection of class ids, such as [3, 7]; empty for no class.")
    named = [(sample, label) for sample, labels in enumerate(label_sets) for label in labels]
    for sample, label in named:
        _check_class(sample, label, classes)
    mask = torch.zeros(batch, classes, dtype=torch.bool)
    if named:
        sample_ids, class_ids = torch.tensor([(sample, int(label)) for sample, label in named]).unbind(1)
        mask[sample_ids, class_ids] = True
    return mask.to(device)


def _check_class(sample: int, label: object, classes: int) -> None:
    try:
        number = label.__index__() if not isinstance(label, bool) else -1  # type: ignore[attr-defined]
    except (AttributeError, TypeError):
        number = -1
    if number == classes:
        raise ValueError(f"label set {sample} names class {classes}, the background, which is in no set; leave it out.")
    if not 0 <= number < classes:
        raise ValueError(
            f"label set {sample} names class {label!r}; class ids are whole numbers from 0 to {classes - 1}."
        )

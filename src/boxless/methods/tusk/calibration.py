"""What a TUSK model is told of once it is trained, from training images: by no label, but for the names of classes."""

from collections.abc import Sequence

import torch
from torch import Tensor

from boxless.data.batch import Batch
from boxless.engine.ranks import gathered
from boxless.hardware import autocast
from boxless.instances import Instances
from boxless.methods.tusk.confidence import least_score, score_of_drawn
from boxless.methods.tusk.config import TuskTrainingConfig
from boxless.methods.tusk.contents import content_sums, offsets_of
from boxless.methods.tusk.model import Tusk
from boxless.methods.tusk.naming import classes_of_prototypes, with_prototypes
from boxless.ops.padding import inside

DRAWN_IMAGES = 32  # by which keypoints are told from the middle of what they draw; as many passes each as keypoints


@torch.no_grad()
def calibrate(model: Tusk, batches: Sequence[Batch], settings: TuskTrainingConfig) -> None:
    """Fit what no loss does, in place.

    That is the middle of the features, which lags behind the training; where objects lie from their keypoints; the
    least score of an object; and, by the labels that there are, the class of each prototype.

    Args:
        model: to calibrate.
        batches: training images of this process, on the device of the model; all processes come to the same.
        settings: of the training.
    """
    if settings.centering:
        model.center.copy_(_middle(model, batches))
    if settings.centered_boxes and not model.config.masks:
        model.offset_of.copy_(offsets_of(_content_sums(model, batches)))
    k = model.config.instances
    with model.images_shrunk_already():
        detected = [one for batch in batches for one in model.detect(batch.unpadded(), k=k)]
    if model.config.varying:
        scores, drawn = _all_scores(detected, k, model.center.device)
        model.calibrated_threshold = score_of_drawn(scores, drawn) if model.config.masks else least_score(scores)
    if model.config.named:
        classes = classes_of_prototypes(model, with_prototypes(model, detected), batches, settings.one_to_one)
        if classes is not None:
            model.class_of.copy_(torch.from_numpy(classes))


def seen_of(batch: Batch) -> Tensor:
    """(B, 1, H, W) bool: false where an image is padded."""
    images = batch.images
    extents = images.new_tensor([images.shape[2:]]) if batch.extents is None else batch.extents
    return inside(extents, 0, images).expand(len(images), -1, -1).unsqueeze(1)


def _middle(model: Tusk, batches: Sequence[Batch]) -> Tensor:
    """(C,) the mean of the features at the keypoints of the images of all processes."""
    means = []
    for batch in batches:
        with autocast(batch.images.device.type):
            found = model.extract(model.encode(batch.images), model.config.instances, seen_of(batch)[:, 0])
        means.append(found.features.mean(dim=1))
    return gathered(torch.cat(means).mean(dim=0, keepdim=True)).mean(dim=0)


def _content_sums(model: Tusk, batches: Sequence[Batch]) -> Tensor:
    """(M, 3) of the first of the images, of all processes."""
    sums = torch.zeros(1, model.config.prototypes, 3, device=model.center.device)
    left = DRAWN_IMAGES
    for batch in batches:
        for images, seen in zip(batch.images[:left].split(1), seen_of(batch)[:left].split(1), strict=True):
            with autocast(images.device.type):
                found = model.extract(model.encode(images), model.config.instances, seen[:, 0])
                sums += content_sums(model, found, (images.shape[2], images.shape[3]))
        left = max(0, left - len(batch.images))
    return gathered(sums).sum(dim=0)


def _all_scores(found: Sequence[Instances], k: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """(N,) scores of all processes, which may have found unequal numbers; (N,) bool: the mask, if any, is not empty."""
    rows = torch.full((len(found), k, 2), torch.nan, device=device)
    for row, one in zip(rows, found, strict=True):
        row[: len(one), 0] = torch.from_numpy(one.scores)
        row[: len(one), 1] = 1.0 if one.masks is None else torch.from_numpy(one.masks.any(axis=(1, 2)))
    scores, drawn = gathered(rows).flatten(0, 1).unbind(-1)
    there = scores.isfinite()
    return scores[there], drawn[there] > 0

"""What a TUSK model shows beside an evaluation: its kinds, the layers of an image, and landmarks of its keypoints."""

from copy import copy
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from boxless.data.images import to_tensor
from boxless.data.resize import fitted_size
from boxless.engine.evaluation import Evaluation
from boxless.instances import Instances
from boxless.methods.detector import Detector
from boxless.methods.tusk.alone import layers_alone, prototypes_alone
from boxless.methods.tusk.landmarks import LandmarkEvaluation
from boxless.methods.tusk.model import Tusk
from boxless.methods.tusk.naming import with_prototypes
from boxless.metrics.landmarks import landmark_error
from boxless.metrics.matching import match_by_center
from boxless.report.contents import Kinds, LandmarkPictures, Layers, MarkedImage, Rebuilt
from boxless.report.kind_plots import FEWEST_POINTS, MOST_POINTS, tsne

LEAST_SIDE = 32  # of a prototype's picture, in pixels
MOST_SIDE = 256  # of the image that it is cut from
FACES, COLLAGE = 8, (2, 3)  # pictures of landmarks; rows and columns of images in one


def kinds_of(evaluation: Evaluation, detector: Detector) -> Kinds | None:
    """The prototypes of the model, what they hold of what was found, and where the descriptors of some lie."""
    if not isinstance(detector, Tusk):
        return None
    found = with_prototypes(detector, evaluation.predicted)
    labels = np.concatenate([np.zeros(0, np.int64), *(one.labels for one in found)])
    scores = np.concatenate([np.zeros(0), *(one.scores for one in found)])
    config = detector.config
    size = _seen_size(evaluation.predicted, detector)
    pictures = prototypes_alone(detector, size, float(np.median(scores)) if len(scores) else 1.0).images
    groups, group_names = _groups(evaluation, found, detector)
    chosen = np.unique(np.linspace(0, len(labels) - 1, MOST_POINTS).astype(np.int64)) if len(labels) else labels
    places = None
    if len(chosen) >= FEWEST_POINTS:
        descriptors = np.concatenate([one.descriptors for one in found if one.descriptors is not None])
        places = tsne(descriptors[chosen], detector.prototypes.detach().cpu().numpy())
    return Kinds(
        names=[config.class_names[c] if config.named else "" for c in detector.class_of.tolist()],
        counts=np.bincount(labels, minlength=config.prototypes),
        pictures=_middle(pictures, round(max(2 * config.object_size, LEAST_SIDE))),
        places=None if places is None else places[: len(chosen)],
        groups=groups[chosen],
        group_names=group_names,
        centers=None if places is None else places[len(chosen) :],
    )


def _seen_size(found: list[Instances], detector: Detector) -> tuple[int, int]:
    """Height and width of the first image as the network saw it, at most ``MOST_SIDE``: it decodes what it knows."""
    size = next((one.image_size for one in found if one.image_size is not None), (MOST_SIDE, MOST_SIDE))
    return fitted_size(fitted_size(size, detector.config.max_side, detector.shrink), MOST_SIDE)


def _middle(pictures: NDArray[np.float32], side: int) -> NDArray[np.float32]:
    """The square in the middle of pictures (M, H, W, C), where they are larger."""
    top, left = (max(0, (length - side) // 2) for length in pictures.shape[1:3])
    return pictures[:, top : top + side, left : left + side]


def _groups(evaluation: Evaluation, found: list[Instances], detector: Tusk) -> tuple[NDArray[np.int64], list[str]]:
    """What each keypoint is: the class of the object in whose box it lies if classes are known, else its prototype."""
    if evaluation.detection is None or len(evaluation.class_names) < 2:
        names = [f"kind {kind}" for kind in range(detector.config.prototypes)]
        return np.concatenate([np.zeros(0, np.int64), *(one.labels for one in found)]), names
    groups = []
    for predicted, true in zip(evaluation.predicted, evaluation.true, strict=True):
        pairs, own = match_by_center(predicted, true), np.full(len(predicted), -1)
        own[pairs[:, 0]] = true.labels[pairs[:, 1]]
        groups.append(own)
    return np.concatenate([np.zeros(0, np.int64), *groups]), list(evaluation.class_names)


def kinds_in(detector: Detector, found: Instances) -> Instances | None:
    """What was found in an image, with kinds for labels."""
    return with_prototypes(detector, [found])[0] if isinstance(detector, Tusk) else None


def rebuilt_by(detector: Detector, image: Tensor) -> Rebuilt | None:
    """An image (C, H, W) rebuilt from its keypoints; there are no patches."""
    if not isinstance(detector, Tusk):
        return None
    none = np.zeros((0, 1, 1))
    return Rebuilt(detector.reconstruct(image), none, none)


def layers_of(detector: Detector, image: Tensor) -> Layers | None:
    """What each keypoint of an image (C, H, W) adds to it, of a model with masks that sees it as it is."""
    if not isinstance(detector, Tusk) or not detector.config.masks:
        return None
    size = (image.shape[1], image.shape[2])
    if fitted_size(size, detector.config.max_side, detector.shrink) != size:
        return None
    alone = layers_alone(detector, image)
    return None if alone.alphas is None else Layers(alone.images, alone.alphas)


def landmark_pictures(evaluation: LandmarkEvaluation, model: Detector) -> LandmarkPictures:
    """Images from good to bad with their landmarks, and several of them in one."""
    tested, count = evaluation.tested, len(evaluation.tested)
    errors = [
        landmark_error(evaluation.predicted[[row]], tested.points[[row]], tested.scales[[row]]) for row in range(count)
    ]
    ranks = np.linspace(0, count - 1, min(FACES, count) + 2)[1:-1].round().astype(int)  # neither best nor worst alone
    shown = [
        MarkedImage(
            tested.paths[row].name,
            _pixels(to_tensor(tested.paths[row], 3)),
            evaluation.found[row],
            evaluation.predicted[row],
            tested.points[row],
            errors[row],
        )
        for row in np.argsort(errors, kind="stable")[ranks].tolist()
    ]
    measures = {
        "regressed from keypoints": evaluation.error,
        "the same before training": evaluation.untrained_error,
        "the mean of all, in every image": evaluation.mean_error,
    }
    assert isinstance(model, Tusk)
    return LandmarkPictures(measures, shown, _collage(evaluation, model), model.config.prototypes)


def _collage(evaluation: LandmarkEvaluation, model: Tusk) -> MarkedImage | None:
    """Several images of one size in one, detected at the scale that each has alone, with as many more keypoints."""
    rows, columns = COLLAGE
    paths = evaluation.tested.paths[:: max(1, len(evaluation.tested) // (rows * columns))][: rows * columns]
    images = [to_tensor(path, model.config.channels) for path in paths]
    if len(images) < rows * columns or len({image.shape for image in images}) > 1:
        return None
    whole = torch.cat([torch.cat(images[row * columns : (row + 1) * columns], dim=2) for row in range(rows)], dim=1)
    larger, side = copy(model), model.config.max_side
    if side is not None:
        side = round(side * max(whole.shape[1:]) / max(images[0].shape[1:]))
    larger.config = replace(model.config, max_side=side)
    found = larger.detect(whole, k=len(images) * model.config.instances)
    return MarkedImage("several images in one", _pixels(whole), with_prototypes(model, [found])[0])


def _pixels(image: Tensor) -> NDArray[np.float32]:
    pixels: NDArray[np.float32] = image.permute(1, 2, 0).numpy()
    return pixels

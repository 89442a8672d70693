"""Keypoints decoded each on its own: what prototypes look like (TUSK, figure 3), and layers of images (figure 4)."""

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from boxless.methods.tusk.model import Keypoints, Tusk
from boxless.methods.tusk.networks import unit

AT_ONCE = 16  # keypoints that are decoded together


class Alone(NamedTuple):
    """What N keypoints look like, each by itself."""

    images: NDArray[np.float32]  # (N, H, W, C) in [0, 1], on black
    alphas: NDArray[np.float32] | None  # (N, H, W) in [0, 1], of a model with masks


def prototypes_alone(model: Tusk, size: tuple[int, int], score: float) -> Alone:
    """Each prototype as the only keypoint of an empty map, so that its object lies in the middle.

    Args:
        model: of M prototypes.
        size: height and width of the map, in pixels that the network sees.
        score: of the keypoint, in [0, 1].
    """
    prototypes = unit(model.prototypes.detach())
    middle = prototypes.new_tensor([(size[1] - 1) / 2, (size[0] - 1) / 2])
    return _decoded(model, middle - model.offset_of, prototypes, prototypes.new_full((len(prototypes),), score), size)


def layers_alone(model: Tusk, image: Tensor) -> Alone:
    """Each of the K keypoints of an image (C, H, W), which the network sees as it is."""
    with torch.inference_mode():
        found = model.extract(model.encode(image[None].to(model.center.device)), model.config.instances)
        descriptors = model.described(found.features)
    return _decoded(model, found.centers[0], descriptors[0], found.scores[0], (image.shape[1], image.shape[2]))


@torch.inference_mode()
def _decoded(model: Tusk, centers: Tensor, descriptors: Tensor, scores: Tensor, size: tuple[int, int]) -> Alone:
    """Of N keypoints: (N, 2), (N, C) and (N,)."""
    valid = torch.ones_like(scores, dtype=torch.bool)
    rows = [values.unsqueeze(1).split(AT_ONCE) for values in (centers, scores, descriptors, valid)]
    drawn = [model.decode(Keypoints(*part), part[2], size) for part in zip(*rows, strict=True)]
    images = torch.cat([one.image for one in drawn]).permute(0, 2, 3, 1).float().cpu().numpy()
    alphas = [one.alphas[:, 0] for one in drawn if one.alphas is not None]
    return Alone(images, torch.cat(alphas).float().cpu().numpy() if alphas else None)

"""Two views of a batch, I and its warp T(I): their keypoints, what these tell of each other, and how to mislead one."""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from boxless.methods.tusk.model import Keypoints, Tusk
from boxless.methods.tusk.networks import Maps, unit
from boxless.ops.adversary import misleading
from boxless.ops.information import joint_assignments
from boxless.ops.keypoints import sample_at
from boxless.ops.warp import Warp, warp_points


class Pair(NamedTuple):
    """Images I, and T(I)."""

    images: Tensor  # (B, C, H, W)
    warped: Tensor  # (B, C, H, W)
    warp: Warp  # T
    seen: Tensor  # (B, H, W) bool: false where I is padding, or what a weak warp brought in from outside


class Views(NamedTuple):
    """Each keypoint as it is described in I and, where it has come to lie, in T(I)."""

    first: Tensor  # (B, K, C)
    second: Tensor  # (B, K, C)
    both: Tensor  # (B, K) bool: both show it

    def stacked(self) -> Tensor:
        """(B, K, 2, C), without a gradient; zeros for what T(I) does not show."""
        return torch.stack((self.first, self.second * self.both.unsqueeze(-1)), dim=2).detach()

    def joint(self, axes: Tensor) -> Tensor:
        """How often what both show is of kind i in one and of kind j in the other, (M, M); see :func:`joint_of`."""
        return joint_of(self.first[self.both], self.second[self.both], axes)


def views_of(model: Tusk, found: Keypoints, descriptors: Tensor, of_warped: Maps, center: Tensor, warp: Warp) -> Views:
    """The keypoints of I, described (B, K, C), and what the maps of T(I) say of them, less the middle (C,)."""
    height, width = warp.image_size
    landed = warp_points(found.centers.detach(), warp)
    shown = (landed >= 0) & (landed <= landed.new_tensor([width - 1, height - 1]))  # what is NaN is not
    both = found.valid & shown.all(dim=-1)
    of_landed = model.described(sample_at(of_warped.features, landed.nan_to_num()), center)
    return Views(descriptors, of_landed, both)


def axes_of(kinds: Tensor, sharpness: float) -> Tensor:
    """(..., M, C) kinds as (..., C, M), by which descriptors come to logits: cosines times the sharpness."""
    return sharpness * unit(kinds).mT


def joint_of(first: Tensor, second: Tensor, axes: Tensor) -> Tensor:
    """How often a keypoint is of kind i in one view and of kind j in the other.

    Args:
        first: (N, C) of length 1, descriptors in one view.
        second: (N, C) in the other.
        axes: (..., C, M), see :func:`axes_of`.

    Returns:
        (..., M, M), see ``joint_assignments``.
    """
    with torch.autocast(first.device.type, enabled=False):
        of_first, of_second = ((view.float() @ axes).softmax(dim=-1) for view in (first, second))
    return joint_assignments(of_first, of_second)


def adversary_of(model: Tusk, images: Tensor, kinds: list[Tensor], strength: float) -> Tensor:
    """What makes the keypoints of images look of other kinds, and is hardly to be seen.

    So the borders of kinds come to lie where there are no objects, and not across a class: one that is near such a
    border is pushed over it.

    Args:
        model: whose keypoints these are.
        images: (B, C, H, W).
        kinds: the axes (C, M) of each set of kinds.
        strength: see ``misleading``; the window is that of an object.

    Returns:
        (B, C, H, W) to add to the images, without a gradient.
    """
    images = images.detach().requires_grad_()
    maps = model.encode(images)
    found = model.extract(maps, model.config.instances)
    descriptors = model.described(sample_at(maps.features, found.centers.detach()))[found.valid]
    logits = [descriptors @ axes.detach() for axes in kinds]
    doubt = torch.stack([cross_entropy(one, one.argmax(dim=1), reduction="sum") for one in logits]).sum()
    (slope,) = torch.autograd.grad(doubt, images)
    return misleading(slope, 2 * round(model.config.object_size / 2) + 1, strength)

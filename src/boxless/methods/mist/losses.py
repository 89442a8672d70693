"""The losses of MIST, each per sample."""

import math

import torch
from torch import Tensor


def count_targets(counts: Tensor, k: int, background: bool) -> Tensor:
    """The share of each class among K patches: the first term of eq. 9.

    Args:
        counts: (B, C) objects of each class.
        k: patches an image.
        background: count the K − L patches left over as one more class, the last.

    Returns:
        (B, C), or (B, C + 1) with background, summing to 1 (to 0 for an empty image without background). An image with
        more than K objects, or any number of objects without background, counts by shares: y / L.
    """
    total = counts.sum(1, keepdim=True)
    if not background:
        return counts / total.clamp_min(1.0)
    most = total.clamp_min(float(k))
    return torch.cat((counts, most - total), dim=1) / most


def count_loss(logits: Tensor, targets: Tensor) -> Tensor:
    """Eq. 9: half the squared distance of the mean class probabilities from the shares of the classes.

    Args:
        logits: (B, K, C).
        targets: (B, C) shares, see :func:`count_targets`.

    Returns:
        (B,).
    """
    return 0.5 * (targets - logits.softmax(dim=-1).mean(dim=1)).square().sum(dim=1)


def count_cross_entropy(logits: Tensor, targets: Tensor) -> Tensor:
    """Eq. 7 of the 2018 version: cross-entropy of the mean class probabilities and the shares of the classes.

    Args:
        logits: (B, K, C).
        targets: (B, C) shares, see :func:`count_targets`.

    Returns:
        (B,).
    """
    log_mean = logits.log_softmax(dim=-1).logsumexp(dim=1) - math.log(logits.shape[1])
    return -(targets * log_mean).sum(dim=1)


def image_loss(reconstruction: Tensor, images: Tensor) -> Tensor:
    """Eq. 8 as a mean over pixels and channels: (B, C, H, W) twice to (B,)."""
    return (reconstruction - images).square().mean(dim=(1, 2, 3))


def heatmap_loss(heatmap: Tensor, target: Tensor) -> Tensor:
    """Eq. 7 as a mean over scales and pixels: (B, S, H, W) twice to (B,)."""
    return (heatmap - target).square().mean(dim=(1, 2, 3))

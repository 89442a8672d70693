"""Keypoints by registration: slide decoded patches until together they lie on the image."""

import torch
from torch import Tensor

from boxless.ops.blur import gaussian_blur
from boxless.ops.patches import paste

BLURS = (1.5, 2.5, 4.0)
"""Standard deviations in pixels: the residual is seen from coarse to fine at once."""


def registration_loss(patches: Tensor, keypoints: Tensor, sizes: Tensor, images: Tensor) -> Tensor:
    """Distance of the pasted patches from the image, blurred.

    ‖S⁻¹(P, x) − I‖² alone has a gradient only where strokes touch. Blurred, the residual of a stroke pulls a patch
    from as far as the blur reaches: towards what it should cover, away from what another patch covers already.
    The weight of each blur makes up for the residual that it smooths away.

    Args:
        patches: (B, K, C, P, P), fixed.
        keypoints: (B, K, 2) x and y, pixels.
        sizes: (B, K, 2), pixels.
        images: (B, C, H, W), less their background.

    Returns:
        (B,).
    """
    residual = paste(patches, keypoints, sizes, (images.shape[2], images.shape[3])) - images
    blurred = [sigma * gaussian_blur(residual, sigma).square().mean(dim=(1, 2, 3)) for sigma in BLURS]
    return torch.stack(blurred).sum(dim=0)


def register(patches: Tensor, keypoints: Tensor, sizes: Tensor, images: Tensor, steps: int, length: float) -> Tensor:
    """Move the keypoints down the :func:`registration_loss`, in steps that are together ``length`` pixels long.

    Takes no pass through any network: the patches stay as they were decoded.

    Returns:
        The moved keypoints (B, K, 2).
    """
    for _ in range(steps):
        with torch.enable_grad():
            keypoints = keypoints.detach().requires_grad_()
            loss = registration_loss(patches.detach(), keypoints, sizes, images)
            (gradient,) = torch.autograd.grad(loss.sum(), keypoints)
        direction = gradient / gradient.norm(dim=-1, keepdim=True).clamp_min(1e-12)
        keypoints = keypoints.detach() - length / steps * direction
    return keypoints

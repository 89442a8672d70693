"""Keypoints by registration: slide decoded patches until together they lie on the image."""

from collections.abc import Callable

import torch
from torch import Tensor

from boxless.methods.mist.model import Keypoints
from boxless.ops.blur import gaussian_blur
from boxless.ops.patches import place

BLURS = (1.5, 2.5, 4.0)
"""Standard deviations in pixels: the residual is seen from coarse to fine at once."""


def synthesize(patches: Tensor, keypoints: Keypoints, image_size: tuple[int, int]) -> Tensor:
    """Σ S⁻¹(P_k, x_k): patches laid on a black canvas in place and size, each as bright as it is (MIST, eq. 8).

    Args:
        patches: (B, N, C, P, P).
        keypoints: N of them.
        image_size: height and width.

    Returns:
        (B, C, H, W).
    """
    return place(patches, keypoints.centers, keypoints.sizes, image_size)


def registration_loss(patches: Tensor, keypoints: Keypoints, images: Tensor) -> Tensor:
    """Distance of the pasted patches from the image, blurred.

    ‖S⁻¹(P, x) − I‖² alone has a gradient only where strokes touch. Blurred, the residual of a stroke pulls a patch
    from as far as the blur reaches: towards what it should cover, away from what another patch covers already.
    The weight of each blur makes up for the residual that it smooths away.

    Args:
        patches: (B, K, C, P, P), fixed.
        keypoints: K of them.
        images: (B, C, H, W), less their background.

    Returns:
        (B,).
    """
    residual = synthesize(patches, keypoints, (images.shape[2], images.shape[3])) - images
    blurred = [sigma * gaussian_blur(residual, sigma).square().mean(dim=(1, 2, 3)) for sigma in BLURS]
    return torch.stack(blurred).sum(dim=0)


def register(
    patches: Tensor,
    keypoints: Keypoints,
    images: Tensor,
    steps: int,
    length: float,
    loss: Callable[[Tensor, Keypoints, Tensor], Tensor] = registration_loss,
) -> Keypoints:
    """Move the keypoints down the :func:`registration_loss`, in steps that are together ``length`` pixels long.

    Takes no pass through any network: the patches stay as they were decoded. It is taken in float32, whatever autocast
    says: of patches that lie nearly right the residual is little more than what bfloat16 rounds off.

    Args:
        patches: (B, K, C, P, P).
        keypoints: K of them.
        images: (B, C, H, W), less their background.
        steps: how many.
        length: of all of them together, in pixels.
        loss: stands in for :func:`registration_loss`, as its compiled form.

    Returns:
        The moved keypoints, of the size they have.
    """
    for _ in range(steps):
        with torch.enable_grad(), torch.autocast(images.device.type, enabled=False):
            centers = keypoints.centers.detach().requires_grad_()
            total = loss(patches.detach(), Keypoints(centers, keypoints.sides), images).sum()
            (slope,) = torch.autograd.grad(total, centers)
        move = length / steps * slope / slope.norm(dim=-1, keepdim=True).clamp_min(1e-12)
        keypoints = Keypoints(keypoints.centers - move, keypoints.sides)
    return Keypoints(keypoints.centers.detach(), keypoints.sides.detach())

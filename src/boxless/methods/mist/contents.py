"""Where the middle of what a patch shows lies, and how large it is: mean shift with a size (as in CAMShift).

A box that is too large shows its object as well as the right one does, so neither the task nor the registration says
how large it is to be. What is in and around the box does, once what other patches explain is taken out of the image.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from boxless.methods.mist.model import Keypoints
from boxless.ops.patches import crop

STEPS = 3
SAMPLES = 24  # along each side of a window
MARGIN = 1.35  # side of the window, in sides of the box: what grows out of the box is seen there
WIDTH = 0.25  # standard deviation of the window's Gaussian, in sides of the window: neighbours count for little
TAIL = 0.03  # of the content is left out at each end of its extent
FILLED = 0.78  # of its box is what an object seems to extend over, through that window
LEAST = 0.02  # of what the image holds on average is what a window must hold, to say anything


def fit_to_contents(images: Tensor, synthesis: Tensor, patches: Tensor, keypoints: Keypoints) -> Keypoints:
    """Boxes moved to the middle of what they show, and made as large as it seems.

    From a box of 0.7 to 1.6 times the side of its object, and a quarter of it off the middle, a step comes nearer.

    Args:
        images: (B, C, H, W), less their background.
        synthesis: (B, C, H, W), the sum of the patches as they lie on the image.
        patches: (B, K, C, P, P), as decoded, of the first K boxes; of the others nothing was taken out of the image.
            What is darker than the background is as heavy as what is brighter.
        keypoints: N boxes.

    Returns:
        N keypoints; of a patch that shows nothing its own.
    """
    fitted, k = keypoints, patches.shape[1]
    residual, least = images - synthesis, LEAST * images.square().sum(1).mean((1, 2)).unsqueeze(1)
    for _ in range(STEPS):
        windows = Keypoints(fitted.centers, MARGIN * fitted.sides)
        content = crop(residual, windows.centers, windows.sizes, SAMPLES)
        content[:, :k] += _resampled(patches, keypoints.first(k), windows.first(k))
        fitted = _step(content.square().sum(2), least, fitted)
    return fitted


def _resampled(patches: Tensor, keypoints: Keypoints, windows: Keypoints) -> Tensor:
    """Patches (B, K, C, P, P) of these keypoints as windows elsewhere show them, (B, K, C, SAMPLES, SAMPLES)."""
    cells = patches.shape[-1] / keypoints.sizes  # of a patch, a pixel
    places = (windows.centers - keypoints.centers) * cells + (patches.shape[-1] - 1) / 2
    places, sizes = (values.flatten(0, 1).unsqueeze(1) for values in (places, windows.sizes * cells))
    return crop(patches.flatten(0, 1), places, sizes, SAMPLES).view(*patches.shape[:3], SAMPLES, SAMPLES)


def _step(content: Tensor, least: Tensor, keypoints: Keypoints) -> Keypoints:
    """Boxes fitted to what their windows hold, (B, N, SAMPLES, SAMPLES); not where that is at most ``least`` (B, 1)."""
    place = (torch.arange(SAMPLES, device=content.device, dtype=content.dtype) + 0.5) / SAMPLES - 0.5  # in windows
    weight = torch.exp(-0.5 * (place / WIDTH).square())
    mass = content * weight * weight.unsqueeze(1)
    along = torch.stack((mass.sum(-2), mass.sum(-1)), dim=-2)  # (B, N, 2, SAMPLES): of columns, of rows
    total = mass.sum((-2, -1))
    seen, windows = total > least * SAMPLES**2, MARGIN * keypoints.sides
    middle = (along * place).sum(-1) / total.clamp_min(1e-6).unsqueeze(-1)
    extent = (_quantile(along, 1.0 - TAIL) - _quantile(along, TAIL)).amax(-1)  # of the longer of its two sides
    return Keypoints(
        keypoints.centers + torch.where(seen, windows, 0.0).unsqueeze(-1) * middle,
        torch.where(seen, windows * extent / FILLED, keypoints.sides),
    )


def _quantile(mass: Tensor, share: float) -> Tensor:
    """Where a share of the mass (…, N) lies before, in [0, 1]; between two cells by a straight line."""
    number = mass.shape[-1]
    below = F.pad((mass.cumsum(-1) / mass.sum(-1, keepdim=True).clamp_min(1e-6)).contiguous(), (1, 0))
    wanted = below.new_full((*below.shape[:-1], 1), share)
    cell = torch.searchsorted(below, wanted).clamp(1, number)
    low, high = below.gather(-1, cell - 1), below.gather(-1, cell)
    return ((cell - 1 + (wanted - low) / (high - low).clamp_min(1e-6)) / number).squeeze(-1)


def content_centers(patches: Tensor, keypoints: Keypoints) -> Tensor:
    """The centre of mass of what each patch shows: where its keypoint should lie.

    Nothing else pins a patch to the middle of its object, as long as the object is within it.

    Args:
        patches: (B, N, C, P, P), as decoded; darker than the background is as heavy as brighter.
        keypoints: N of them.

    Returns:
        (B, N, 2) x and y, pixels. Of a patch without content its keypoint.
    """
    side = patches.shape[-1]
    mass = patches.square().sum(dim=2)
    cell = torch.arange(side, device=patches.device, dtype=patches.dtype) + (0.5 - side / 2)
    moments = torch.stack(((mass.sum(-2) * cell).sum(-1), (mass.sum(-1) * cell).sum(-1)), dim=-1)
    offsets = moments / mass.sum((-2, -1)).clamp_min(1e-6).unsqueeze(-1) / side
    return keypoints.centers + offsets * keypoints.sizes

"""What a candidate is worth: the share of what lies around it, and that no other patch explains, that its own explains.

Moves of keypoints alone cannot leave one of two peaks on an object for an object without a peak. Targets in proportion
to the worth can: half an object explains half of what is there, so the heatmap learns to rank whole objects first.
What the patches of neighbours explain already does not count, so that a crowd is worth as much as an object alone.
"""

import torch
from torch import Tensor

from boxless.methods.mist.model import Keypoints
from boxless.ops.patches import covered, crop, placed_energy

MARGIN = 1.8  # side of the window that is to be explained, in sizes of the object: from its edge, all of it
FLOOR = 0.03  # of what an image holds for each patch: a window of less is empty
HIGHEST = 1.3  # target of a candidate of far more worth than the others


def worth(images: Tensor, synthesis: Tensor, patches: Tensor, candidates: Keypoints, chosen: int) -> Tensor:
    """The share of the unexplained energy around each candidate that is explained by its patch alone.

    With the residual r = I − Σ S⁻¹(P, x), taking a chosen patch out raises ‖r‖² by 2⟨r, P⟩ + ‖P‖², putting another
    in lowers it by 2⟨r, P⟩ − ‖P‖² (as in matching pursuit), P as it lies on the image. To be explained is ‖r‖² in a
    window around the candidate, of a chosen one with its patch taken out.

    Args:
        images: (B, C, H, W), less their background.
        synthesis: (B, C, H, W), the sum of the chosen patches.
        patches: (B, N, C, P, P), as decoded.
        candidates: N of them; the first ``chosen`` are in the synthesis.
        chosen: how many.

    Returns:
        (B, N) in [0, 1].
    """
    side, size = patches.shape[-1], (images.shape[2], images.shape[3])
    residual = images - synthesis
    overlap = 2.0 * (covered(residual, candidates.centers, candidates.sizes, side) * patches).sum(dim=(2, 3, 4))
    energy = placed_energy(patches, candidates.centers, candidates.sizes, size)
    samples, windows = round(MARGIN * side), Keypoints(candidates.centers, MARGIN * candidates.sides)
    window = crop(residual.square(), windows.centers, windows.sizes, samples)
    around = (windows.sides / samples).square() * window.sum(dim=(2, 3, 4))
    held = images.square().sum(dim=(1, 2, 3)).unsqueeze(1)
    floor = (FLOOR / max(1, chosen) * held).clamp_min(1e-6)
    out, put_in = (overlap + energy)[:, :chosen].clamp_min(0.0), (overlap - energy)[:, chosen:].clamp_min(0.0)
    shares = out / (around[:, :chosen] + out + floor), put_in / (around[:, chosen:] + floor)
    return torch.cat(shares, dim=1).clamp_max(1.0)


def relative_worth(shares: Tensor, mean: Tensor) -> Tensor:
    """Targets from worths (B, N), in [0, ``HIGHEST``]: nearly 1 for the mean of the batch's chosen, if that is high."""
    return (shares / (mean + 0.05)).clamp(0.0, HIGHEST)

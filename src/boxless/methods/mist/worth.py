"""What a candidate is worth: the share of the image around it that its decoded patch explains.

Moves of keypoints alone cannot leave one of two peaks on an object for an object without a peak. Targets in proportion
to the worth can: half an object explains half of what is there, so the heatmap learns to rank whole objects first.
"""

import torch
from torch import Tensor

from boxless.ops.patches import crop

MARGIN = 1.8  # side of the window that is to be explained, in sizes of the object: from its edge, all of it
FLOOR = 3.0  # squared brightness: a window of less is empty
HIGHEST = 1.3  # target of a candidate of far more worth than the others


def worth(images: Tensor, synthesis: Tensor, patches: Tensor, candidates: Tensor, sizes: Tensor, chosen: int) -> Tensor:
    """The share of the energy around each candidate that is explained by its patch alone.

    With the residual r = I − Σ S⁻¹(P, x), taking a chosen patch out raises ‖r‖² by 2⟨r, P⟩ + ‖P‖², putting another
    in lowers it by 2⟨r, P⟩ − ‖P‖² (as in matching pursuit). Both are a crop of the residual and a product.

    Args:
        images: (B, C, H, W), less their background.
        synthesis: (B, C, H, W), the sum of the chosen patches.
        patches: (B, N, C, P, P), as decoded; one sample a pixel.
        candidates: (B, N, 2) x and y, pixels; the first ``chosen`` are in the synthesis.
        sizes: (B, N, 2), pixels.
        chosen: how many.

    Returns:
        (B, N) in [0, 1].
    """
    residual = crop(images - synthesis, candidates, sizes, patches.shape[-1])
    overlap = 2.0 * (residual * patches).sum(dim=(2, 3, 4))
    energy = patches.square().sum(dim=(2, 3, 4))
    gain = torch.cat((overlap[:, :chosen] + energy[:, :chosen], overlap[:, chosen:] - energy[:, chosen:]), dim=1)
    window = round(MARGIN * patches.shape[-1])
    around = crop(images.square(), candidates, MARGIN * sizes, window).sum(dim=(2, 3, 4))
    return (gain / (around + FLOOR)).clamp(0.0, 1.0)


def relative_worth(shares: Tensor, chosen: int) -> Tensor:
    """Targets from worths (B, N): 1 for the mean of the chosen, in [0, ``HIGHEST``]."""
    return (shares / (shares[:, :chosen].mean() + 0.05)).clamp(0.0, HIGHEST)

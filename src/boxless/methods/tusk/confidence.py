"""The least score of an object, found without labels (TUSK, section 4.2: unused keypoints are left out)."""

import torch
from torch import Tensor

DISTINCT = 4.0  # Ashman's D: of two groups cut from one bell 2.7, from a uniform distribution 3.5
LEAST_SHARE = 0.01  # of the scores in each group


def least_score(scores: Tensor) -> float | None:
    """The score between those of the keypoints on objects and those of the unused ones, if there are such.

    The scores are cut in two where the variance between the groups is highest (Otsu). The cut counts where the groups
    stand apart: D = √2 · |μ₁ − μ₂| / √(σ₁² + σ₂²) of at least ``DISTINCT``. So where all keypoints lie on objects, and
    their scores are one group, none is left out.

    Args:
        scores: (N,) of the K keypoints of some images.

    Returns:
        The middle between the groups' means, in [0, 1]; None where there is but one group.
    """
    values = scores.detach().double().flatten().sort().values
    number = len(values)
    if number < 2:
        return None
    below = torch.arange(1, number, dtype=torch.float64, device=values.device)  # how many lie under the cut
    above = number - below
    sums, squares = values.cumsum(0)[:-1], values.square().cumsum(0)[:-1]
    low, high = sums / below, (values.sum() - sums) / above  # means
    low_variance = (squares / below - low.square()).clamp_min(0.0)
    high_variance = ((values.square().sum() - squares) / above - high.square()).clamp_min(0.0)
    between = below * above * (high - low).square()
    cut = int(between.argmax())
    apart = 2.0 * (high - low)[cut].square() >= DISTINCT**2 * (low_variance + high_variance)[cut].clamp_min(1e-12)
    if not bool(apart) or float(torch.minimum(below, above)[cut]) < LEAST_SHARE * number:
        return None
    return float((low + high)[cut] / 2)

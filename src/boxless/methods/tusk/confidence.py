"""The least score of an object, found without labels (TUSK, section 4.2: unused keypoints are left out).

With masks a model shows which of its keypoints it uses; without them the scores have to tell by themselves.
"""

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


def score_of_drawn(scores: Tensor, drawn: Tensor) -> float | None:
    """The score that best tells the keypoints which draw something from those which draw nothing.

    Objects of rare kinds or half hidden ones have low scores that are no group of their own; yet the model draws them.
    Of all cuts it is that with the fewest keypoints on the wrong side, and of equal ones the lowest.

    Args:
        scores: (N,) of the K keypoints of some images.
        drawn: (N,) bool, whether any pixel is the keypoint's own.

    Returns:
        The middle between the scores beside the cut, in [0, 1]; None where none or all would be left out.
    """
    values, order = scores.detach().double().sort(stable=True)
    wrongs = torch.where(drawn[order], 1, -1).cumsum(0)  # of leaving out this score and those below, against none
    cut = int(wrongs.argmin()) + 1 if bool((wrongs < 0).any()) else 0
    if cut in (0, len(values)):
        return None
    return float(values[cut - 1 : cut + 1].mean())

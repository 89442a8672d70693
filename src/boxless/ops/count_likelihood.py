"""The likelihood of counts: of K patches, each named by its own probabilities, how likely is it that so many are c?

For each class the number of patches that are of it is a sum of K independent yes-or-no draws (Poisson binomial). Its
distribution is the product of K polynomials q_k + p_k·x, whose coefficient of xⁿ is the probability of n. All
coefficients are positive, so nothing cancels; products are taken of pairs, then of pairs of these, and so on.

The exact likelihood of all counts together is a permanent, whose cost grows with the number of ways to share the labels
among the patches. The sum over classes of these log-likelihoods is the composite likelihood in its place: it is highest
where the exact one is, each patch being named with certainty, and takes K² operations a class.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

LOWEST = -1e4
"""The log of what counts as 0: log-probabilities add up without an infinity, whose gradient would be no number."""


def count_log_likelihoods(log_probs: Tensor, least: Tensor, most: Tensor) -> Tensor:
    """log P(least ≤ N_c ≤ most) of the number N_c of patches that are of class c, for each class.

    Args:
        log_probs: (B, K, C) of a softmax over the classes, for each patch.
        least: (B, C) whole numbers from 0 to K.
        most: (B, C) the same; ``least`` where the number is known.

    Returns:
        (B, C) at most 0, float32 at least, with a gradient to the log-probabilities.

    Raises:
        ValueError: if the shapes do not fit.
    """
    if log_probs.ndim != 3 or not least.shape == most.shape == (log_probs.shape[0], log_probs.shape[2]):
        raise ValueError(
            f"log_probs (B, K, C) and counts (B, C) share B and C, not {tuple(log_probs.shape)}, {tuple(least.shape)} "
            f"and {tuple(most.shape)}."
        )
    numbers = number_log_probs(log_probs)
    number = torch.arange(numbers.shape[-1], device=numbers.device)
    counted = (number >= least.unsqueeze(-1)) & (number <= most.unsqueeze(-1))
    return numbers.masked_fill(~counted, LOWEST).logsumexp(dim=-1)


def number_log_probs(log_probs: Tensor) -> Tensor:
    """log P(N_c = n) for n from 0 to K: (B, K, C) to (B, C, K + 1)."""
    patches = log_probs.shape[1]
    yes = (log_probs.float() if log_probs.dtype in (torch.bfloat16, torch.float16) else log_probs).clamp_min(LOWEST)
    own = torch.eye(yes.shape[2], dtype=torch.bool, device=yes.device)
    no = yes.unsqueeze(2).masked_fill(own, LOWEST).logsumexp(dim=-1)  # of all others: right also where p is almost 1
    polynomials = torch.stack((no, yes), dim=-1)  # (B, K, C, 2)
    while polynomials.shape[1] > 1:
        if polynomials.shape[1] % 2:
            one = polynomials.new_full(polynomials[:, :1].shape, LOWEST)
            one[..., 0] = 0.0
            polynomials = torch.cat((polynomials, one), dim=1)
        polynomials = _products(polynomials[:, ::2], polynomials[:, 1::2])
    return polynomials[:, 0, :, : patches + 1]


def _products(first: Tensor, second: Tensor) -> Tensor:
    """Products of polynomials by the logs of their coefficients: (..., n) twice to (..., 2n − 1)."""
    n = first.shape[-1]
    pairs = first.unsqueeze(-1) + second.unsqueeze(-2)  # (..., n, n); equal powers lie on the antidiagonals,
    skewed = F.pad(pairs, (0, n), value=LOWEST).flatten(-2)[..., :-n].unflatten(-1, (n, 2 * n - 1))  # now in columns
    product: Tensor = skewed.logsumexp(dim=-2)
    return product

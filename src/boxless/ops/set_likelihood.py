"""The probability that every class of a sample appears: the choice between exact methods, sample by sample.

Three meet here, each where it is best:
    * A class that is as good as certain to appear, its absence less than a rounding error of the result, counts as
      part of the rest and needs no subsets. Trained networks leave few others.
    * The alternating series over the other classes (MCMIL, eq. 6): fastest, where its terms do not cancel.
    * A recursion over the set of classes seen so far, all of whose terms are positive, where they do. Not the paper's:
      eq. 6, 10 and 11 subtract, and of a probability of 1e-20 double precision leaves nothing.

Conventions
    A map is (B, K + 1, M) as in :mod:`boxless.ops.set_series`.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from boxless.ops.set_recursion import LOWEST, recursion
from boxless.ops.set_series import Sums, exact_series

CERTAIN = -40.0  # log of the probability of absence below which the series leaves a class out
NEGLIGIBLE = -27.0  # log of what may be left out, over the result
MARGIN = 20.0  # by how much, in logarithms, a first guess of the result may be too high


def exact_value(log_map: Tensor, p: Tensor, member: Tensor, want_posterior: bool) -> Sums:
    """log of the probability that every class of each sample appears.

    Args:
        log_map: (B, K + 1, M) float64, finite; each place sums to one.
        p: the same, not its logarithms; what is below 1e-300 may be so much.
        member: (B, K) bool, which rows count as classes; the others are never emitted.
        want_posterior: whether to compute it.
    """
    absent = (1.0 + 1e-15 - p[:, :-1]).prod(-1).clamp_(min=1e-300).log_()  # (B, K) log that a class is, or above
    sums = exact_series(p, member & (absent > CERTAIN), want_posterior)
    doubtful = ~sums.reliable
    if not bool(doubtful.any()):
        return sums
    appears = log_map[:, :-1].logsumexp(-1).clamp(max=0.0)  # log of the expected number: the probability, or above
    guess = torch.where(member, appears, 0.0).sum(1, keepdim=True)
    active = member & (absent > guess + NEGLIGIBLE - MARGIN)
    _replace(sums, doubtful, by_number(_recursion, log_map[doubtful], active[doubtful], want_posterior))
    left_out = torch.where(member & ~active, absent, LOWEST).logsumexp(1)
    wrong = doubtful & (member & ~active).any(1) & ~(left_out < sums.log_value + NEGLIGIBLE)
    if bool(wrong.any()):
        _replace(sums, wrong, by_number(_recursion, log_map[wrong], member[wrong], want_posterior))
    return sums


def by_number(
    method: Callable[[Tensor, bool], Sums],
    log_map: Tensor,
    active: Tensor,
    want_posterior: bool,
) -> Sums:
    """``method`` on samples with the same number of active classes at a time; all else becomes part of the rest.

    Args:
        method: takes (N, k + 1, M) with the rest last.
        log_map: (B, K + 1, M) float64.
        active: (B, K) bool.
        want_posterior: whether to compute it.
    """
    number = active.sum(1)
    reliable = torch.empty_like(number, dtype=torch.bool)
    posterior = torch.empty_like(log_map) if want_posterior else None
    sums = Sums(log_map.new_empty(len(log_map)), posterior, reliable)
    for k in number.unique().tolist():
        chosen = number == k
        part = log_map[chosen]
        order = active[chosen].int().argsort(dim=1, descending=True, stable=True)
        order = torch.cat((order, order.new_full((len(order), 1), log_map.shape[1] - 1)), dim=1)
        index = order.unsqueeze(-1).expand_as(part)
        part = part.gather(1, index)  # the active classes first
        rest = part[:, k:].logsumexp(1, keepdim=True)
        result = method(torch.cat((part[:, :k], rest), dim=1), want_posterior)
        if result.posterior is not None and want_posterior:
            shares = (part[:, k:] - rest).exp_() * result.posterior[:, k:]
            spread = torch.cat((result.posterior[:, :k], shares), dim=1)
            result = result._replace(posterior=torch.empty_like(part).scatter_(1, index, spread))
        _replace(sums, chosen, result)
    return sums


def _recursion(log_map: Tensor, want_posterior: bool) -> Sums:
    value, posterior = recursion(log_map, want_posterior)
    return Sums(value, posterior, torch.ones_like(value, dtype=torch.bool))


def _replace(sums: Sums, where: Tensor, better: Sums) -> None:
    """Writes the result of the samples in ``where``, (B,) bool."""
    sums.log_value[where] = better.log_value
    sums.reliable[where] = better.reliable
    if sums.posterior is not None and better.posterior is not None:
        sums.posterior[where] = better.posterior

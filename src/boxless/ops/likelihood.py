"""Likelihood of a label set: these classes are here, no others (MCMIL, section 3).

Every place of a map emits one class or the background, independently. The likelihood of the set L is the probability
that each class of L is emitted somewhere, and no class outside of L anywhere.

The gradient with respect to a log-probability is the posterior probability that this place emitted this class, given
the set; it is computed with the value, so that nothing is stored for a subset. :mod:`boxless.ops.set_likelihood`
says how the value is computed.
"""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from boxless.ops.label_sets import LabelSets, label_set_mask
from boxless.ops.set_likelihood import by_number, exact_value
from boxless.ops.set_recursion import LOWEST
from boxless.ops.set_series import LEAST, Sums, at_least, probabilities

MAX_CLASSES = 20
MAX_SUBSETS = 2**20

Value = Callable[[Tensor, Tensor, Tensor, bool], Sums]  # of a map's logarithms, the map, its classes


def label_set_log_likelihood(log_probs: Tensor, label_sets: LabelSets) -> Tensor:
    """log Prb(L | P) for each sample and its own label set, exact (MCMIL, eq. 6).

    Right to 1e-9 of the probability, however small it is. The time is about 2^k · M of a few operations for the series,
    k · 2^k · M of some twenty for the recursion, k being the classes of the set that are not as good as certain; the
    memory does not grow with 2^k · M.

    A place whose probabilities do not sum to one is no error: the result is that of the products as they are.

    Args:
        log_probs: (B, C + 1, *places) log-probabilities, the background last; any number of dimensions of places, also
            none. −∞ is allowed. Computed in float64 whatever the type.
        label_sets: for each sample its classes, ids in 0…C − 1, at most 20, none for the empty set; or a mask,
            (B, C) bool.

    Returns:
        (B,) float64. −∞ where the set is impossible, and the gradient is then zero. No second derivatives.

    Raises:
        ValueError: if the shapes do not fit, a class is not in 0…C − 1, or a set has more than 20 classes.
    """
    maps, mask = _checked(log_probs, label_sets)
    largest = int(mask.sum(1).max()) if len(mask) else 0
    if largest > MAX_CLASSES:
        raise ValueError(
            f"a label set has {largest} classes and the exact likelihood takes {MAX_CLASSES}; "
            "use label_set_upper_bound for larger ones."
        )
    return _differentiable(maps, mask, exact_value)


def label_set_upper_bound(log_probs: Tensor, label_sets: LabelSets, depth: int) -> Tensor:
    """log of an upper bound of Prb(L | P), for sets of any size: eq. 11 truncated (MCMIL, section 3.2).

    From the probability that no class outside of L appears are subtracted those of all sets of fewer than ``depth``
    classes. What remains is the probability that at least ``depth`` different classes of L appear, and no others:
    it falls as the depth grows, but for rounding, and at depth |L| it is the likelihood. Sums of products in closed
    form, not the recursion itself; rounding errors are added to the bound.

    Args:
        log_probs: as for :func:`label_set_log_likelihood`.
        label_sets: as there, with any number of classes.
        depth: 0 or more. The subsets of fewer than ``depth`` classes of the largest set are at most 2^20. A set of at
            most ``depth`` and 20 classes gets its exact likelihood.

    Returns:
        (B,) float64, with a gradient.

    Raises:
        ValueError: if the shapes do not fit, a class is not in 0…C − 1, or the depth is negative or too large.
    """
    maps, mask = _checked(log_probs, label_sets)
    if depth < 0:
        raise ValueError(f"the depth of the bound is 0 or more, not {depth}.")
    largest = int(mask.sum(1).max()) if len(mask) else 0
    number = sum(math.comb(largest, size) for size in range(min(depth, largest)))
    if number > MAX_SUBSETS and largest > min(depth, MAX_CLASSES):
        raise ValueError(
            f"{largest} classes at depth {depth} have {number} subsets, more than {MAX_SUBSETS}; take a smaller depth."
        )

    def bound(log_map: Tensor, want_posterior: bool) -> Sums:
        classes = log_map.shape[1] - 1
        if classes > min(depth, MAX_CLASSES):
            return at_least(log_map, min(depth, classes), want_posterior)
        member = log_map.new_ones(len(log_map), classes, dtype=torch.bool)
        return exact_value(log_map, probabilities(log_map), member, want_posterior)

    return _differentiable(maps, mask, lambda log_map, _, member, want: by_number(bound, log_map, member, want))


def _checked(log_probs: Tensor, label_sets: LabelSets) -> tuple[Tensor, Tensor]:
    """(B, C + 1, M) float64 and (B, C) bool."""
    if log_probs.ndim < 2 or log_probs.shape[1] == 0 or not log_probs.is_floating_point():
        raise ValueError(
            "log-probabilities are floating point (batch, classes + 1, *places), "
            f"not {log_probs.dtype} {tuple(log_probs.shape)}."
        )
    if 0 in log_probs.shape[2:]:
        raise ValueError(f"a map of {tuple(log_probs.shape[2:])} has no place; each sample needs one at least.")
    batch, rows = log_probs.shape[:2]
    mask = label_set_mask(label_sets, batch, rows - 1, log_probs.device)
    return log_probs.reshape(batch, rows, math.prod(log_probs.shape[2:])).double(), mask


def _differentiable(maps: Tensor, mask: Tensor, value_of: Value) -> Tensor:
    result: Tensor = _LogLikelihood.apply(  # type: ignore[no-untyped-call]
        maps, mask, value_of, torch.is_grad_enabled() and maps.requires_grad
    )
    return result


class _LogLikelihood(torch.autograd.Function):
    """Value and posterior in one pass; of each sample only the rows of its own classes are kept."""

    @staticmethod
    def forward(ctx: Any, maps: Tensor, mask: Tensor, value_of: Value, want_posterior: bool) -> Tensor:
        sizes = mask.sum(1)
        widest = int(sizes.max()) if len(mask) else 0
        classes = mask.int().argsort(dim=1, descending=True, stable=True)[:, :widest]  # each sample's own come first
        member = torch.arange(widest, device=maps.device) < sizes.unsqueeze(1)
        row = torch.cat((classes, classes.new_full((len(mask), 1), maps.shape[1] - 1)), dim=1)
        sample = torch.arange(len(mask), device=maps.device).unsqueeze(1)
        log_map = maps[sample, row].clamp_(min=LOWEST)  # (B, widest + 1, M)
        log_map[:, :-1].masked_fill_(~member.unsqueeze(-1), LOWEST)
        largest = log_map.amax(1, keepdim=True)
        log_map -= largest
        p = probabilities(log_map)
        p[:, :-1] *= member.unsqueeze(-1)
        whole = p.sum(1, keepdim=True).clamp_(min=LEAST)
        p /= whole
        log_whole = whole.log_()
        log_map -= log_whole
        sums = value_of(log_map, p, member, want_posterior)
        value = sums.log_value + (largest + log_whole).sum((1, 2))
        impossible = value < LOWEST / 10
        if want_posterior and sums.posterior is not None:
            sums.posterior[impossible] = 0.0
            ctx.save_for_backward(sums.posterior, row, impossible)
        ctx.rows = maps.shape[1]
        return value.masked_fill_(impossible, -torch.inf)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None, None]:
        posterior, row, impossible = ctx.saved_tensors
        scaled = posterior * grad.masked_fill(impossible, 0.0).view(-1, 1, 1)
        gradient = posterior.new_zeros(len(row), ctx.rows, posterior.shape[2])
        gradient[torch.arange(len(row), device=row.device).unsqueeze(1), row] = scaled
        return gradient, None, None, None

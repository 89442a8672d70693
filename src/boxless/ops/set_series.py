"""The alternating series over the subsets of a label set (MCMIL, eq. 4, 6, and eq. 11 truncated), chunk by chunk.

Conventions
    A map is (N, k + 1, M): for each of M places the probabilities of k classes, or their logarithms, and last of
    everything else that is allowed there. Each place sums to one, so that no product is above one: what underflows is
    too small to count.
    Value and posterior come in one pass, so that nothing of the size subsets × places outlives its chunk.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor

CHUNK = 2**19  # numbers at a time: about what a processor's cache holds
ROUNDING = 2.0**-53
TOLERANCE = 5e-10  # relative error of a probability up to which the series is trusted
LEAST = 1e-300  # stands for zero in a denominator
LOG_LEAST = math.log(LEAST)


class Sums(NamedTuple):
    """The value of a weighted sum of products, and what it says of each place."""

    log_value: Tensor  # (N,)
    posterior: Tensor | None  # (N, k + 1, M) ∂ log value / ∂ log probability, where asked for
    reliable: Tensor  # (N,) bool: whether cancellation left enough digits


def exact_series(p: Tensor, active: Tensor, want_posterior: bool) -> Sums:
    """log of the probability that each active class appears somewhere: eq. 6.

    The subset sums of the first classes are a table, made by doubling; each choice of the other classes, one chunk, is
    added to all of it. 2^k · M operations, of which one addition, one product, and for the posterior one reciprocal
    and a matrix product. Rounding errors grow as the terms over their sum; where that is too much, ``reliable`` is
    false.

    Args:
        p: (N, k + 1, M) float64 probabilities, not their logarithms.
        active: (N, k) bool; a class that is not may appear or not: of the subsets only those with it count.
        want_posterior: whether to compute it.
    """
    number = active.sum(1)
    shared = torch.where(number <= 3, 3, torch.where(number <= 5, 5, number))  # more subsets cost less than more calls
    shared = torch.where(number == 0, 0, shared.clamp(max=active.shape[1]))
    value, magnitude = p.new_empty(len(p)), p.new_empty(len(p))
    posterior = torch.empty_like(p) if want_posterior else None
    for k in shared.unique().tolist():
        low = max(min(k, (CHUNK // p.shape[2]).bit_length() - 1), 0)
        for sample in (shared == k).nonzero().split(max(1, CHUNK // (p.shape[2] << low))):  # (n, 1)
            first, row = active[sample[:, 0]].int().sort(dim=1, descending=True, stable=True)
            row = torch.cat((row, row.new_full((len(row), 1), p.shape[1] - 1)), dim=1)  # the active classes first
            part = p[sample, row]
            pooled = torch.cat((part[:, :k], part[:, k:].sum(1, keepdim=True)), dim=1) if k + 1 < p.shape[1] else part
            terms = _alternate(pooled, (1 - first[:, :k]).to(p.dtype), low, want_posterior)
            value[sample[:, 0]], magnitude[sample[:, 0]], slope = terms
            if posterior is not None:
                slope /= terms[0].view(-1, 1, 1)
                part[:, :k] *= slope[:, :k]
                part[:, k:] *= slope[:, k:]
                posterior[sample, row] = part
    reliable = (value > 0) & (magnitude * (2 * p.shape[2] * ROUNDING) <= TOLERANCE * value)
    return Sums(value.clamp(max=1.0).log(), posterior, reliable)


def _alternate(p: Tensor, free: Tensor, low: int, want_posterior: bool) -> tuple[Tensor, Tensor, Tensor]:
    """The sum of the series (n,), that of its terms without their signs, and the slopes (n, k + 1, M) of the first.

    Args:
        p: (n, k + 1, M).
        free: (n, k) one where a class is not active, else zero.
        low: of how many classes the subset sums are a table.
        want_posterior: whether to compute the slopes.
    """
    samples, rows, places = p.shape
    high = rows - 1 - low
    table = p.new_empty(samples, 2**low, places)
    table[:, 0] = LEAST if high else p[:, -1] + LEAST
    for c in range(low):
        torch.add(table[:, : 1 << c], p[:, c, None], out=table[:, 1 << c : 2 << c])
    bits = _subsets(low, p)  # (2^low, low)
    signs = 1.0 - 2.0 * ((low - bits.sum(1)) % 2)
    signs = signs * (free[:, :low] @ (1.0 - bits).T == 0)  # (N, 2^low)
    picks = torch.cat((bits.new_ones(1 << low, 1), bits), dim=1).T  # (1 + low, 2^low): all, and those with c
    value, magnitude, slope = p.new_zeros(samples), p.new_zeros(samples), torch.zeros_like(p)
    sums = torch.empty_like(table) if high else table
    for number in range(2**high):  # chunks of 2^low subsets
        chosen = p.new_tensor([number >> c & 1 for c in range(high)])
        weights = signs
        if high:
            rest = p[:, -1:] + (chosen @ p[:, low:-1]).unsqueeze(1)
            torch.add(table, rest, out=sums)
            counts = free[:, low:] @ (1.0 - chosen) == 0
            weights = signs * ((-1) ** (high - number.bit_count()) * counts).unsqueeze(1)
        terms = sums.prod(-1).mul_(weights)
        magnitude += terms.abs().sum(1)
        value += terms.sum(1)
        if want_posterior:
            slopes = (picks * terms.unsqueeze(1)) @ sums.reciprocal_()  # (N, 1 + low, M)
            slope[:, :low] += slopes[:, 1:]
            slope[:, -1] += slopes[:, 0]
            if high:
                slope[:, low:-1] += chosen.unsqueeze(1) * slopes[:, :1]
    return value, magnitude, slope


def at_least(log_map: Tensor, depth: int, want_posterior: bool) -> Sums:
    """log of the probability that at least ``depth`` of the k classes appear, rounded up: eq. 11 without its larger β.

    Of the series over all sets of fewer than ``depth`` classes what remains are the products α of their subsets, with
    the coefficients −(−1)^(depth−1−t) · binomial(k−t−1, depth−1−t) for subsets of t classes.

    Args:
        log_map: (N, k + 1, M) float64.
        depth: 0…k.
        want_posterior: whether to compute it.
    """
    samples, rows, places = log_map.shape
    p = probabilities(log_map)
    p[:, -1] += LEAST
    value, magnitude, slope = p.new_ones(samples), p.new_ones(samples), torch.ones_like(p)
    for size in range(depth):
        weight = -float((-1) ** (depth - 1 - size) * math.comb(rows - 2 - size, depth - 1 - size))
        for chosen in _choices(rows - 1, size, p.device).split(max(1, CHUNK // (samples * places))):
            bits = p.new_zeros(len(chosen), rows).scatter_(1, chosen, 1.0)
            bits[:, -1] = 1.0
            sums = bits @ p  # (N, chunk, M)
            terms = weight * sums.prod(-1)
            value += terms.sum(1)
            magnitude += terms.abs().sum(1)
            if want_posterior:
                slope += (bits.T * terms.unsqueeze(1)) @ sums.reciprocal_()
    raised = value + magnitude * ((2 * places + rows) * ROUNDING)
    posterior = slope.mul_(p).div_(raised.view(-1, 1, 1)) if want_posterior else None
    return Sums(raised.clamp(max=1.0).log(), posterior, torch.ones_like(value, dtype=torch.bool))


def probabilities(log_map: Tensor) -> Tensor:
    """exp, but not below ``LEAST``: what underflows would cost several times the others, and is too small to count."""
    return log_map.clamp(min=LOG_LEAST).exp_()


def _choices(classes: int, size: int, device: torch.device) -> Tensor:
    """(number, size) all choices of ``size`` of the classes."""
    if size == 0:
        return torch.zeros(1, 0, dtype=torch.long, device=device)
    return torch.combinations(torch.arange(classes, device=device), size)


def _subsets(classes: int, like: Tensor) -> Tensor:
    """(2^k, k) of zeros and ones in the type of ``like``: subset number i has class c where bit c of i is set."""
    number = torch.arange(2**classes, device=like.device)
    return (number.unsqueeze(1) >> torch.arange(classes, device=like.device) & 1).to(like.dtype)

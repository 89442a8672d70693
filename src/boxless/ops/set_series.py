"""The alternating series over the subsets of a label set (MCMIL, eq. 4, 6, and eq. 11 truncated), chunk by chunk.

Conventions
    A map is (N, k + 1, M): for each of M places the logarithms of the probabilities of k classes, and last of
    everything else that is allowed there. Each place sums to one, so that no product is above one: what underflows is
    too small to count.
    Value and posterior come in one pass, so that nothing of the size subsets × places outlives its chunk.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor

CHUNK = 2**18  # numbers at a time: about what a processor's cache holds
ROUNDING = 2.0**-53
TOLERANCE = 5e-10  # relative error of a probability up to which the series is trusted
SMALLEST = 1e-300  # stands for zero in a denominator


class Sums(NamedTuple):
    """The value of a weighted sum of products, and what it says of each place."""

    log_value: Tensor  # (N,)
    posterior: Tensor | None  # (N, k + 1, M) ∂ log value / ∂ log probability, where asked for
    reliable: Tensor  # (N,) bool: whether cancellation left enough digits


def exact_series(log_map: Tensor, want_posterior: bool) -> Sums:
    """log of the probability that each of the k classes appears somewhere: eq. 6.

    The subset sums of the first classes are a table, made by doubling; each choice of the other classes, one chunk, is
    added to all of it. 2^k · M operations, of which one addition, one product, and for the posterior one reciprocal
    and a matrix product. Rounding errors grow as the terms over their sum; where that is too much, ``reliable`` is
    false.

    Args:
        log_map: (N, k + 1, M) float64.
        want_posterior: whether to compute it.
    """
    samples, rows, places = log_map.shape
    if rows == 1:
        return Sums(log_map.new_zeros(samples), torch.ones_like(log_map), log_map.new_ones(samples, dtype=torch.bool))
    low = max(min(rows - 1, (CHUNK // places).bit_length() - 1), 0)
    size = max(1, CHUNK // (places << low))
    parts = [_alternate(part, low, want_posterior) for part in log_map.split(size)]
    posterior = torch.cat([part.posterior for part in parts if part.posterior is not None]) if want_posterior else None
    return Sums(torch.cat([part.log_value for part in parts]), posterior, torch.cat([part.reliable for part in parts]))


def _alternate(log_map: Tensor, low: int, want_posterior: bool) -> Sums:
    samples, rows, places = log_map.shape
    high = rows - 1 - low
    p = log_map.exp()
    p[:, -1] += SMALLEST
    table = p.new_zeros(samples, 1, places)
    for c in range(low):
        table = torch.cat((table, table + p[:, c, None]), dim=1)
    low_bits = _subsets(low, p)  # (2^low, low)
    low_signs = 1.0 - 2.0 * ((low - low_bits.sum(1)) % 2)
    picks = torch.cat((torch.ones_like(low_bits[:, :1]), low_bits), dim=1).T  # (1 + low, 2^low): all, and those with c
    p_high, buffer = p[:, low:], torch.empty_like(table)
    value, magnitude, slope = p.new_zeros(samples), p.new_zeros(samples), torch.zeros_like(p)
    for number in range(2**high):  # chunks of 2^low subsets
        bits = p.new_tensor([number >> c & 1 for c in range(high)] + [1])
        sums = torch.add(table, (bits @ p_high).unsqueeze(1), out=buffer)
        terms = sums.prod(-1)
        magnitude += terms.sum(1)
        terms *= low_signs * (-1) ** (high - number.bit_count())
        value += terms.sum(1)
        if want_posterior:
            slopes = (picks * terms.unsqueeze(1)) @ sums.reciprocal_()  # (N, 1 + low, M)
            slope[:, :low] += slopes[:, 1:]
            slope[:, low:] += bits.unsqueeze(1) * slopes[:, :1]
    condition = magnitude / value
    reliable = (value > 0) & (condition * (2 * places * ROUNDING) <= TOLERANCE)
    posterior = slope.mul_(p).div_(value.view(-1, 1, 1)) if want_posterior else None
    return Sums(value.clamp(max=1.0).log(), posterior, reliable)


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
    p = log_map.exp()
    p[:, -1] += SMALLEST
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


def _choices(classes: int, size: int, device: torch.device) -> Tensor:
    """(number, size) all choices of ``size`` of the classes."""
    if size == 0:
        return torch.zeros(1, 0, dtype=torch.long, device=device)
    return torch.combinations(torch.arange(classes, device=device), size)


def _subsets(classes: int, like: Tensor) -> Tensor:
    """(2^k, k) of zeros and ones in the type of ``like``: subset number i has class c where bit c of i is set."""
    number = torch.arange(2**classes, device=like.device)
    return (number.unsqueeze(1) >> torch.arange(classes, device=like.device) & 1).to(like.dtype)

"""The probability that every class appears, from positive terms alone: right where the alternating series cancels.

A state is the set of classes seen so far. A place leaves it as it is, or adds one class:
    f(S) ← f(S) · (rest + Σ_{c ∈ S} p_c) + Σ_{c ∈ S} f(S∖c) · p_c
Nothing is subtracted, and all is kept as logarithms, so that no digit is lost and nothing underflows. The places have
no order: they are cut in blocks, which take this step all at once, and pairs of blocks are then merged,
    (f ∪ g)(U) = Σ_{S ∪ T = U} f(S) · g(T),
with three products for each class (in f only, in g only, in both), 3^k in all. Beyond ``MERGE_CLASSES`` classes a merge
costs more than its places do, and there is one block: a loop over places, each step of which works on 2^k · k numbers.

Conventions
    A map is (N, k + 1, M) as in :mod:`boxless.ops.set_series`. Zero is ``LOWEST``, so that no −∞ meets another.
    A function of sets is (N, 2^k, G) logarithms, G blocks; bit c of the index tells whether class c is in.
"""

from collections.abc import Callable

import torch
from torch import Tensor

LOWEST = -1e30  # the logarithm of zero
MERGE_CLASSES = 12
NUMBERS = 2**22  # of a function of sets and what its steps keep, at a time

Split = Callable[[Tensor, Tensor], tuple[Tensor, ...]]


def recursion(log_map: Tensor, want_posterior: bool) -> tuple[Tensor, Tensor | None]:
    """log of the probability that each of the k classes appears somewhere, and the posterior of what each place has.

    Args:
        log_map: (N, k + 1, M) float64, finite.
        want_posterior: whether to compute it.

    Returns:
        (N,) logarithms, near ``LOWEST`` or below where it cannot be; and (N, k + 1, M), or None.
    """
    classes, places = log_map.shape[1] - 1, log_map.shape[2]
    blocks, length = _blocks(classes, places)
    states = blocks * max(2**classes * 2 * round(length**0.5 + 1), 3**classes if blocks > 1 else 0)
    parts = [_recur(part, blocks, length, want_posterior) for part in log_map.split(max(1, NUMBERS // states))]
    posterior = torch.cat([p for _, p in parts if p is not None]) if want_posterior else None
    return torch.cat([value for value, _ in parts]), posterior


def _blocks(classes: int, places: int) -> tuple[int, int]:
    """How many blocks, a power of two, and of how many places: so many that a merge costs no more than its steps."""
    if classes > MERGE_CLASSES:
        return 1, places
    length = max(8, round(2 * 1.5**classes))
    blocks = 1 << max(0, (places - 1) // length).bit_length()
    return blocks, -(-places // blocks)


def _recur(log_map: Tensor, blocks: int, length: int, want_posterior: bool) -> tuple[Tensor, Tensor | None]:
    samples, rows, places = log_map.shape
    steps = torch.full((samples, rows, blocks * length), LOWEST, dtype=log_map.dtype, device=log_map.device)
    steps[:, -1, places:] = 0.0  # what fills the last block up leaves every state as it is
    steps[:, :, :places] = log_map
    steps = steps.view(samples, rows, length, blocks)

    segment = round(length**0.5 + 0.5)
    state = steps.new_full((samples, 2 ** (rows - 1), blocks), LOWEST)
    state[:, 0] = 0.0
    kept = []  # the state before each segment, from which the way back computes the others again
    for t in range(length):
        if t % segment == 0:
            kept.append(state)
        state = _step(state, steps[:, :, t])
    levels = [state]
    while levels[-1].shape[-1] > 1:
        levels.append(_union(*levels[-1].chunk(2, dim=-1)))
    value = levels[-1][:, -1, 0]
    if not want_posterior:
        return value, None

    outside = torch.full_like(levels[-1], LOWEST)
    outside[:, -1] = -value.unsqueeze(-1)
    for level in reversed(levels[:-1]):
        left, right = level.chunk(2, dim=-1)
        outside = torch.cat((_outside(outside, right), _outside(outside, left)), dim=-1)
    posterior = torch.empty_like(steps)
    for start in reversed(range(0, length, segment)):
        states = [kept.pop()]
        for t in range(start, min(start + segment, length) - 1):
            states.append(_step(states[-1], steps[:, :, t]))
        for t in reversed(range(start, start + len(states))):
            outside = _step_back(states.pop(), outside, steps[:, :, t], posterior[:, :, t])
    return value, posterior.flatten(2)[:, :, :places]


def _step(state: Tensor, place: Tensor) -> Tensor:
    """One place of each block, (N, k + 1, G), taken into the states."""
    after = state + _stay(place)
    for c in range(place.shape[1] - 1):
        new, old = _halves(after, c)[1], _halves(state, c)[0]
        new.copy_(torch.logaddexp(new, old + place[:, c, None, None]))
    return after


def _step_back(state: Tensor, outside: Tensor, place: Tensor, posterior: Tensor) -> Tensor:
    """What the states before a place are worth, given what those after it are; writes the posterior of the place."""
    posterior[:, -1] = (state + outside + place[:, -1, None]).exp().sum(1)
    before = outside + _stay(place)
    for c in range(place.shape[1] - 1):
        p = place[:, c, None, None]
        gained = _halves(outside, c)[1] + p
        without, having = _halves(state, c)
        posterior[:, c] = (gained + torch.logaddexp(without, having)).exp().sum((1, 2))
        new = _halves(before, c)[0]
        new.copy_(torch.logaddexp(new, gained))
    return before


def _stay(place: Tensor) -> Tensor:
    """log of rest + Σ_{c ∈ S} p_c for each S, (N, 2^k, G), by doubling."""
    total = place[:, -1:]
    for c in range(place.shape[1] - 1):
        total = torch.cat((total, torch.logaddexp(total, place[:, c, None])), dim=1)
    return total


def _halves(states: Tensor, c: int) -> tuple[Tensor, ...]:
    """The states without and with class c, views (N, 2^(k−1−c), 2^c, G)."""
    samples, number, blocks = states.shape
    return states.view(samples, number >> (c + 1), 2, 1 << c, blocks).unbind(2)


def _union(f: Tensor, g: Tensor) -> Tensor:
    """(f ∪ g)(U) = Σ_{S ∪ T = U} f(S) · g(T), in logarithms."""
    return _join(
        _spread(f, lambda without, having: (without, without, having))
        + _spread(g, lambda without, having: (without, having, torch.logaddexp(without, having))),
        lambda neither, second, first: (neither, torch.logaddexp(second, first)),
    )


def _outside(worth: Tensor, g: Tensor) -> Tensor:
    """What f(S) is worth, Σ_T g(T) · worth(S ∪ T), in logarithms: the way back of the union."""
    return _join(
        _spread(worth, lambda without, having: (without, having, having))
        + _spread(g, lambda without, having: (without, having, torch.logaddexp(without, having))),
        lambda neither, second, first: (torch.logaddexp(neither, second), first),
    )


def _spread(states: Tensor, split: Split) -> Tensor:
    """(N, 2^k, G) to (N, 3^k, G): for each class in turn two entries become three."""
    samples, number, blocks = states.shape
    spread = states.reshape(samples, 1, -1)
    for _ in range(number.bit_length() - 1):
        spread = torch.stack(split(*spread.unflatten(2, (2, -1)).unbind(2)), dim=2).flatten(1, 2)
    return spread.reshape(samples, -1, blocks)


def _join(spread: Tensor, join: Callable[[Tensor, Tensor, Tensor], tuple[Tensor, ...]]) -> Tensor:
    """(N, 3^k, G) back to (N, 2^k, G): for each class in turn three entries become two."""
    samples, number, blocks = spread.shape
    joined = spread
    while number > 1:
        number //= 3
        joined = torch.stack(join(*joined.reshape(samples, number, 3, -1).unbind(2)), dim=2).flatten(2)
    return joined.reshape(samples, -1, blocks)

"""Random numbers keyed by place, not drawn in turn: number ``i`` of scene ``index`` is always the same."""

import torch
from torch import Tensor


def uniforms(key: tuple[int, ...], indices: Tensor, count: int) -> Tensor:
    """``count`` uniform numbers for each index, a pure function of (key, index, position).

    SplitMix64 of the three, on int64 (whose products wrap), so any batch on any device gives the same numbers.
    Keys that differ in value, order or length give numbers that have nothing in common.

    Args:
        key: seed, stream and the like, each a signed 64-bit number.
        indices: (B,) int64.
        count: numbers an index.

    Returns:
        (B, count) float64 in [0, 1).
    """
    # Started at 0, a part of 0 would cancel the start, and (0, 1) be the same as (1,).
    state = _mix(torch.tensor(_FIRST + len(key), dtype=torch.int64, device=indices.device))
    for part in key:
        state = _mix(state ^ _mix(torch.tensor(part, dtype=torch.int64, device=indices.device)))
    rows = _mix(state ^ _mix(indices.long()))
    bits = _mix(rows.unsqueeze(1) + torch.arange(1, count + 1, device=indices.device) * _GOLDEN)
    return _shift(bits, 11).double() * 2.0**-53


def normals(key: tuple[int, ...], indices: Tensor, count: int) -> Tensor:
    """``count`` normal numbers of mean 0 and deviation 1 for each index, see :func:`uniforms`; by Box and Muller.

    Returns:
        (B, count) float64.
    """
    draws = uniforms(key, indices, 2 * count)
    return torch.sqrt(-2 * torch.log1p(-draws[:, :count])) * torch.cos(2 * torch.pi * draws[:, count:])


def generator(key: tuple[int, ...]) -> torch.Generator:
    """A generator on the CPU for what is drawn in turn, a pure function of the key, see :func:`uniforms`."""
    seed = int(uniforms(key, torch.zeros(1, dtype=torch.int64), 1).item() * 2**53)
    return torch.Generator().manual_seed(seed)


_GOLDEN = -0x61C8864680B583EB  # the constants of SplitMix64 as signed 64-bit numbers
_FIRST = -0x40A7B892E31B1A47
_SECOND = -0x6B2FB644ECCEEE15


def _mix(x: Tensor) -> Tensor:
    x = x + _GOLDEN
    x = (x ^ _shift(x, 30)) * _FIRST
    x = (x ^ _shift(x, 27)) * _SECOND
    return x ^ _shift(x, 31)


def _shift(x: Tensor, bits: int) -> Tensor:
    return (x >> bits) & ((1 << (64 - bits)) - 1)

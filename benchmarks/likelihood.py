"""Likelihood of label sets, forward and backward, against the plain loop over subsets with autograd (MCMIL, eq. 6).

Prints milliseconds, their ratio, and the peak memory of each in a process of its own. Classes are rare in the maps, so
that no shortcut for a class that is certain to appear helps; the last rows show what it gives, and what it costs where
the series cancels, and where the plain loop is wrong.
`python benchmarks/likelihood.py` takes some minutes.
"""

import argparse
import math
import time
from collections.abc import Callable, Sequence
from itertools import combinations
from typing import NamedTuple

import torch
from torch import Tensor

from boxless.hardware import machine
from boxless.ops.likelihood import label_set_log_likelihood
from memory import memory_of, peak_memory

ROUNDS = 5


class Case(NamedTuple):
    name: str
    classes: int
    side: int
    sets: list[list[int]]
    expected: float  # how often a class is expected in a map
    plain: bool = True  # whether the plain loop ends in any useful time


BATCH = [list(range(1 + i % 5)) for i in range(32)]
CASES = [
    Case("32 of 28×28, sets of 1 to 5", 10, 28, BATCH, 3.0),
    Case("28×28, 12 classes", 12, 28, [list(range(12))], 3.0),
    Case("100×100, 16 classes of 100", 100, 100, [list(range(16))], 6.0, plain=False),
    Case("32 of 28×28, certain", 10, 28, BATCH, 150.0),
    Case("32 of 28×28, cancelling", 10, 28, BATCH, 1e-4),
]


def log_probs(case: Case) -> Tensor:
    """Softmax of unit noise, with the background so strong that each class is expected so often."""
    noise = torch.randn(
        len(case.sets), case.classes + 1, case.side, case.side, generator=torch.Generator().manual_seed(0)
    )
    each = min(case.expected / case.side**2, 0.5 / case.classes)
    noise[:, -1] += math.log((1 - case.classes * each) / each)
    return noise.log_softmax(1).requires_grad_()


def plain(log_probs: Tensor, sets: Sequence[Sequence[int]]) -> Tensor:
    """Eq. 4 and 6 as they stand, in float64."""
    values = []
    for p, labels in zip(log_probs.double().exp(), sets, strict=True):
        total = torch.zeros((), dtype=torch.float64)
        for size in range(len(labels) + 1):
            for subset in combinations(labels, size):
                alpha = p[[*subset, -1]].sum(0).log().sum().exp()
                total = total + (-1) ** (len(labels) - size) * alpha
        values.append(total.log())
    return torch.stack(values)


def step(case: Case, value: Callable[[Tensor, Sequence[Sequence[int]]], Tensor]) -> Callable[[], object]:
    maps = log_probs(case)
    return lambda: value(maps, case.sets).sum().backward()


def fastest(function: Callable[[], object]) -> float:
    """Seconds, the best of some rounds."""
    seconds = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        function()
        seconds.append(time.perf_counter() - began)
    return min(seconds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--memory-of", nargs=2, metavar=("CASE", "WHOSE"), help="used by the benchmark itself")
    arguments = parser.parse_args()
    if arguments.memory_of:
        name, whose = arguments.memory_of
        case = next(case for case in CASES if case.name == name)
        step(case, label_set_log_likelihood if whose == "ours" else plain)()
        print(peak_memory())
        return
    print(machine())
    print(f"{'':30}{'ours':>12}{'plain':>12}{'ratio':>9}{'ours':>12}{'plain':>12}")
    for case in CASES:
        ours = fastest(step(case, label_set_log_likelihood))
        line = f"{case.name:30}{1000 * ours:9.1f} ms"
        if case.plain:
            theirs = fastest(step(case, plain))
            line += f"{1000 * theirs:9.1f} ms{theirs / ours:8.1f}x"
        else:
            line += f"{'–':>12}{'–':>9}"
        line += f"{memory_of(__file__, case.name, 'ours'):8d} MiB"
        line += f"{memory_of(__file__, case.name, 'plain'):8d} MiB" if case.plain else f"{'–':>12}"
        print(line, flush=True)


if __name__ == "__main__":
    main()

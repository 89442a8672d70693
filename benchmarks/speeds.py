"""Two functions timed in turns, so that a machine that is slow for a while is slow for both."""

import time
from collections.abc import Callable

Step = Callable[[], object]


def speeds(ours: Step, plain: Step, images: int, steps: int, rounds: int) -> tuple[float, float]:
    """Images a second of each, the best of some rounds of some steps after a warm-up."""
    best = [float("inf"), float("inf")]
    for step in (ours, plain):
        step()
        step()
    for _ in range(rounds):
        for index, step in enumerate((ours, plain)):
            began = time.perf_counter()
            for _ in range(steps):
                step()
            best[index] = min(best[index], (time.perf_counter() - began) / steps)
    return images / best[0], images / best[1]

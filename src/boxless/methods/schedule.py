"""How learning rates rise and fall over a training."""

import math


def rate_factor(step: int, steps: int, warmup: int, decay: float) -> float:
    """Factor on a learning rate: a straight rise, a plateau, then a cosine to zero.

    Args:
        step: from 0.
        steps: of the whole training.
        warmup: steps of the rise.
        decay: share of the training, at its end, of the fall.
    """
    warm = min(1.0, (step + 1) / max(1, warmup))
    left = (steps - step) / max(1.0, decay * steps)
    return warm * (1.0 if left >= 1.0 else 0.5 - 0.5 * math.cos(math.pi * left))

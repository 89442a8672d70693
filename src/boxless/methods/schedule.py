"""By what networks are stepped, and how learning rates rise and fall over a training."""

import math
from typing import Literal

OptimizerName = Literal["muon", "adam"]
"""See ``boxless.engine.optimizers``."""


def warm_cosine(step: int, steps: int, warmup: int, decay: float) -> float:
    """Factor on a learning rate: up along a line, level, and down to zero along a cosine.

    Args:
        step: from 0.
        steps: of the whole training.
        warmup: steps over which it rises from zero.
        decay: share of the training, at its end, over which it falls.
    """
    warm = min(1.0, (step + 1) / max(1, warmup))
    left = (steps - step) / max(1.0, decay * steps)
    return warm * (1.0 if left >= 1.0 else 0.5 - 0.5 * math.cos(math.pi * left))

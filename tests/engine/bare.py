"""Lightning without anything around it: for tests that look at single steps."""

import warnings
from typing import Any

import lightning as L

from boxless.engine.module import TrainingModule


def fit(module: TrainingModule, batches: Any) -> None:
    """A step on each batch of a loader, in float32 on the CPU; nothing is logged or written."""
    trainer = L.Trainer(accelerator="cpu", devices=1, max_epochs=1, barebones=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of Lightning: that nothing is logged or validated
        trainer.fit(module, batches)

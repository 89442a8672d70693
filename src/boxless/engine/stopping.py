"""Ending a training in time."""

import time
from typing import Any

import lightning as L
from lightning.pytorch.callbacks import Callback


class StopInTime(Callback):
    """Ends the run after the step in which its time is up; it is validated and saved then, and a resume goes on there.

    Args:
        seconds: from now.
    """

    def __init__(self, seconds: float) -> None:
        self.deadline = time.monotonic() + seconds

    def on_train_batch_end(
        self, trainer: L.Trainer, module: L.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        if trainer.strategy.reduce_boolean_decision(time.monotonic() > self.deadline, all=False):  # all stop, or none
            trainer.should_stop = True

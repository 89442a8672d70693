"""Ending a training in time."""

import logging
import time
from typing import Any

import lightning as L
from lightning.pytorch.callbacks import Callback

LOOKED_AT = 10  # steps, after the first, which may compile: from these the length of an epoch is told


class StopInTime(Callback):
    """Ends the run at the end of the epoch after which another would not end in time.

    The first epoch is always done, for a run without a checkpoint is lost; where it will be late, that is said early.

    Args:
        seconds: from now.
    """

    def __init__(self, seconds: float) -> None:
        self.deadline = time.monotonic() + seconds
        self._epoch_began = 0.0
        self._steps = 0
        self._first_done = 0.0

    def on_train_epoch_start(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        self._epoch_began = time.monotonic()

    def on_train_batch_end(
        self, trainer: L.Trainer, module: L.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        if self._steps == 0:
            self._first_done = time.monotonic()
        elif self._steps == LOOKED_AT and trainer.is_global_zero:
            now, steps = time.monotonic(), int(trainer.num_training_batches)
            late = now + (now - self._first_done) / LOOKED_AT * (steps - 1 - batch_idx) - self.deadline
            if late > 0:
                logging.getLogger("boxless").warning(
                    "the run will stop %.1f min late: after %d steps, when there is a model to keep; "
                    "--run.steps_per_epoch makes it fewer.",
                    late / 60,
                    steps,
                )
        self._steps += 1

    def on_train_epoch_end(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        now = time.monotonic()
        late = now + (now - self._epoch_began) > self.deadline
        if trainer.strategy.reduce_boolean_decision(late, all=False):  # all processes stop, or none
            trainer.should_stop = True

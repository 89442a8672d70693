"""Ending a training before its last step: in time, or when it is interrupted."""

import os
import signal
import threading
import time
from types import FrameType
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


class StopWhenInterrupted(Callback):
    """Ends the run after the step that an interrupt falls into, Ctrl-C or a scheduler's SIGTERM: saved, not validated.

    One that falls into a validation waits for its end. A second one ends the run at once, where it is.

    Args:
        told: say so on stderr.
    """

    SIGNALS = (signal.SIGINT, signal.SIGTERM)

    def __init__(self, told: bool) -> None:
        self.told, self.interrupted = told, False
        self._before: dict[int, Any] = {}

    def on_train_start(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        if threading.current_thread() is not threading.main_thread():  # which alone hears signals
            return
        for number in self.SIGNALS:
            if signal.getsignal(number) is not signal.SIG_IGN:  # as of a job in the background, which hears no Ctrl-C
                self._before[number] = signal.signal(number, self._hear)

    def _hear(self, number: int, frame: FrameType | None) -> None:
        if self.interrupted:
            self._hear_no_more()
            raise KeyboardInterrupt
        self.interrupted = True
        if self.told:  # what is buffered may be just being written
            os.write(2, b"\nstopping after this step, which will be saved; once more stops at once\n")

    def on_train_batch_end(
        self, trainer: L.Trainer, module: L.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        if self._all_stop(trainer):
            trainer.limit_val_batches = 0

    def on_train_epoch_end(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        self._all_stop(trainer)

    def _all_stop(self, trainer: L.Trainer) -> bool:
        self.interrupted = trainer.strategy.reduce_boolean_decision(self.interrupted, all=False)
        trainer.should_stop |= self.interrupted
        return self.interrupted

    def on_train_end(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        self._hear_no_more()

    def on_exception(self, trainer: L.Trainer, module: L.LightningModule, exception: BaseException) -> None:
        self._hear_no_more()

    def _hear_no_more(self) -> None:
        while self._before:
            signal.signal(*self._before.popitem())

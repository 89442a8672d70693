"""Progress of a training: one bar over all steps with rate and time left, one line an epoch."""

import time
from typing import Any

import lightning as L
from lightning.pytorch.callbacks import Callback
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

LINE_EVERY = 60.0  # seconds, where there is no terminal and an epoch takes longer


class TrainingProgress(Callback):
    """A bar where there is a terminal; lines alone where there is none."""

    def __init__(self, epochs: int, steps_per_epoch: int) -> None:
        self.epochs, self.steps = epochs, epochs * steps_per_epoch
        self.console = Console(stderr=True, highlight=False)
        self._bar: Progress | None = None
        self._began, self._first, self._told = 0.0, 0, 0.0
        self._validated = False

    def on_train_start(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        self._began, self._first = time.monotonic(), int(module.steps_done)  # type: ignore[arg-type]
        self._told = self._began
        if trainer.is_global_zero and self._first:
            self.console.print(f"goes on after step {self._first:,} of {self.steps:,}")
        if trainer.is_global_zero and self.console.is_terminal:
            self._bar = Progress(
                TextColumn("training"),
                BarColumn(),
                MofNCompleteColumn(),
                TextColumn("{task.fields[rate]}"),
                TimeElapsedColumn(),
                TextColumn("left"),
                TimeRemainingColumn(),
                console=self.console,
            )
            self._bar.start()
            self._task = self._bar.add_task("steps", total=self.steps, completed=self._first, rate="")

    def on_train_batch_end(self, trainer: L.Trainer, module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        done = module.steps_done
        if self._bar is not None:
            self._bar.update(self._task, completed=done, rate=f"{self._rate(done):.1f} steps/s")
        elif trainer.is_global_zero and time.monotonic() - self._told > LINE_EVERY:
            self._tell(f"step {done:,} of {self.steps:,}", done)

    def on_validation_end(self, trainer: L.Trainer, module: Any) -> None:
        self._validated = True

    def on_train_epoch_end(self, trainer: L.Trainer, module: Any) -> None:
        validated, self._validated = self._validated, False
        if not trainer.is_global_zero or not validated:  # what an interrupt broke off
            return
        done = module.steps_done
        shown = {name: float(value) for name, value in trainer.callback_metrics.items()}
        percents = [f"{name[4:]} {100 * shown[name]:.1f} %" for name in VALIDATED if name in shown]
        if "val/rmse" in shown:
            percents.append(f"rmse {shown['val/rmse']:.4f}")
        # this comes before the module logs them
        noted = {name: float(value) for name, value in module.noted().items()}
        losses = [f"{name[5:]} {value:.4g}" for name, value in noted.items() if name.startswith("loss/")]
        self._tell(f"step {done:,} of {self.steps:,}: {', '.join(percents)}; losses: {', '.join(losses)}", done)

    def _tell(self, sentence: str, done: int) -> None:
        """A line with the speed and the time left."""
        self._told = time.monotonic()
        left = (self.steps - done) / max(self._rate(done), 1e-9)
        gone = _clock(self._told - self._began)
        speed = f"{self._rate(done):.2f} steps/s, {gone} gone, {_clock(left)} left"
        self.console.print(f"{sentence}; {speed}", soft_wrap=True)

    def on_train_end(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        self._stop()

    def on_exception(self, trainer: L.Trainer, module: L.LightningModule, exception: BaseException) -> None:
        self._stop()

    def _stop(self) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    def _rate(self, done: int) -> float:
        return (done - self._first) / max(time.monotonic() - self._began, 1e-9)


VALIDATED = ("val/localization", "val/classification", "val/both", "val/exact_counts", "val/exact_sets")


def _clock(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}" if hours else f"{minutes}:{seconds:02d}"

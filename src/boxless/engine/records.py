"""What a run leaves for programs: ``metrics.jsonl`` and ``record.json``; TensorBoard is for people."""

import json
import os
import subprocess
import time
from argparse import Namespace
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import lightning as L
from lightning.fabric.utilities.rank_zero import rank_zero_only
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.loggers.logger import Logger

from boxless.data.files import naming, write_atomically
from boxless.errors import BoxlessError
from boxless.hardware import machine
from boxless.plain import from_plain

METRICS_FILE, RECORD_FILE = "metrics.jsonl", "record.json"


class JsonLines(Logger):
    """Appends what is logged, a line at a time; :func:`read_metrics` joins the lines of an epoch.

    After a resume, lines of epochs that will be trained again are dropped.

    Args:
        run: the run directory.
        epochs_done: lines of later epochs are of a part that was lost.
    """

    def __init__(self, run: Path, epochs_done: int) -> None:
        super().__init__()
        self.path = run / METRICS_FILE
        if self.path.exists() and not is_other_rank():
            kept = [json.dumps(row) + "\n" for row in read_metrics(run) if row.get("epoch", 0) < epochs_done]
            write_atomically(self.path, "".join(kept))

    @property
    def name(self) -> str:
        return "jsonl"

    @property
    def version(self) -> int:
        return 0

    @rank_zero_only
    def log_hyperparams(self, params: dict[str, Any] | Namespace, *args: Any, **kwargs: Any) -> None:
        """Settings are in config.yaml."""

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Append a line, synced."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with naming(self.path), self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(dict(metrics)) + "\n")
            file.flush()
            os.fsync(file.fileno())


def is_other_rank() -> bool:
    """Whether this is a process that the first process of a run has started."""
    return bool(getattr(rank_zero_only, "rank", 0))


def read_metrics(run: Path) -> list[dict[str, float]]:
    """The values of each epoch in a run's ``metrics.jsonl``; a line that was cut off by a kill is left out."""
    path = Path(run) / METRICS_FILE
    epochs: dict[float, dict[str, float]] = {}
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines() if path.exists() else []:
        try:
            row = json.loads(line)
        except json.JSONDecodeError:
            continue
        if isinstance(row, dict) and isinstance(epoch := row.get("epoch", 0), int | float):
            epochs.setdefault(epoch, {}).update(row)
    return list(epochs.values())


def curves(run: Path, steps_per_epoch: int) -> dict[str, tuple[list[float], list[float]]]:
    """Each logged value over the steps: name to (steps, values)."""
    found: dict[str, tuple[list[float], list[float]]] = {}
    for row in read_metrics(run):
        for name, value in row.items():
            if name not in ("epoch", "step", "steps"):
                steps, values = found.setdefault(name, ([], []))
                steps.append(_steps_at(row, steps_per_epoch))
                values.append(value)
    return found


def learning_curve(run: Path, steps: int, steps_per_epoch: int) -> list[dict[str, float]]:
    """What a run measured on its validation images after each epoch, each row with the steps taken by then.

    Args:
        run: its directory.
        steps: of the whole training.
        steps_per_epoch: of each epoch but the last, which may be shorter.
    """
    rows = []
    for row in read_metrics(run):
        measures = {name.removeprefix("val/"): value for name, value in row.items() if name.startswith("val/")}
        if measures:
            rows.append({"step": int(min(steps, _steps_at(row, steps_per_epoch)))} | measures)
    return rows


def _steps_at(row: Mapping[str, float], steps_per_epoch: int) -> float:
    """The steps taken by a row of the metrics; runs of before these were logged had no epoch broken off."""
    return row.get("steps", steps_per_epoch * (row.get("epoch", 0) + 1))


@dataclass(frozen=True)
class Record:
    """Who trained a run: for the lab record.

    Attributes:
        commit: of the checkout; "+" at its end for changed files; "" where the package is installed. Of a run that
            was resumed with other code, each in turn: "55e9beb, 1d1547d".
        machine: see :func:`boxless.hardware.machine`.
        seconds: of training, over all resumes, what was lost by kills left out.
        steps: taken.
    """

    commit: str
    machine: str
    seconds: float
    steps: int


def read_record(run: Path) -> Record | None:
    """The record of a run, if it has one.

    Raises:
        BoxlessError: its file is broken.
    """
    path = Path(run) / RECORD_FILE
    if not path.is_file():
        return None
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise BoxlessError(f"{path} is no JSON ({error}); remove it.") from error
    return from_plain(Record, values, str(path))


class KeepRecord(Callback):
    """Writes ``record.json`` after each epoch; its seconds and commits travel with the checkpoint."""

    def __init__(self, run: Path) -> None:
        self.run, self.seconds, self._mark = run, 0.0, 0.0
        self.commits: list[str] = []

    def on_train_start(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        self._mark = time.monotonic()
        if (now := commit()) not in self.commits[-1:]:
            self.commits.append(now)

    def on_train_epoch_end(self, trainer: L.Trainer, module: Any) -> None:
        now = time.monotonic()
        self.seconds, self._mark = self.seconds + now - self._mark, now
        if trainer.is_global_zero:
            trained_by = ", ".join(filter(None, self.commits))
            record = Record(trained_by, machine(), round(self.seconds, 1), module.steps_done)
            write_atomically(self.run / RECORD_FILE, json.dumps(asdict(record), indent=2))

    def state_dict(self) -> dict[str, Any]:
        return {"seconds": self.seconds, "commits": self.commits}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.seconds, self.commits = state_dict["seconds"], list(state_dict["commits"])


def commit() -> str:
    """The commit of the checkout that the package runs from, with "+" if files differ; "" outside of one.

    What recording one number after another changes does not count.
    """
    checkout = Path(__file__).parents[3]
    if not (checkout / ".git").exists():  # installed; git would name what happens to lie around it
        return ""

    def git(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(["git", *arguments], cwd=checkout, capture_output=True, text=True)

    try:
        head = git("rev-parse", "--short", "HEAD")
        same = git("diff", "--quiet", "HEAD", "--", ".", ":!results", ":!README.md")
    except OSError:
        return ""
    if head.returncode:
        return ""
    return head.stdout.strip() + ("" if same.returncode == 0 else "+")

"""The training state: written whole or not at all, read without unpickling; and the model that a run shows."""

import io
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import lightning as L
import torch
from lightning.fabric.plugins.io.torch_io import TorchCheckpointIO
from lightning.pytorch.callbacks import Callback, ModelCheckpoint
from safetensors.torch import save

from boxless.data.files import write_atomically
from boxless.engine.module import TrainingDiverged, TrainingModule
from boxless.errors import BoxlessError

LAST, BEST = "last", "best"


class AtomicCheckpoints(TorchCheckpointIO):
    """Checkpoints through a temporary file, synced and renamed; loaded with ``weights_only=True``."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any | None = None) -> None:
        buffer = io.BytesIO()
        torch.save(checkpoint, buffer)
        write_atomically(Path(path), buffer.getvalue())

    def load_checkpoint(self, path: Any, map_location: Any = None, weights_only: bool | None = None) -> dict[str, Any]:
        return read_checkpoint(Path(path))


def read_checkpoint(path: Path) -> dict[str, Any]:
    """The training state in a file.

    Raises:
        BoxlessError: there is none, it is broken, or it holds anything but tensors and plain values.
    """
    try:
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise BoxlessError(f"There is no {path} to resume from.") from error
    except Exception as error:  # torch names a dozen kinds of broken files in as many ways
        raise _no_state(path) from error
    if not isinstance(state, dict) or "epoch" not in state or "step_count" not in state.get("state_dict", {}):
        raise _no_state(path)
    return state


def check_fits(state: Mapping[str, Any], module: TrainingModule, path: Path) -> None:
    """Whether a training can be gone on with by the present code.

    Raises:
        BoxlessError: the state is that of another version of the package.
    """
    theirs, ours = (
        {name: tuple(value.shape) for name, value in tensors.items()}
        for tensors in (state["state_dict"], module.state_dict())
    )
    differing = [name for name in {**theirs, **ours} if theirs.get(name) != ours.get(name)]
    if differing:
        raise BoxlessError(
            f"{path} was written by another version of boxless ({differing[0]} differs), which alone can go on with "
            "it; train anew, elsewhere. The run's model can be used as it is."
        )


def _no_state(path: Path) -> BoxlessError:
    return BoxlessError(f"{path} is no training state of boxless, or it is broken; remove it.")


def checkpoint_callbacks(run: Path) -> list[Callback]:
    """``last.ckpt`` after each epoch, ``best.ckpt`` where the validation was best."""
    common: dict[str, Any] = {"dirpath": run, "save_top_k": 1, "enable_version_counter": False}
    return [
        ModelCheckpoint(filename=BEST, monitor="val/score", mode="max", save_on_train_epoch_end=False, **common),
        ShownModel(run),
        ModelCheckpoint(filename=LAST, save_on_train_epoch_end=True, **common),
    ]


class ShownModel(Callback):
    """Keeps the run's model files at the best validation so far, so that a run can be used while it trains."""

    def __init__(self, run: Path) -> None:
        self.run, self.best = run, -math.inf

    def on_validation_end(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        score = float(trainer.callback_metrics.get("val/score", torch.tensor(torch.nan)))
        if trainer.sanity_checking or not score > self.best:
            return
        self.best = score
        if trainer.is_global_zero and isinstance(module, TrainingModule):
            module.trained_model.save(self.run)

    def state_dict(self) -> dict[str, Any]:
        return {"best": self.best}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.best = state_dict["best"]


class SaveBadBatch(Callback):
    """Saves the batch on which a loss was not finite, beside a note of which loss and when."""

    def __init__(self, run: Path) -> None:
        self.run = run
        self._batch: Any = None

    def on_train_batch_start(self, trainer: L.Trainer, module: L.LightningModule, batch: Any, batch_idx: int) -> None:
        self._batch = batch

    def on_exception(self, trainer: L.Trainer, module: L.LightningModule, exception: BaseException) -> None:
        if isinstance(exception, TrainingDiverged) and self._batch is not None:
            tensors = {
                name: value.clone().contiguous() for name, value in vars(self._batch).items() if value is not None
            }
            write_atomically(self.run / "bad_batch.safetensors", save(tensors))
            note: Mapping[str, Any] = {"loss": exception.name, "step": exception.step}
            write_atomically(self.run / "bad_batch.json", json.dumps(note))

"""A tiny training that leaves its state; as a script, in two processes: METHOD FOLDER OUT."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from safetensors.torch import save_file

from boxless.engine.module import TrainingModule
from boxless.engine.recipe import Recipe
from boxless.engine.run import train
from tests.engine.tiny import tiny

ROOT = Path(__file__).parents[2]


def shared_training(recipe: Recipe, out: Path, devices: int) -> Path:
    """Train in ``out/run``, and leave ``out/RANK.safetensors``; returns ``out``."""
    modules: list[TrainingModule] = []
    finish = TrainingModule.finish_step

    def finishing(self: TrainingModule) -> None:
        modules.append(self)
        finish(self)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TrainingModule, "finish_step", finishing)
        train(recipe, out / "run", devices=devices, progress=False)
    state = {name: value.detach().contiguous() for name, value in modules[-1].state_dict().items()}
    save_file(state, out / f"{modules[-1].global_rank}.safetensors")
    return out


def in_two_processes(method: str, folder: Path, out: Path) -> Path:
    """The tiny training of a method, on what ``folder`` holds if it learns from pictures; returns ``out``."""
    run_in_two(Path(__file__), method, str(folder), str(out))
    return out


def run_in_two(script: Path, *arguments: str) -> None:
    """Run a script that trains on two devices, on a CPU, with a thread each."""
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    environment = os.environ | {"PYTHONPATH": path, "CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, str(script), *arguments]
    done = subprocess.run(command, env=environment, timeout=600, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


if __name__ == "__main__":
    shared_training(tiny(sys.argv[1], Path(sys.argv[2]), precision="32"), Path(sys.argv[3]), devices=2)

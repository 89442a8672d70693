"""A tiny TUSK training that leaves its weights; test_distributed runs it in two processes."""

import sys
from pathlib import Path

import pytest
from safetensors.torch import save_file

from boxless.engine.module import TrainingModule
from boxless.engine.run import train
from tests.engine.tiny import tiny_tusk


def shared_training(out: Path, devices: int) -> None:
    """Train, and leave ``out/RANK.safetensors``."""
    modules: list[TrainingModule] = []
    finish = TrainingModule.finish_step

    def finishing(self: TrainingModule) -> None:
        modules.append(self)
        finish(self)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TrainingModule, "finish_step", finishing)
        train(tiny_tusk(precision="32"), out / "run", devices=devices, progress=False)
    state = {name: value.detach().contiguous() for name, value in modules[-1].state_dict().items()}
    save_file(state, out / f"{modules[-1].global_rank}.safetensors")


if __name__ == "__main__":
    shared_training(Path(sys.argv[1]), devices=2)

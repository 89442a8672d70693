"""A tiny training that leaves what each of its processes saw and came to; test_distributed runs it as a script.

What a process computes over its own part of a batch is taken out: the batch norm of the input, and the worth of
candidates, which is relative to the mean of a batch. All else is a mean over samples, and must not depend on how many
processes share them.
"""

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import save_file
from torch import Tensor, nn

from boxless.data.batch import Batch
from boxless.engine.module import TrainingModule
from boxless.engine.recipe import Recipe
from boxless.engine.run import train
from boxless.engine.sources import TRAIN, Scenes
from boxless.nets.heatmap import HeatmapNet
from tests.engine.tiny import tiny_recipe


def recipe() -> Recipe:
    settings = {"keypoint_step": "gradient", "keypoint_rate": 100.0, "warmup": 1, "heatmap_rate": 5e-3}
    tiny = tiny_recipe(precision="32", steps=4, batch_size=6, training=settings)
    # nine digits for three keypoints: on a canvas that is nearly empty rounding decides between flat places
    return replace(tiny, data=replace(tiny.data, layout="mnist-hard"))


def watched_training(out: Path, devices: int) -> None:
    """Train, and leave ``out/RANK.safetensors`` (the weights) and ``out/RANK.json`` (the scenes of each step)."""
    scenes: list[list[int]] = []
    modules: list[TrainingModule] = []
    compose, finish, initialise = Scenes.batch, TrainingModule.finish_step, HeatmapNet.__init__

    def composing(self: Scenes, indices: Tensor) -> Batch:
        if self.generator.key[1] == TRAIN:
            scenes.append(indices.tolist())
        return compose(self, indices)

    def finishing(self: TrainingModule) -> None:
        modules.append(self)
        finish(self)

    def without_statistics(self: HeatmapNet, *sizes: Any) -> None:
        initialise(self, *sizes)
        self.normalise = nn.Identity()  # type: ignore[assignment]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Scenes, "batch", composing)
        patch.setattr(TrainingModule, "finish_step", finishing)
        patch.setattr(HeatmapNet, "__init__", without_statistics)
        train(recipe(), out / "run", devices=devices, progress=False)
    rank = modules[-1].global_rank
    weights = {name: parameter.detach().contiguous() for name, parameter in modules[-1].named_parameters()}
    save_file(weights, out / f"{rank}.safetensors")
    (out / f"{rank}.json").write_text(json.dumps(scenes))


if __name__ == "__main__":
    watched_training(Path(sys.argv[1]), devices=2)

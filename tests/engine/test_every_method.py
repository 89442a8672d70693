"""What the engine promises of every method: a run that is stopped and resumed ends as one that was not, to the bit."""

from pathlib import Path
from typing import Any

import pytest
import torch

from boxless.engine.checkpoints import read_checkpoint
from boxless.engine.recipe import Recipe, recipe_from
from boxless.engine.records import read_metrics
from boxless.engine.run import train
from boxless.methods.registry import MODELS
from tests.engine.tiny import pictures, tiny_recipe, tiny_tusk

RUN = {"steps": 4, "steps_per_epoch": 2, "batch_size": 4, "compile": False}


def recipe_of(method: str, root: Path) -> Recipe:
    """Small, on digits or, with a backbone, on three pictures."""
    if method == "mist-classify":
        return tiny_recipe(steps=4)
    if method == "tusk":
        return tiny_tusk()
    digits = {"glyphs": "digits", "validation_size": 6, "train_size": 32}
    parts: dict[str, dict[str, Any]] = {
        "mist-reconstruct": {
            "data": digits | {"layout": "mnist-3"},
            "model": {
                "instances": 3,
                "heatmap_channels": 4,
                "heatmap_blocks": 1,
                "patch_size": 8,
                "encoder_channels": [4, 4, 4],
            },
            "training": {"warmup": 2, "averaging": 0.5},
        },
        "mist-backbone": {
            "data": {"folder": str(pictures(root)), "validation_share": 0.4},
            "model": {"backbone": "squeezenet", "shorter_edge": 64, "heatmap_channels": 4, "classifier_channels": 8},
            "training": {"pretrained": False},
        },
        "mcmil": {
            "data": digits | {"layout": "extended-mnist"},
            "model": {"widths": [4, 4, 4, 4, 4]},
            "training": {"warmup": 2, "averaging": 0.5},
        },
    }
    return recipe_from({"method": method, "run": RUN} | parts[method], "test")


@pytest.mark.parametrize("method", MODELS)
def test_stopped_and_resumed_equals_never_stopped_to_the_bit(method: str, tmp_path: Path) -> None:
    recipe, whole, stopped = recipe_of(method, tmp_path), tmp_path / "whole", tmp_path / "stopped"
    train(recipe, whole, progress=False)
    train(recipe, stopped, max_time=0.0, progress=False)
    assert int(read_checkpoint(stopped / "last.ckpt")["state_dict"]["step_count"]) == 2
    torch.manual_seed(99)  # must not matter
    train(recipe, stopped, resume=True, progress=False)
    wanted, got = (read_checkpoint(run / "last.ckpt")["state_dict"] for run in (whole, stopped))
    assert int(got["step_count"]) == 4
    assert wanted.keys() == got.keys()
    assert all(torch.equal(wanted[name], got[name]) for name in wanted)
    assert read_metrics(whole) == read_metrics(stopped)
    for name in ("model.safetensors", "model.json"):
        assert (whole / name).read_bytes() == (stopped / name).read_bytes()

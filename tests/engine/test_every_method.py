"""What the engine promises of every method: a run that is stopped and resumed ends as one that was not, to the bit."""

from pathlib import Path

import pytest
import torch

from boxless.engine.checkpoints import read_checkpoint
from boxless.engine.records import read_metrics
from boxless.engine.run import train
from boxless.methods.registry import MODELS
from tests.engine.tiny import pictures, tiny


@pytest.mark.parametrize("method", MODELS)
def test_stopped_and_resumed_equals_never_stopped_to_the_bit(method: str, tmp_path: Path) -> None:
    recipe, whole, stopped = tiny(method, pictures(tmp_path)), tmp_path / "whole", tmp_path / "stopped"
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

"""Two gloo processes on a CPU train as one process with the same batches."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from boxless.engine.checkpoints import read_checkpoint
from boxless.engine.records import read_metrics
from tests.engine.shared import run_in_two
from tests.engine.watched import recipe, watched_training


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What two processes left."""
    out = tmp_path_factory.mktemp("two")
    run_in_two(Path(__file__).with_name("watched.py"), str(out))
    return out


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What one process left."""
    out = tmp_path_factory.mktemp("one")
    torch.manual_seed(1)  # must not matter
    watched_training(out, devices=1)
    return out


def weights(out: Path, rank: int = 0) -> dict[str, Tensor]:
    return load_file(out / f"{rank}.safetensors")


def test_each_process_sees_its_own_half_of_each_batch(one: Path, two: Path) -> None:
    whole, first, second = (json.loads(path.read_text()) for path in (one / "0.json", two / "0.json", two / "1.json"))
    assert len(whole) == recipe().run.steps
    for batch, half, other in zip(whole, first, second, strict=True):
        assert (len(half), len(other)) == (3, 3)
        assert sorted(half + other) == sorted(batch)


def test_both_processes_end_with_the_same_weights_to_the_bit(two: Path) -> None:
    first, second = weights(two, 0), weights(two, 1)
    assert first.keys() == second.keys()
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_two_processes_end_with_the_weights_of_one(one: Path, two: Path) -> None:
    """To 10 % of one of the four steps that Adam took, by 1e-3 and more for each weight, in the mean over a tensor.

    What is left is float32 summed in another order. Adam blows it up where a gradient is nothing but rounding: for a
    few corners of decoded patches, and for the biases that add to all scores alike, on which a softmax does not depend.
    """
    alone, shared = weights(one), weights(two)
    rounding = {"model.heatmap_net.leave.bias", "model.heatmap_net.blocks.0.conv2.bias"}
    distances = {
        name: (shared[name] - alone[name]).square().mean().sqrt().item()
        for name in alone.keys() - rounding
        if not name.startswith("averaged")
    }
    assert max(distances.values()) < 1e-4, distances


def test_the_run_is_one_run(two: Path) -> None:
    state = read_checkpoint(two / "run" / "last.ckpt")["state_dict"]
    assert int(state["step_count"]) == recipe().run.steps
    ours = weights(two)
    assert all(torch.equal(state[name], ours[name]) for name in ours)
    rows = read_metrics(two / "run")
    assert [row["epoch"] for row in rows] == [0, 1]


def test_losses_and_measures_are_those_of_both_halves(one: Path, two: Path) -> None:
    for alone, shared in zip(read_metrics(one / "run"), read_metrics(two / "run"), strict=True):
        assert alone.keys() == shared.keys()
        for name in ("loss/classification", "loss/heatmap", "val/classification", "val/score"):
            assert shared[name] == pytest.approx(alone[name], rel=1e-3, abs=1e-6), name

"""Two gloo processes train as one process with the same batches: descriptors, middles and names are those of all."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from boxless.engine.records import read_metrics
from tests.methods.tusk.shared import shared_training

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What two processes left."""
    out = tmp_path_factory.mktemp("two")
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    environment = os.environ | {"PYTHONPATH": path, "CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, str(Path(__file__).with_name("shared.py")), str(out)]
    done = subprocess.run(command, env=environment, timeout=600, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return out


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What one process left."""
    out = tmp_path_factory.mktemp("one")
    shared_training(out, devices=1)
    return out


def test_both_processes_end_with_the_same_state_to_the_bit(two: Path) -> None:
    first, second = (load_file(two / f"{rank}.safetensors") for rank in (0, 1))
    assert first.keys() == second.keys()
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_two_processes_end_with_the_state_of_one(one: Path, two: Path) -> None:
    """To a fifth of one of the four steps that Adam took: 1e-3 long for networks, 0.1 for prototypes."""
    alone, shared = (load_file(out / "0.safetensors") for out in (one, two))
    assert torch.equal(alone["seed"], shared["seed"])
    for name, value in alone.items():
        if name.startswith("model.") and value.is_floating_point():
            step = 0.1 if name == "model.prototypes" else 1e-3
            distance = (shared[name] - value).square().mean().sqrt().item()
            assert distance < 0.2 * step or name == "model.center", (name, distance)
    torch.testing.assert_close(shared["model.center"], alone["model.center"], rtol=1e-2, atol=1e-3)


def test_what_is_logged_is_of_both_halves(one: Path, two: Path) -> None:
    for alone, shared in zip(read_metrics(one / "run"), read_metrics(two / "run"), strict=True):
        assert alone.keys() == shared.keys()
        for name in ("loss/reconstruction", "loss/features", "loss/squares", "prototypes/used", "val/rmse"):
            assert shared[name] == pytest.approx(alone[name], rel=2e-2, abs=1e-6), name

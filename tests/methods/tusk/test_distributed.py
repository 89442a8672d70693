"""Two gloo processes train as one process with the same batches: descriptors, middles and names are those of all."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from boxless.engine.records import read_metrics
from tests.engine.shared import in_two_processes, shared_training
from tests.engine.tiny import tiny_tusk


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What two processes left."""
    out = tmp_path_factory.mktemp("two")
    return in_two_processes("tusk", out, out)


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What one process left."""
    return shared_training(tiny_tusk(precision="32"), tmp_path_factory.mktemp("one"), devices=1)


def test_both_processes_end_with_the_same_state_to_the_bit(two: Path) -> None:
    first, second = (load_file(two / f"{rank}.safetensors") for rank in (0, 1))
    assert first.keys() == second.keys()
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_two_processes_end_with_the_state_of_one(one: Path, two: Path) -> None:
    """To a fifth of one of the four steps that Adam took: 1e-3 long for networks, 0.1 for prototypes.

    Where objects lie from their keypoints is right to a fifth of a pixel: a keypoint between two prototypes may go to
    either.
    """
    steps = {"model.prototypes": 0.1, "model.offset_of": 1.0}
    alone, shared = (load_file(out / "0.safetensors") for out in (one, two))
    assert torch.equal(alone["seed"], shared["seed"])
    for name, value in alone.items():
        if name.startswith("model.") and value.is_floating_point():
            distance = (shared[name] - value).square().mean().sqrt().item()
            assert distance < 0.2 * steps.get(name, 1e-3) or name == "model.center", (name, distance)
    torch.testing.assert_close(shared["model.center"], alone["model.center"], rtol=1e-2, atol=1e-3)


def test_what_is_logged_is_of_both_halves(one: Path, two: Path) -> None:
    for alone, shared in zip(read_metrics(one / "run"), read_metrics(two / "run"), strict=True):
        assert alone.keys() == shared.keys()
        for name in ("loss/reconstruction", "loss/features", "loss/squares", "prototypes/used", "val/rmse"):
            assert shared[name] == pytest.approx(alone[name], rel=2e-2, abs=1e-6), name

"""Two gloo processes train a map of classes and a frozen backbone as one process does, each on its half of a batch.

MIST on scenes is in ``test_distributed``, TUSK among its own tests: they need more to be compared.
"""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from boxless.engine.records import read_metrics
from tests.engine.shared import in_two_processes, shared_training
from tests.engine.tiny import pictures, tiny

METHODS = ("mcmil", "mist-backbone")


@pytest.fixture(scope="module", params=METHODS)
def trained(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """What one process left, and what two did."""
    one, two = tmp_path_factory.mktemp("one"), tmp_path_factory.mktemp("two")
    folder = pictures(one)
    shared_training(tiny(request.param, folder, precision="32"), one, devices=1)
    return one, in_two_processes(request.param, folder, two)


def test_both_processes_end_with_the_same_state_to_the_bit(trained: tuple[Path, Path]) -> None:
    first, second = (load_file(trained[1] / f"{rank}.safetensors") for rank in (0, 1))
    assert first.keys() == second.keys()
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_two_processes_end_with_the_state_of_one(trained: tuple[Path, Path]) -> None:
    """To 5e-5 in the mean over a tensor, of four steps of Adam by up to 1e-3 for a map of classes.

    Its images are of several sizes, and what pads one in a batch differs between the whole and its halves: a place near
    the border sees a little of it.
    """
    alone, shared = (load_file(out / "0.safetensors") for out in trained)
    assert alone.keys() == shared.keys()
    distances = {
        name: (shared[name] - value).square().mean().sqrt().item()
        for name, value in alone.items()
        if value.is_floating_point()
    }
    assert max(distances.values()) < 5e-5, distances


def test_losses_and_measures_are_those_of_both_halves(trained: tuple[Path, Path]) -> None:
    for alone, shared in zip(*(read_metrics(out / "run") for out in trained), strict=True):
        assert alone.keys() == shared.keys()
        for name in (name for name in alone if name.startswith(("loss/", "val/"))):
            assert shared[name] == pytest.approx(alone[name], rel=1e-3, abs=1e-6), name

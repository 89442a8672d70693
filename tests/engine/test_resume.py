"""A killed and resumed training ends as if it had not been killed, to the bit."""

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from boxless.engine.checkpoints import read_checkpoint
from boxless.engine.recipe import DataConfig
from boxless.engine.records import learning_curve, read_metrics
from boxless.engine.run import train
from boxless.errors import BoxlessError
from boxless.methods.mist.classification.training import MistClassifierTraining
from boxless.models import load
from tests.engine.tiny import pictures, tiny_recipe

TRAIN = """
import sys
from boxless.engine.run import train
from boxless.errors import BoxlessError
from tests.engine.tiny import tiny_recipe
train(tiny_recipe(steps=40), sys.argv[1], resume=sys.argv[2] == "resume", progress=False)
"""


def _start(run: Path, how: str) -> subprocess.Popen[bytes]:
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(Path(__file__).parents[2])}
    return subprocess.Popen([sys.executable, "-c", TRAIN, str(run), how], env=environment)


def _kill_in_the_middle(run: Path) -> None:
    """Start a training and kill it hard once its third epoch has left a checkpoint."""
    process = _start(run, "new")
    try:
        deadline = time.monotonic() + 120
        while len(read_metrics(run)) < 3 or not (run / "last.ckpt").exists():
            assert process.poll() is None, "the training ended before it was killed"
            assert time.monotonic() < deadline
            time.sleep(0.002)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()


def test_killed_and_resumed_equals_never_killed_to_the_bit(tmp_path: Path) -> None:
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    train(tiny_recipe(steps=40), whole, progress=False)
    _kill_in_the_middle(broken)
    stopped_at = int(read_checkpoint(broken / "last.ckpt")["state_dict"]["step_count"])
    assert 0 < stopped_at < 40
    assert _start(broken, "resume").wait() == 0

    wanted, got = (read_checkpoint(run / "last.ckpt")["state_dict"] for run in (whole, broken))
    assert int(got["step_count"]) == 40
    assert wanted.keys() == got.keys()
    assert all(torch.equal(wanted[name], got[name]) for name in wanted)
    shown, resumed = (load_file(run / "model.safetensors") for run in (whole, broken))
    assert all(torch.equal(shown[name], resumed[name]) for name in shown)
    assert read_metrics(whole) == read_metrics(broken)


@pytest.mark.parametrize("change", ["shape", "missing", "more"])
def test_a_state_of_another_version_is_refused_in_a_sentence(change: str, tmp_path: Path) -> None:
    train(tiny_recipe(steps=2), tmp_path, progress=False)
    path = tmp_path / "last.ckpt"
    state = torch.load(path, weights_only=True)
    tensors, name = state["state_dict"], "model.heatmap_network.other"
    if change == "more":
        tensors[name] = torch.zeros(2)
    else:
        name = next(name for name, tensor in tensors.items() if tensor.ndim == 4)
        tensors[name] = tensors[name][:, :0]
        if change == "missing":
            del tensors[name]
    torch.save(state, path)
    with pytest.raises(BoxlessError, match=rf"last\.ckpt was written by another version of boxless \({name} differs\)"):
        train(tiny_recipe(steps=4), tmp_path, resume=True, progress=False)


def test_a_run_is_not_overwritten(tmp_path: Path) -> None:
    train(tiny_recipe(steps=2), tmp_path, progress=False)
    before = (tmp_path / "model.safetensors").read_bytes()
    with pytest.raises(BoxlessError, match="--resume"):
        train(tiny_recipe(steps=2, seed=1), tmp_path, progress=False)
    assert (tmp_path / "model.safetensors").read_bytes() == before


def test_a_run_goes_on_by_the_recipe_that_it_was_begun_with_whatever_the_folder_holds_by_now(tmp_path: Path) -> None:
    """Another K, or a class for background, would not fit its checkpoint."""
    folder = pictures(tmp_path)
    recipe = replace(
        tiny_recipe(steps=2),
        data=DataConfig(folder=str(folder), validation_share=0.5),
        model={name: value for name, value in tiny_recipe().model.items() if name != "instances"} | {"object_size": 10},
    )
    assert train(recipe, tmp_path / "run", progress=False).config.instances == 2
    (folder / "metadata.csv").write_text("file_name,labels\n0.png,a a a a\n1.png,b\n2.png,a b\n3.png,\n")
    more = replace(recipe, run=replace(recipe.run, steps=4))
    assert train(more, tmp_path / "run", resume=True, progress=False).config.instances == 2
    assert int(read_checkpoint(tmp_path / "run" / "last.ckpt")["state_dict"]["step_count"]) == 4


@pytest.mark.parametrize("labels", ["0.png,c\n1.png,b\n2.png,c b\n3.png,\n", "0.png,a\n1.png,b\n2.png,a b d\n3.png,\n"])
def test_other_classes_than_were_begun_with_are_refused(labels: str, tmp_path: Path) -> None:
    """Renamed, what was learned as a would go on as b; and of one more there are no weights."""
    folder = pictures(tmp_path)
    recipe = replace(
        tiny_recipe(steps=2),
        data=DataConfig(folder=str(folder), validation_share=0.5),
        model=tiny_recipe().model | {"object_size": 10},
    )
    train(recipe, tmp_path / "run", progress=False)
    (folder / "metadata.csv").write_text(f"file_name,labels\n{labels}")
    with pytest.raises(BoxlessError, match="has begun to learn the classes a, b, and its data now name"):
        train(recipe, tmp_path / "run", resume=True, progress=False)


def test_max_time_stops_early_and_resume_goes_on(tmp_path: Path) -> None:
    """In the middle of an epoch of two steps, which the resume then ends."""
    train(tiny_recipe(steps=8), tmp_path, max_time=0.0, progress=False)
    assert int(read_checkpoint(tmp_path / "last.ckpt")["state_dict"]["step_count"]) == 1
    assert len(read_metrics(tmp_path)) == 1
    load(tmp_path)
    train(tiny_recipe(steps=8), tmp_path, resume=True, progress=False)
    assert int(read_checkpoint(tmp_path / "last.ckpt")["state_dict"]["step_count"]) == 8
    assert [row["steps"] for row in read_metrics(tmp_path)] == [1, 2, 4, 6, 8]
    assert [row["step"] for row in learning_curve(tmp_path, 8, 2)] == [1, 2, 4, 6, 8]


def _interrupted_at(step: int, monkeypatch: pytest.MonkeyPatch, *signals: int) -> None:
    """The signals come in the midst of a step, so many having been taken before it."""
    taken = MistClassifierTraining.finish_step

    def finish_step(self: MistClassifierTraining) -> None:
        for number in signals if self.steps_done == step else ():
            signal.raise_signal(number)
        taken(self)

    monkeypatch.setattr(MistClassifierTraining, "finish_step", finish_step)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_saves_the_step_that_it_falls_into_and_the_resumed_run_is_the_same_to_the_bit(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the middle of the first epoch, of which there would else be nothing."""
    recipe = replace(tiny_recipe(steps=8), run=replace(tiny_recipe().run, steps=8, steps_per_epoch=4))
    train(recipe, tmp_path / "whole", progress=False)
    before = signal.getsignal(number)
    with monkeypatch.context() as patch:
        _interrupted_at(1, patch, number)
        with pytest.raises(KeyboardInterrupt):
            train(recipe, tmp_path / "run", progress=False)
    assert signal.getsignal(number) is before
    assert int(read_checkpoint(tmp_path / "run" / "last.ckpt")["state_dict"]["step_count"]) == 2
    assert not any("val/score" in row for row in read_metrics(tmp_path / "run"))
    train(recipe, tmp_path / "run", resume=True, progress=False)
    wanted, got = (read_checkpoint(tmp_path / name / "last.ckpt")["state_dict"] for name in ("whole", "run"))
    assert int(got["step_count"]) == 8
    assert all(torch.equal(wanted[name], got[name]) for name in wanted)
    assert [row["steps"] for row in read_metrics(tmp_path / "run")] == [2, 4, 8]


def test_an_interrupt_in_a_validation_waits_for_its_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    validate = MistClassifierTraining.validate
    monkeypatch.setattr(
        MistClassifierTraining, "validate", lambda self, batch: (signal.raise_signal(15), validate(self, batch))
    )
    with pytest.raises(KeyboardInterrupt):
        train(tiny_recipe(steps=8), tmp_path, progress=False)
    assert [row["steps"] for row in read_metrics(tmp_path) if "val/score" in row] == [2]
    assert int(read_checkpoint(tmp_path / "last.ckpt")["state_dict"]["step_count"]) == 2


def test_a_second_interrupt_stops_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _interrupted_at(3, monkeypatch, signal.SIGINT, signal.SIGINT)
    with pytest.raises((KeyboardInterrupt, SystemExit)):  # as Lightning turns the one into the other
        train(tiny_recipe(steps=8), tmp_path, progress=False)
    assert int(read_checkpoint(tmp_path / "last.ckpt")["state_dict"]["step_count"]) == 2  # of the last epoch


def test_a_run_that_was_left_before_anything_was_saved_says_that_it_begins(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    train(tiny_recipe(steps=2), tmp_path, progress=False)
    (tmp_path / "last.ckpt").unlink()
    train(tiny_recipe(steps=2), tmp_path, resume=True, progress=False)
    assert caplog.messages == [f"{tmp_path} was left before anything was saved: it begins at its first step."]


def test_a_length_of_time_that_is_no_number_leaves_no_run_in_the_way(tmp_path: Path) -> None:
    with pytest.raises(BoxlessError, match="max_time is a number of seconds, as 1800, not '60s'"):
        train(tiny_recipe(steps=2), tmp_path / "run", max_time="60s", progress=False)  # type: ignore[arg-type]
    assert not (tmp_path / "run").exists()

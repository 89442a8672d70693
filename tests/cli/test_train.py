"""``boxless train``."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
import yaml

from boxless.cli.main import main
from boxless.engine.recipe import read_recipe
from boxless.engine.records import read_metrics, read_record

REBUILDING = """
method: mist-reconstruct
data: {layout: mnist-3, glyphs: digits, validation_size: 4, train_size: 16}
model: {heatmap_channels: 4, heatmap_blocks: 1, patch_size: 8, encoder_channels: [4, 4, 4], instances: 3}
training: {warmup: 1, averaging: 0.5}
run: {steps: 2, steps_per_epoch: 1, batch_size: 2, compile: false}
"""
COMMAND = [sys.executable, "-m", "boxless.cli.main"]


def recipe_of(run: Path) -> dict[str, dict[str, object]]:
    recipe: dict[str, dict[str, object]] = yaml.safe_load((run / "config.yaml").read_text())
    return recipe


def test_options_go_before_the_file_of_settings_and_that_before_the_recipe(
    tiny_recipe: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mine.yaml").write_text("run: {steps: 1, seed: 5}\ntraining: {trust: 2e+0, task_rate: 1e-3}\n")
    out = tmp_path / "run"
    settings = ["--config", str(tmp_path / "mine.yaml"), "--run.seed", "7", "--data.counts", "2,3"]
    assert main(["train", str(tiny_recipe), "--out", str(out), *settings]) == 0
    recipe = recipe_of(out)
    assert (recipe["run"]["steps"], recipe["run"]["seed"], recipe["run"]["batch_size"]) == (1, 7, 2)
    assert recipe["training"] == {"warmup": 1, "averaging": 0.5, "trust": 2.0, "task_rate": 0.001}
    assert recipe["data"]["counts"] == [2, 3]
    assert f"boxless evaluate {out}" in capsys.readouterr().err


def test_the_data_tell_what_the_settings_leave_open(folder: Path, tiny_recipe: Path, tmp_path: Path) -> None:
    """The recipe's own number of objects is for its own scenes."""
    out = tmp_path / "run"
    assert main(["train", str(tiny_recipe), "--data", str(folder), "--out", str(out), "--model.object_size", "20"]) == 0
    model = recipe_of(out)["model"]
    assert (model["instances"], model["background"], model["channels"]) == (3, True, 1)
    assert json.loads((out / "model.json").read_text())["config"]["background"] is True


def test_broken_images_are_counted_at_the_end(
    folder: Path, tiny_recipe: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mine, out = tmp_path / "my", tmp_path / "run"
    shutil.copytree(folder, mine)
    (mine / "2.png").write_text("no image")
    assert main(["train", str(tiny_recipe), "--data", str(mine), "--out", str(out), "--model.object_size", "20"]) == 0
    assert f"images passed over: 1, each named in {out / 'problems.txt'}" in capsys.readouterr().err.replace("\n", " ")
    assert "2.png" in (out / "problems.txt").read_text()
    assert main(["evaluate", str(out), "--data", str(mine), "--out", str(tmp_path)]) == 0
    assert "5 images, 1 passed over" in capsys.readouterr().err


def test_a_folder_needs_the_size_of_an_object(fails: Callable[..., str], folder: Path) -> None:
    assert "--model.object_size 20" in fails("train", "mist-classify", "--data", str(folder))


def test_bad_rows_are_told_before_any_training(fails: Callable[..., str], tmp_path: Path) -> None:
    (tmp_path / "metadata.csv").write_text("file_name,labels\nnot_there.png,3\n")
    out = tmp_path / "run"
    told = fails("train", "mist-classify", "--data", str(tmp_path), "--out", str(out), "--model.object_size", "20")
    assert "line 2: there is no file not_there.png" in told
    assert not out.exists()


def test_runs_are_numbered(
    tiny_recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fails: Callable[..., str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs" / "tiny-4").mkdir(parents=True)
    assert main(["train", str(tiny_recipe), "--run.steps", "1"]) == 0
    assert (tmp_path / "runs" / "tiny-5" / "model.safetensors").is_file()
    assert "holds a run already" in fails("train", str(tiny_recipe), "--out", "runs/tiny-5")


def test_a_finished_run_resumes_to_itself(scenes_run: Path) -> None:
    before = (scenes_run / "model.safetensors").read_bytes()
    assert main(["train", "--resume", "--out", str(scenes_run)]) == 0
    assert (scenes_run / "model.safetensors").read_bytes() == before


def test_a_resumed_run_keeps_its_settings(scenes_run: Path, tiny_recipe: Path, fails: Callable[..., str]) -> None:
    told = fails("train", str(tiny_recipe), "--resume", "--out", str(scenes_run), "--run.steps", "1")
    assert "run.steps is 2 there and 1 here" in told


def test_a_finished_run_goes_on_to_more_steps(tiny_recipe: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    assert main(["train", str(tiny_recipe), "--out", str(out)]) == 0
    weights = (out / "last.ckpt").read_bytes()
    assert main(["train", "--resume", "--out", str(out), "--run.steps", "4"]) == 0
    assert (out / "last.ckpt").read_bytes() != weights
    record = read_record(out)
    assert record is not None
    assert record.steps == read_recipe(out / "config.yaml").run.steps == 4
    assert [row["epoch"] for row in read_metrics(out)] == [0, 1, 2, 3]


def test_the_command_that_was_interrupted_resumes_when_it_is_given_again(tiny_recipe: Path, scenes_run: Path) -> None:
    assert main(["train", str(tiny_recipe), "--run.steps", "2", "--resume", "--out", str(scenes_run)]) == 0


def test_an_unknown_recipe_names_what_there_is(fails: Callable[..., str]) -> None:
    assert fails("train", "mist-classify-mnits").endswith("did you mean mist-classify-mnist?")


def test_an_unknown_setting_in_a_file_is_named(fails: Callable[..., str], tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("run: {step: 1}\n")
    told = fails("train", "mist-classify", "--config", str(tmp_path / "mine.yaml"))
    assert "mine.yaml: run has the unknown step" in told


@pytest.mark.parametrize("length", ["0m", "30", "half an hour", "-5m"])
def test_a_length_of_time_has_a_unit(fails: Callable[..., str], length: str) -> None:
    assert "write 90s, 30m or 1h30m" in fails("train", "mist-classify", f"--max-time={length}")


def test_an_interrupt_says_how_to_go_on(tiny_recipe: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    command = [*COMMAND, "train", str(tiny_recipe), "--out", str(out), "--run.steps", "100000"]
    heard = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)  # what a shell runs behind it does not hear it
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, preexec_fn=heard)
    while not (out / "metrics.jsonl").exists() and process.poll() is None:
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=120)
    assert process.returncode == 130
    assert told.splitlines()[-1] == f"boxless: interrupted; go on with: boxless train --resume --out {out}"
    assert "Traceback" not in told


def test_two_processes_share_a_run_of_no_given_name_and_stop_together(tiny_recipe: Path, tmp_path: Path) -> None:
    command = [*COMMAND, "train", str(tiny_recipe), "--devices", "2", "--max-time", "1s"]
    told = subprocess.run(
        command, cwd=tmp_path, env=os.environ | {"OMP_NUM_THREADS": "1"}, capture_output=True, text=True
    )
    assert told.returncode == 0, told.stderr
    assert [path.name for path in (tmp_path / "runs").iterdir()] == ["tiny-1"]
    assert told.stderr.count("next: boxless evaluate") == 1
    assert "stopped in time at step 1 of 2" in told.stderr


def test_a_model_that_rebuilds_is_told_by_its_error_and_by_no_class(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = tmp_path / "rebuild.yaml"
    recipe.write_text(REBUILDING)
    out = tmp_path / "run"
    assert main(["train", str(recipe), "--out", str(out)]) == 0
    head = next(line for line in capsys.readouterr().out.splitlines() if "on validation images" in line)
    assert head.split()[3:] == ["RMSE", "IOU", "50", "%", "every", "count", "right"]
    assert main(["evaluate", str(out), "--images", "3"]) == 0
    printed = capsys.readouterr().out
    assert "RMSE of the images rebuilt" in printed
    assert "Classif." not in printed
    page = (out / "report.html").read_text()
    for told in ("3 images: rebuilt with an error", "loss/reconstruction", "loss/heatmap", "val/rmse", "synthesis"):
        assert told in page
    assert "val/classification" not in page


def test_a_run_and_a_folder_in_place_of_a_recipe_are_told_apart(
    scenes_run: Path, folder: Path, fails: Callable[..., str]
) -> None:
    assert f"boxless train --resume --out {scenes_run}" in fails("train", str(scenes_run))
    assert f"boxless train METHOD --data {folder}" in fails("train", str(folder))


def test_a_run_without_a_model_says_how_to_go_on(scenes_run: Path, tmp_path: Path, fails: Callable[..., str]) -> None:
    (tmp_path / "config.yaml").write_bytes((scenes_run / "config.yaml").read_bytes())
    assert f"boxless train --resume --out {tmp_path}" in fails("evaluate", str(tmp_path))


def test_the_help_names_the_methods_and_whose_settings_it_shows(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["train", "tusk", "--help"])
    told = " ".join(capsys.readouterr().out.split())
    assert "Methods: mist-classify, " in told
    assert "the settings of tusk" in told


def test_the_help_of_a_recipe_shows_its_values(capsys: pytest.CaptureFixture[str]) -> None:
    recipe = read_recipe("mist-reconstruct-mnist-easy")
    with pytest.raises(SystemExit):
        main(["train", "mist-reconstruct-mnist-easy", "--help"])
    told = " ".join(capsys.readouterr().out.split())
    assert f"default: {recipe.run.steps}" in told
    assert "default: 8,16,32,64,112" in told
    assert "default: mnist-easy" in told

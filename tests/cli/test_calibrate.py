"""``boxless calibrate``."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from PIL import Image

from boxless import load
from boxless.cli.main import main
from boxless.engine.calibration import calibrate
from boxless.engine.sources import known_images


def copied(run: Path, to: Path) -> Path:
    return Path(shutil.copytree(run, to / "run"))


def test_a_folder_gives_another_model_with_scores_measured_on_it(
    scenes_run: Path, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mine = tmp_path / "mine"
    before = load(scenes_run)
    assert main(["calibrate", str(scenes_run), "--data", str(folder), "--out", str(mine)]) == 0
    after, told = load(mine), capsys.readouterr().err
    images, _ = known_images(before, str(folder))
    found = calibrate(before, images, scores=True)
    assert after.calibrated_threshold == found.threshold
    assert torch.equal(after.peak_height, before.peak_height)
    assert not torch.equal(load(scenes_run).peak_height, after.peak_height)  # type: ignore[arg-type]
    assert f"a mean error of {found.error:.2f} objects, summed over the classes, on 6 images" in told
    assert f"boxless detect {mine} IMAGES --threshold auto" in told


def test_a_run_is_calibrated_in_place_on_what_it_was_validated_on(scenes_run: Path, tmp_path: Path) -> None:
    run = copied(scenes_run, tmp_path)
    model = load(run)
    assert main(["calibrate", str(run)]) == 0
    once = load(run)
    model.peak_height.mul_(20.0)
    model.calibrated_threshold = None
    model.save(run)
    assert main(["calibrate", str(run)]) == 0
    twice = load(run)
    assert float(twice.peak_height) == pytest.approx(float(once.peak_height))
    assert twice.calibrated_threshold == pytest.approx(once.calibrated_threshold)


def test_broken_images_are_named_and_passed_over(
    scenes_run: Path, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = Path(shutil.copytree(folder, tmp_path / "other"))
    (other / "3.png").write_bytes((other / "3.png").read_bytes()[:40])
    assert main(["calibrate", str(scenes_run), "--data", str(other), "--out", str(tmp_path / "mine")]) == 0
    told = capsys.readouterr().err
    assert "on 5 images" in told
    assert [line for line in told.splitlines() if "3.png" in line]


def test_what_cannot_be_is_said_and_nothing_written(
    scenes_run: Path, folder: Path, tmp_path: Path, fails: Callable[..., str]
) -> None:
    assert "by --out" in fails("calibrate", "mist-classify-mnist", "--data", str(folder))
    assert "no shipped model of that name" in fails("calibrate", "mist-clasify-mnist", "--data", str(folder))
    model = tmp_path / "saved"
    load(scenes_run).save(model)
    assert "--data FOLDER" in fails("calibrate", str(model))
    assert "holds a model already" in fails("calibrate", str(scenes_run), "--out", str(model))
    empty = tmp_path / "empty"
    empty.mkdir()
    Image.new("L", (30, 30)).save(empty / "a.png")
    assert fails("calibrate", str(scenes_run), "--data", str(empty), "--out", str(tmp_path / "mine"))
    assert not (tmp_path / "mine").exists()

"""``boxless demo``, with a training of two steps in place of minutes."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from boxless import load
from boxless.cli import demo
from boxless.cli.main import main


@pytest.fixture
def quick(tiny_recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(demo, "RECIPE", str(tiny_recipe))
    monkeypatch.setattr(demo, "SCENES", 10)


@pytest.mark.usefixtures("quick")
def test_it_leaves_a_model_a_report_a_picture_and_what_was_found(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["demo"]) == 0
    run = tmp_path / "runs" / "demo"
    assert "IOU 50 %" in capsys.readouterr().out
    assert "scene 0" in (run / "report.html").read_text()
    with Image.open(run / "picture.png") as picture:
        assert picture.size == (4 * 320 + 5 * 8, 2 * 320 + 3 * 8)
    document = json.loads((run / "found.json").read_text())
    assert len(document["images"]) == 8
    found = load(run).detect([run / image["file_name"] for image in document["images"]])
    assert [one["score"] for one in document["annotations"]] == pytest.approx(
        [score for one in found for score in one.scores.tolist()], abs=1e-6
    )


@pytest.mark.usefixtures("quick")
def test_a_demo_that_is_stopped_in_time_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["demo"]) == 0
    assert "stopped in time" not in capsys.readouterr().err
    monkeypatch.setattr(demo, "MOST_SECONDS", 0.0)
    assert main(["demo"]) == 0
    told = capsys.readouterr().err
    assert "stopped in time at step 1 of 2, so it knows less than it could" in told
    assert "go on: boxless train --resume --out runs/demo-2" in told


@pytest.mark.usefixtures("quick")
def test_an_interrupted_demo_goes_on_and_a_finished_one_is_kept(fails: Callable[..., str], tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    (runs / "demo").mkdir(parents=True)
    (runs / "demo" / "config.yaml").write_text("")
    assert demo._directory(None) == (Path("runs/demo"), True)
    (runs / "demo" / "report.html").write_text("")
    assert demo._directory(None) == (Path("runs/demo-2"), False)
    assert "holds a run already" in fails("demo", "--out", "runs/demo")

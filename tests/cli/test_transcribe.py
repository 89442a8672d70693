"""``boxless transcribe``."""

import csv
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from PIL import Image

from boxless import load
from boxless.cli.main import main
from boxless.data.glyphs import load_glyphs
from boxless.methods.mcmil.config import McmilConfig
from boxless.methods.mcmil.model import McmilDetector

LINES = ("3031", "774")


@pytest.fixture(scope="module")
def lines(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Digits in a line on a wider canvas, one image a number, the last line written steeply from the top down."""
    root = tmp_path_factory.mktemp("lines")
    glyphs = load_glyphs("digits", "train")
    for index, text in enumerate(LINES):
        tiles = [glyphs.images[glyphs.labels == int(digit)][number] for number, digit in enumerate(text)]
        Image.fromarray(torch.cat(tiles, dim=1 - index).numpy()).save(root / f"{index}.png")
    return root


def test_what_images_say_is_printed_as_it_stands_there(lines: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["transcribe", "mcmil-mnist", str(lines)]) == 0
    rows = [line.split() for line in capsys.readouterr().out.splitlines() if ".png" in line]
    assert rows == [[str(lines / f"{index}.png"), text] for index, text in enumerate(LINES)]


def test_a_table_of_it_has_the_columns_to_train_from(
    lines: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "notes.png").write_text("no image")
    out = tmp_path / "read.csv"
    assert main(["transcribe", "mcmil-mnist", str(lines), str(tmp_path / "notes.png"), "--out", str(out)]) == 0
    with out.open(newline="") as file:
        rows = list(csv.reader(file))
    assert rows == [["file_name", "labels"], *([str(lines / f"{n}.png"), " ".join(t)] for n, t in enumerate(LINES))]
    told = capsys.readouterr().err
    assert f"passed over: {tmp_path / 'notes.png'}" in told
    assert "1 of 3 images could not be read" in told


def test_nothing_but_broken_images_is_a_failure_and_writes_nothing(tmp_path: Path) -> None:
    (tmp_path / "notes.png").write_text("no image")
    out = tmp_path / "read.csv"
    assert main(["transcribe", "mcmil-mnist", str(tmp_path), "--out", str(out)]) == 1
    assert not out.exists()


def test_words_are_apart_and_blanks_in_a_name_are_underscores_in_the_table(
    lines: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    McmilDetector(McmilConfig(class_names=("stop sign", "go"))).save(tmp_path / "signs")
    monkeypatch.setattr(McmilDetector, "transcribe", lambda self, images: [(0, 1, 0)] * len(images))
    assert main(["transcribe", str(tmp_path / "signs"), str(lines / "0.png")]) == 0
    assert "stop sign go stop sign" in capsys.readouterr().out
    out = tmp_path / "read.csv"
    assert main(["transcribe", str(tmp_path / "signs"), str(lines / "0.png"), "--out", str(out)]) == 0
    assert out.read_text().splitlines()[1] == f"{lines / '0.png'},stop_sign go stop_sign"


def test_a_model_that_reads_nothing_is_refused(scenes_run: Path, lines: Path, fails: Callable[..., str]) -> None:
    assert "A model of mist-classify finds things" in fails("transcribe", str(scenes_run), str(lines))


def test_another_format_is_refused_before_reading(
    lines: Path, fails: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("boxless.models.load", None)
    told = fails("transcribe", "mcmil-mnist", str(lines), "--out", "read.json")
    assert "What images say is written as a table: end read.json in .csv." in told


def test_the_command_reads_what_python_does(lines: Path) -> None:
    detector = load("mcmil-mnist")
    assert detector.transcribe([lines / "0.png"]) == [tuple(map(int, LINES[0]))]

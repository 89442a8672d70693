"""``boxless export``."""

from pathlib import Path

import pytest

from boxless.cli.main import main

onnx = pytest.importorskip("onnx")


def test_a_run_becomes_a_file_and_what_goes_in_and_out_is_told(
    scenes_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "deep" / "mine.onnx"
    assert main(["export", str(scenes_run), "--height", "40", "--width", "60", "--out", str(out)]) == 0
    told = capsys.readouterr()
    assert told.out == ""
    assert f"{out}: images (1, 1, 40, 60) to keep, centers, sizes, scores, labels" in told.err
    onnx.checker.check_model(onnx.load(out))


def test_without_a_size_it_is_that_of_the_images_learned_from(
    scenes_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["export", str(scenes_run), "--out", str(tmp_path / "mine.onnx")]) == 0
    assert "images (1, 1, 80, 80) to keep" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["--height", "40"], "Give both --height and --width"),
        ([], "that mcmil-mnist learned from differs; give --height and --width"),
    ],
)
def test_a_size_that_is_not_known_has_to_be_given(
    given: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["export", "mcmil-mnist", *given]) == 2
    assert message in capsys.readouterr().err


def test_a_model_that_is_not_there_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["export", "nothing", "--height", "40", "--width", "60"]) == 2
    assert "There is no folder nothing" in capsys.readouterr().err

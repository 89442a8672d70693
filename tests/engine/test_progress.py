"""What a training says while it runs."""

import re
from pathlib import Path

import pytest

from boxless.engine.records import read_metrics
from boxless.engine.run import train
from tests.engine.tiny import tiny_recipe


def test_a_line_an_epoch_shows_the_losses_of_that_epoch(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    train(tiny_recipe(), tmp_path)
    lines = re.findall(
        r"step (\d) of 6: .*; losses: classification (\S+), reconstruction (\S+),", capsys.readouterr().err
    )
    assert [int(step) for step, *_ in lines] == [2, 4, 6]
    for (_, *shown), row in zip(lines, read_metrics(tmp_path), strict=True):
        logged = [row["loss/classification"], row["loss/reconstruction"]]
        assert [float(value) for value in shown] == pytest.approx(logged, rel=1e-3)


def test_without_a_terminal_a_line_comes_now_and_then_within_an_epoch(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("boxless.engine.progress.LINE_EVERY", -1.0)
    train(tiny_recipe(), tmp_path)
    lines = re.findall(r"step (\d) of 6(:|;)", capsys.readouterr().err)
    within = [int(step) for step, end in lines if end == ";"]
    assert within == [1, 2, 3, 4, 5, 6]
    assert [int(step) for step, end in lines if end == ":"] == [2, 4, 6]

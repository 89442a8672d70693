"""Progress over images, where there is no terminal."""

import re
from pathlib import Path

import pytest

from boxless.data.folder import check_images, read_folder
from boxless.image_progress import ImageProgress
from tests.engine.tiny import pictures


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("boxless.image_progress.LINE_EVERY", -1.0)


@pytest.mark.parametrize(("total", "told"), [(3, " of 3"), (None, "")])
def test_a_line_tells_how_many_are_done(total: int | None, told: str, capsys: pytest.CaptureFixture[str]) -> None:
    with ImageProgress("writing", total) as writing:
        assert list(writing.over("abc")) == ["a", "b", "c"]
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 3
    assert re.fullmatch(rf"writing: 2{told} images, [\d,]+ images/s", lines[1])


@pytest.mark.parametrize("progress", [False, True])
def test_images_are_checked_in_sight(progress: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    checked, problems = check_images(read_folder(pictures(tmp_path)), progress)
    assert (len(checked.images), problems) == (4, [])
    assert ("checking: 4 of 4 images" in capsys.readouterr().err) == progress

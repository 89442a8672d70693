"""Public sets to folders, by the verb."""

from collections.abc import Callable
from pathlib import Path

import pytest

from boxless.cli.main import main
from boxless.cli.prepare import SETS
from boxless.data.folder import read_folder
from boxless.data.released import RELEASED
from tests.data.test_clevr import clevr, solid


def test_a_set_is_written_told_and_left_alone_the_second_time(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    clevr(tmp_path / "source", *[[solid(240, 160)]] * 8)
    words = ["prepare", "clevr", str(tmp_path / "source"), "--out", str(tmp_path / "out")]
    assert main(words) == 0
    told = capsys.readouterr().err
    assert f"{tmp_path / 'out' / 'train'}: 6 images" in told.replace("\n", " ")
    assert len(read_folder(tmp_path / "out" / "test").images) == 2
    assert main(words) == 0
    assert "is there already" in capsys.readouterr().err


def test_every_set_that_can_be_written_has_its_name_here() -> None:
    assert tuple(RELEASED) == SETS


def test_an_unknown_set_names_what_there_is(fails: Callable[..., str], tmp_path: Path) -> None:
    sentence = fails("prepare", "celebs", str(tmp_path))
    assert "celeba, cifar10, clevr" in sentence
    assert "did you mean celeba" in sentence


def test_a_set_that_is_not_there_says_where_it_is_had(fails: Callable[..., str], tmp_path: Path) -> None:
    sentence = fails("prepare", "voc-coco", str(tmp_path), "--out", str(tmp_path / "out"))
    assert "host.robots.ox.ac.uk" in sentence
    assert "cocodataset.org" in sentence
    assert not (tmp_path / "out").exists()

"""The command as a whole: help in no time, one sentence for what is wrong."""

import errno
import os
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from boxless.cli.main import VERBS, main

HELP = """
import sys
from boxless.cli.main import main
try:
    main(sys.argv[1:])
except SystemExit as stop:
    assert stop.code == 0
heavy = {"torch", "lightning", "matplotlib", "sklearn", "torchvision"} & sys.modules.keys()
assert not heavy, heavy
"""


@pytest.mark.parametrize("arguments", [["--help"], *([verb, "--help"] for verb in VERBS)], ids=" ".join)
def test_help_takes_less_than_a_second_of_computing_and_no_torch(arguments: list[str]) -> None:
    """Computing, not waiting: the machine may be busy."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    told = subprocess.run([sys.executable, "-c", HELP, *arguments], check=True, capture_output=True, text=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 1.0
    assert "usage: boxless" in told.stdout


def test_help_names_each_verb(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    told = capsys.readouterr().out
    assert all(f"\n  {verb} " in told for verb in VERBS)


def test_an_unknown_verb_names_the_closest(fails: Callable[..., str]) -> None:
    assert fails("detct", "x.png").endswith("did you mean detect?")


def test_an_unknown_option_names_the_closest(fails: Callable[..., str]) -> None:
    told = fails("train", "mist-classify", "--run.stesp", "3")
    assert told == "boxless: There is no option --run.stesp; did you mean --run.steps?"


def test_a_value_of_another_type_is_named(fails: Callable[..., str]) -> None:
    assert "--run.steps does not take 'many'" in fails("train", "mist-classify", "--run.steps", "many")


def test_an_option_without_its_value_is_named(fails: Callable[..., str]) -> None:
    assert "--run.steps needs a value" in fails("train", "mist-classify", "--run.steps")


def test_a_file_that_may_not_be_written_is_one_sentence(fails: Callable[..., str], tmp_path: Path) -> None:
    (tmp_path / "in_the_way").write_text("")
    told = fails("train", "mist-classify-demo", "--out", str(tmp_path / "in_the_way" / "run"))
    assert "in_the_way" in told


def test_a_reader_who_leaves_early_is_no_error() -> None:
    """As `boxless reproduce ... | head` does."""
    read, write = os.pipe()
    os.close(read)
    command = [sys.executable, "-m", "boxless.cli.main", "--help"]
    told = subprocess.run(command, stdout=write, stderr=subprocess.PIPE, text=True)
    os.close(write)
    assert (told.returncode, told.stderr) == (141, "")


@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_a_full_disk_is_one_sentence(error: int, fails: Callable[..., str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Whose error may name no file, and no two libraries write alike."""

    def full(words: list[str]) -> int:
        raise OSError(error, os.strerror(error))

    monkeypatch.setattr("boxless.cli.main._run", full)
    assert (
        fails("train")
        == f"boxless: a file cannot be used ({os.strerror(error)}); check the name, the rights and the disk."
    )


def test_other_errors_of_the_system_are_none_of_the_users(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(words: list[str]) -> int:
        raise OSError(errno.EIO, "broken")

    monkeypatch.setattr("boxless.cli.main._run", broken)
    with pytest.raises(OSError, match="broken"):
        main(["train"])

import json
import shutil
import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from boxless.engine import records
from boxless.engine.records import (
    JsonLines,
    KeepRecord,
    Record,
    commit,
    curves,
    learning_curve,
    read_metrics,
    read_record,
)
from boxless.errors import BoxlessError


def written(run: Path, *rows: dict[str, float] | str) -> Path:
    lines = [row if isinstance(row, str) else json.dumps(row) for row in rows]
    (run / "metrics.jsonl").write_text("\n".join(lines) + "\n")
    return run


def test_lines_of_an_epoch_are_joined_in_the_order_of_the_epochs(tmp_path: Path) -> None:
    logger = JsonLines(tmp_path, 0)
    logger.log_metrics({"loss": 0.5, "epoch": 0})
    logger.log_metrics({"val/score": 0.1, "epoch": 0})
    logger.log_metrics({"loss": 0.25, "epoch": 1})
    assert read_metrics(tmp_path) == [{"loss": 0.5, "val/score": 0.1, "epoch": 0}, {"loss": 0.25, "epoch": 1}]


def test_a_run_without_metrics_has_none(tmp_path: Path) -> None:
    assert read_metrics(tmp_path) == []
    assert curves(tmp_path, 1) == {}


def test_a_line_that_a_kill_cut_off_is_left_out(tmp_path: Path) -> None:
    run = written(tmp_path, {"loss": 1.0, "epoch": 0}, "[1]", '{"loss": 0.')
    assert read_metrics(run) == [{"loss": 1.0, "epoch": 0}]


def test_the_learning_curve_is_what_each_epoch_measured(tmp_path: Path) -> None:
    first, last = {"loss": 1.0, "val/both": 0.5, "epoch": 0}, {"val/both": 0.75, "val/rmse": 0.1, "epoch": 1}
    run = written(tmp_path, first, last, {"loss": 0.5, "epoch": 2})
    assert learning_curve(run, 50, 30) == [{"step": 30, "both": 0.5}, {"step": 50, "both": 0.75, "rmse": 0.1}]


def test_a_resume_drops_what_will_be_trained_again_and_mends_the_file(tmp_path: Path) -> None:
    run = written(tmp_path, {"loss": 1.0, "epoch": 0}, {"val": 2.0, "epoch": 0}, {"loss": 3.0, "epoch": 1}, '{"lo')
    JsonLines(run, 1).log_metrics({"loss": 4.0, "epoch": 1})
    assert read_metrics(run) == [{"loss": 1.0, "val": 2.0, "epoch": 0}, {"loss": 4.0, "epoch": 1}]
    assert len((run / "metrics.jsonl").read_text().splitlines()) == 2


def test_curves_run_over_the_steps_by_the_end_of_each_epoch(tmp_path: Path) -> None:
    run = written(tmp_path, {"loss": 3.0, "epoch": 0, "step": 9}, {"loss": 2.0, "val": 0.5, "epoch": 1, "step": 19})
    assert curves(run, 10) == {"loss": ([10, 20], [3.0, 2.0]), "val": ([20], [0.5])}


class _Module:
    steps_done = 12


class _Trainer:
    is_global_zero = True


def after(callback: KeepRecord, epochs: list[float], clock: list[float]) -> None:
    """The callback through a training that starts now, whose epochs take so many seconds."""
    trainer: Any = _Trainer()
    callback.on_train_start(trainer, _Module())  # type: ignore[arg-type]
    for seconds in epochs:
        clock[0] += seconds
        callback.on_train_epoch_end(trainer, _Module())


def test_seconds_add_up_over_a_resume_without_the_time_between(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [100.0]
    monkeypatch.setattr(records, "time", SimpleNamespace(monotonic=lambda: clock[0]))
    first = KeepRecord(tmp_path)
    after(first, [2.0, 3.5], clock)
    state = first.state_dict()
    clock[0] += 1000.0
    second = KeepRecord(tmp_path)
    second.load_state_dict(state)
    after(second, [4.0], clock)
    record = read_record(tmp_path)
    assert record is not None
    assert (record.seconds, record.steps) == (9.5, 12)
    assert record.machine.endswith(records.machine())


def test_a_resumed_run_names_every_commit_that_trained_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    state: dict[str, Any] = {"seconds": 0.0, "commits": []}
    for named in ("a1", "a1", "b2+", ""):
        monkeypatch.setattr(records, "commit", lambda named=named: named)
        part = KeepRecord(tmp_path)
        part.load_state_dict(state)
        after(part, [1.0], [0.0])
        state = part.state_dict()
    record = read_record(tmp_path)
    assert record is not None
    assert record.commit == "a1, b2+"


def test_a_run_without_a_record_has_none(tmp_path: Path) -> None:
    assert read_record(tmp_path) is None


@pytest.mark.parametrize(
    ("text", "message"),
    [("{", "is no JSON"), ("[1]", "where names and values"), ('{"commit": "a"}', "lacks"), ("\x00", "is no JSON")],
)
def test_a_broken_record_is_named(text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "record.json").write_text(text)
    with pytest.raises(BoxlessError, match=message):
        read_record(tmp_path)


def test_a_record_is_read_as_it_was_written(tmp_path: Path) -> None:
    (tmp_path / "record.json").write_text(json.dumps({"commit": "abc+", "machine": "m", "seconds": 1.5, "steps": 3}))
    assert read_record(tmp_path) == Record("abc+", "m", 1.5, 3)


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout in which the package's module would lie; not yet a repository."""
    home = tmp_path / "checkout" / "src" / "boxless" / "engine"
    home.mkdir(parents=True)
    monkeypatch.setattr(records, "__file__", str(home / "records.py"))
    return tmp_path / "checkout"


def git(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false"]
    done = subprocess.run(["git", *identity, *arguments], cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout.strip()


@pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
def test_the_commit_is_that_of_the_checkout_with_a_plus_for_changed_files(package: Path) -> None:
    git(package, "init", "--quiet")
    (package / "results").mkdir()
    for name in ("file", "results/one.json", "README.md"):
        (package / name).write_text("1")
        git(package, "add", name)
    git(package, "commit", "--quiet", "-m", "one")
    git(package, "tag", "v1")
    assert git(package, "rev-parse", "HEAD").startswith(commit())
    assert len(commit()) >= 7
    for name in ("results/one.json", "README.md"):  # as recording changes them
        (package / name).write_text("2")
    assert git(package, "rev-parse", "HEAD").startswith(commit())
    (package / "file").write_text("2")
    assert commit().endswith("+")


@pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
def test_a_package_installed_within_another_repository_has_no_commit(package: Path) -> None:
    git(package.parent, "init", "--quiet")
    (package.parent / "file").write_text("1")
    git(package.parent, "add", "file")
    git(package.parent, "commit", "--quiet", "-m", "of somebody else")
    assert commit() == ""


def test_without_git_there_is_no_commit(package: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (package / ".git").mkdir()
    monkeypatch.setenv("PATH", "")
    assert commit() == ""


def test_a_curve_counts_the_steps_that_were_logged(tmp_path: Path) -> None:
    rows = [{"epoch": 0, "steps": 4.0, "loss": 3.0}, {"epoch": 1, "steps": 10.0, "loss": 2.0}]
    (tmp_path / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert curves(tmp_path, 10) == {"loss": ([4.0, 10.0], [3.0, 2.0])}


def test_lines_of_another_hand_are_left_out(tmp_path: Path) -> None:
    run = written(tmp_path, {"loss": 1.0, "epoch": 0}, '{"epoch": []}', '{"epoch": "1"}', "null")
    with (run / "metrics.jsonl").open("ab") as file:
        file.write(b"\xff\xfe\n")
    assert read_metrics(run) == [{"loss": 1.0, "epoch": 0}]

"""``boxless reproduce``."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from boxless import evaluate
from boxless.cli import reproduce
from boxless.cli.main import main
from boxless.engine.recipe import read_recipe
from boxless.engine.records import read_record
from boxless.engine.results import Result, Terms, read_result, results_directory, write_result
from boxless.engine.tables import TABLES, Experiment, Row, Table
from boxless.report.results import BEGIN, END, with_tables

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture
def tiny_table(tiny_recipe: Path, monkeypatch: pytest.MonkeyPatch) -> Table:
    """A table of one row of ours, which takes seconds, and one of the paper's alone."""
    ours = Row("ours", "three digits", "MIST", Experiment("tiny", str(tiny_recipe), images=8), (0.5, 0.9), (0.99, 0.99))
    measures = {"localization": "IOU 50 %", "both": "Both"}
    table = Table("tiny-table", "A tiny table", measures, (ours, Row("theirs", "three", "other", None, (0.2, 0.1))))
    monkeypatch.setattr(reproduce, "TABLES", {table.name: table})
    return table


def result_of(name: str, **metrics: float) -> Result:
    recipe = read_recipe("mist-classify-mnist")
    return Result(name, "mist-classify-mnist", recipe, "0a1b2c", "a machine", 600.0, 20, 3, Terms(8, 0), metrics)


def test_a_recorded_result_stands_beside_the_paper_and_the_goal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    metrics = {"localization": 0.9961, "classification": 0.9912, "both": 0.98}
    write_result(tmp_path, result_of("mist-classify-mnist", **metrics))
    assert main(["reproduce", "mist-table2", "--results", str(tmp_path), "--rows", "mnist-hard,mnist-hard-xie20"]) == 0
    captured = capsys.readouterr()
    ours, theirs = [" ".join(line.split()) for line in captured.out.splitlines() if "mnist-hard" in line]
    assert ours == "mnist-hard MIST 99.61 / 99.12 / 98.00 97.8 / 98.8 / 97.5 99.5 / 99.0 / 98.6 paper"
    assert theirs == "mnist-hard Xie20 - 72.7 / 93.1 / 71.3 - -"
    assert "20 steps in 10 min, seed 3, commit 0a1b2c, on a machine" in captured.err


def test_a_row_is_trained_tested_and_recorded(
    tiny_table: Table, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["reproduce", "tiny-table", "--train", "--results", "records"]) == 0
    recorded = read_result(tmp_path / "records", "tiny")
    run = tmp_path / "runs" / "reproduce" / "tiny"
    recipe, record = read_recipe(run / "config.yaml"), read_record(run)
    assert recorded is not None
    assert record is not None
    assert recorded.recipe == recipe
    assert (recorded.commit, recorded.seconds, recorded.steps) == (record.commit, record.seconds, 2)
    assert recorded.metrics == evaluate(run, recipe.data, images=8).metrics()


def test_a_run_that_exists_is_recorded_without_training(
    tiny_table: Table, scenes_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    arguments = ["--rows", "ours", "--record", str(scenes_run), "--results", str(tmp_path)]
    assert main(["reproduce", "tiny-table", *arguments]) == 0
    assert json.loads((tmp_path / "tiny.json").read_text())["evaluation"] == {"images": 8, "seed": 0, "k": None}
    assert not (tmp_path / "runs").exists()


def test_a_run_to_record_needs_its_row(tiny_table: Table, scenes_run: Path, fails: Callable[..., str]) -> None:
    assert "--rows" in fails("reproduce", "tiny-table", "--record", str(scenes_run))


def test_another_recipe_in_the_way_is_not_trained_over(
    tiny_table: Table, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fails: Callable[..., str]
) -> None:
    monkeypatch.chdir(tmp_path)
    run = tmp_path / "runs" / "reproduce" / "tiny"
    run.mkdir(parents=True)
    (run / "config.yaml").write_text("method: mist-classify\n")
    assert "holds a run by another recipe" in fails("reproduce", "tiny-table", "--train", "--results", str(tmp_path))


def test_an_unknown_table_and_an_unknown_row_are_named(fails: Callable[..., str]) -> None:
    assert fails("reproduce", "mist-tabel2").endswith("did you mean mist-table2?")
    assert "has no row mnist-4; its rows are mnist-hard" in fails("reproduce", "mist-table2", "--rows", "mnist-4")


def test_outside_of_a_checkout_the_records_are_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fails: Callable[..., str]
) -> None:
    monkeypatch.setattr("boxless.engine.results.CHECKOUT", tmp_path)
    assert "by --results" in fails("reproduce", "mist-table2")


def test_a_broken_record_is_named(tmp_path: Path, fails: Callable[..., str]) -> None:
    (tmp_path / "mist-classify-mnist.json").write_text('{"name": "x"}')
    assert "mist-classify-mnist.json is no result" in fails("reproduce", "mist-table2", "--results", str(tmp_path))


def test_a_measure_of_nothing_survives_the_file(tmp_path: Path) -> None:
    write_result(tmp_path, result_of("x", both=float("nan"), f1=0.5))
    assert json.loads((tmp_path / "x.json").read_text())["metrics"] == {"both": None, "f1": 0.5}
    again = read_result(tmp_path, "x")
    assert again is not None
    assert again.metrics["both"] != again.metrics["both"]
    assert replace(again, metrics={}) == replace(result_of("x"), metrics={})


def test_the_readme_gets_the_tables_between_its_markers(tmp_path: Path) -> None:
    readme = tmp_path / "README.md"
    readme.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n")
    write_result(tmp_path, result_of("mist-classify-mnist", localization=0.9, classification=0.8, both=0.7))
    assert main(["reproduce", "--readme", str(readme), "--results", str(tmp_path)]) == 0
    text = readme.read_text()
    assert text.startswith(f"before\n{BEGIN}\n**")
    assert text.endswith(f"{END}\nafter\n")
    assert "old" not in text.splitlines()
    row = "| mnist-hard | MIST | 90.00 / 80.00 / 70.00 | 97.8 / 98.8 / 97.5 | 99.5 / 99.0 / 98.6 | not yet |"
    assert row in text.splitlines()


def test_a_text_without_markers_is_left_alone(tmp_path: Path, fails: Callable[..., str]) -> None:
    (tmp_path / "README.md").write_text("no place\n")
    assert "lacks the markers" in fails("reproduce", "--readme", str(tmp_path / "README.md"))
    assert (tmp_path / "README.md").read_text() == "no place\n"


def test_the_readme_of_the_repository_shows_what_is_recorded() -> None:
    """`make results` brings it up to date."""
    tables = [(table, table.rows, reproduce._results(table.rows, results_directory())) for table in TABLES.values()]
    text = (REPOSITORY / "README.md").read_text()
    assert with_tables(text, tables, "README.md") == text


def test_each_experiment_has_its_recipe() -> None:
    for table in TABLES.values():
        for row in table.rows:
            if row.experiment is not None:
                assert reproduce.recipe_of(row.experiment).data.folder is None

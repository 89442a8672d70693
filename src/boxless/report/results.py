"""Recorded results beside the papers' numbers: as rows of a table on the terminal, and as Markdown."""

import math
from collections.abc import Sequence
from dataclasses import asdict, fields
from typing import Any

from boxless.engine.experiments import Row, Table, recipe_of
from boxless.engine.results import Result
from boxless.errors import BoxlessError
from boxless.methods.registry import settings_types

NOTHING = "-"
BEGIN, END = "<!-- results -->", "<!-- /results -->"
COLUMNS = ("data", "method", "ours", "paper", "goal", "reached")
LEFT = 2  # columns of text in front

Parts = Sequence[tuple[Table, Sequence[Row], Sequence[Result | None]]]


def rows_of(table: Table, rows: Sequence[Row], results: Sequence[Result | None]) -> list[list[str]]:
    """Cells of each row; a dash where we have nothing yet, or the paper has nothing."""
    return [_cells(table, row, result) for row, result in zip(rows, results, strict=True)]


def makings_of(rows: Sequence[Row], results: Sequence[Result | None]) -> list[str]:
    """How each result was made, a line each; rows of one result share it."""
    made = (
        f"{one.name}: {one.steps:,} steps in {one.seconds / 60:.0f} min, seed {one.seed}, "
        f"commit {one.commit or 'not known'}{_tested_by(one)}, on {one.machine}{_since(row, one)}"
        for row, one in zip(rows, results, strict=True)
        if one is not None
    )
    return list(dict.fromkeys(made))


def _since(row: Row, result: Result) -> str:
    """What the recipe has that the recorded training had not; what is not given has its default."""
    assert row.experiment is not None
    then, now = asdict(result.recipe), asdict(recipe_of(row.experiment))
    model, training = ({one.name: one.default for one in fields(kind)} for kind in settings_types(now["method"]))
    defaults: dict[str, dict[str, Any]] = {"data": {}, "model": model, "training": training, "run": {}}
    changed = [
        f"{section}.{name} {now[section].get(name, 'its default')}"
        for section, usual in defaults.items()
        for name in dict.fromkeys([*then[section], *now[section]])
        if then[section].get(name, usual.get(name)) != now[section].get(name, usual.get(name))
    ]
    return f"; the recipe has changed since: {', '.join(changed)}" if changed else ""


def _tested_by(one: Result) -> str:
    tested = one.evaluation.commit
    return "" if tested == one.commit.split(", ")[-1] else f" (tested by {tested or 'not known'})"


def title_of(table: Table) -> str:
    """What the table shows, and what its numbers are."""
    unit = (
        ", in percent" if not table.plain else ", shares in percent" if len(table.plain) < len(table.measures) else ""
    )
    return f"{table.title} ({' / '.join(table.measures.values())}{unit})"


def with_tables(text: str, parts: Parts, where: str) -> str:
    """A Markdown text with the tables between its markers.

    Raises:
        BoxlessError: ``where`` the text comes from, the markers are missing.
    """
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise BoxlessError(f"{where} lacks the markers {BEGIN} and {END}; put them around the place of the tables.")
    return f"{before}{BEGIN}\n{_markdown(parts)}{END}{after}"


def _cells(table: Table, row: Row, result: Result | None) -> list[str]:
    names = [row.without_learning + name for name in table.measures]
    ours = None if result is None else [result.metrics.get(name, math.nan) for name in names]
    return [
        row.data,
        row.method,
        _shown(table, ours, digits=2),
        _shown(table, row.paper),
        _shown(table, row.goal),
        NOTHING if ours is None else _reached(table, ours, row),
    ]


def _shown(table: Table, values: Sequence[float] | None, digits: int = 1) -> str:
    """ "97.8 / 98.8 / 97.5" of shares, "0.37" of a share of errors, "0.0530" of another error."""
    if values is None:
        return NOTHING
    return " / ".join(_number(table, name, value, digits) for name, value in zip(table.measures, values, strict=False))


def _number(table: Table, name: str, value: float, digits: int) -> str:
    if not math.isfinite(value):
        return NOTHING
    if name in table.plain:
        return f"{value:.{digits + 2}f}"
    return f"{100 * value:.{2 if name in table.errors else digits}f}"


def _reached(table: Table, ours: Sequence[float], row: Row) -> str:
    """What ours is at least (an error: at most), in every measure that has a mark."""
    signs = [-1 if error else 1 for error in _errors(table)]
    for name, marks in (("goal", row.goal), ("paper", row.paper)):
        if marks is not None and all(
            sign * value >= sign * mark for sign, value, mark in zip(signs, ours, marks, strict=False)
        ):
            return name
    return NOTHING if row.goal is None and row.paper is None else "not yet"


def _errors(table: Table) -> list[bool]:
    return [name in table.errors for name in table.measures]


def _markdown(parts: Parts) -> str:
    lines = []
    for table, rows, results in parts:
        lines += [
            f"**{title_of(table)}**",
            "",
            _line(COLUMNS),
            _line(["---"] * LEFT + ["---:"] * (len(COLUMNS) - LEFT)),
        ]
        lines += [*map(_line, rows_of(table, rows, results)), ""]
    made = dict.fromkeys(line for _, rows, results in parts for line in makings_of(rows, results))
    return "\n".join([*lines, *(f"* {line}" for line in made), ""])


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"

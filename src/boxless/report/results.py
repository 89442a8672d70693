"""Recorded results beside the papers' numbers: as rows of a table on the terminal, and as Markdown."""

import math
from collections.abc import Sequence

from boxless.engine.results import Result
from boxless.engine.tables import Row, Table
from boxless.errors import BoxlessError

NOTHING = "-"
BEGIN, END = "<!-- results -->", "<!-- /results -->"
COLUMNS = ("data", "method", "ours", "paper", "goal", "reached")
LEFT = 2  # columns of text in front

Parts = Sequence[tuple[Table, Sequence[Row], Sequence[Result | None]]]


def rows_of(table: Table, rows: Sequence[Row], results: Sequence[Result | None]) -> list[list[str]]:
    """Cells of each row; a dash where we have nothing yet, or the paper has nothing."""
    return [_cells(table, row, result) for row, result in zip(rows, results, strict=True)]


def makings_of(results: Sequence[Result | None]) -> list[str]:
    """How each result was made, a line each."""
    return [
        f"{one.name}: {one.steps:,} steps in {one.seconds / 60:.0f} min, seed {one.seed}, "
        f"commit {one.commit[:12] or 'not known'}, on {one.machine}"
        for one in results
        if one is not None
    ]


def title_of(table: Table) -> str:
    """What the table shows, and what its numbers are."""
    return f"{table.title} ({' / '.join(table.measures.values())}{', in percent' if table.percent else ''})"


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
    ours = None if result is None else [result.metrics.get(name, math.nan) for name in table.measures]
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
    factor = 100 if table.percent else 1
    digits = 2 if table.percent and table.errors else digits if table.percent else digits + 2
    return " / ".join(f"{factor * value:.{digits}f}" if math.isfinite(value) else NOTHING for value in values)


def _reached(table: Table, ours: Sequence[float], row: Row) -> str:
    """What ours is at least (of errors: at most), in every measure that has a mark."""
    sign = -1 if table.errors else 1
    for name, marks in (("goal", row.goal), ("paper", row.paper)):
        if marks is not None and all(sign * value >= sign * mark for value, mark in zip(ours, marks, strict=False)):
            return name
    return NOTHING if row.goal is None and row.paper is None else "not yet"


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
    made = dict.fromkeys(line for _, _, results in parts for line in makings_of(results))
    return "\n".join([*lines, *(f"* {line}" for line in made), ""])


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"

"""What the verbs say: results on stdout, remarks on stderr. Rich is imported when there is a table to print."""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from boxless.report.contents import MetricRow

# Where no terminal says how wide it is, nothing is cut off.
WIDE = 200
# Longer tables are for files.
MOST_ROWS = 100


def remark(sentence: str) -> None:
    """A line on stderr."""
    print(sentence, file=sys.stderr)


def print_table(columns: Sequence[str], rows: Sequence[Sequence[str]], title: str = "", left: int = 1) -> None:
    """A table on stdout.

    Args:
        columns: their heads.
        rows: their cells.
        title: above it.
        left: so many columns hold text, those after them numbers.
    """
    from rich import box
    from rich.console import Console
    from rich.table import Table

    console = Console(highlight=False, markup=False, emoji=False)
    if not console.is_terminal:
        console = Console(highlight=False, markup=False, emoji=False, width=WIDE)
    table = Table(box=box.SIMPLE_HEAD, title=title or None, title_justify="left", pad_edge=False)
    for number, column in enumerate(columns):
        table.add_column(column, justify="left" if number < left else "right", overflow="fold")
    for row in rows:
        table.add_row(*row)
    console.print(table)


def print_metrics(rows: Sequence[MetricRow]) -> None:
    """The measures of an evaluation, beside the paper and the goal where there are any."""
    marks = [mark for mark in ("paper", "goal") if any(getattr(row, mark) is not None for row in rows)]
    cells = [
        [row.name, shown(row.ours, row.unit), *(shown(getattr(row, mark), row.unit) for mark in marks)] for row in rows
    ]
    print_table(["measure", "ours", *marks], cells)


def shown(value: float | None, unit: str = "%") -> str:
    """ "97.8 %" of the share 0.978, "1.38 px", and a dash of nothing."""
    if value is None or not math.isfinite(value):
        return "-"
    return f"{100 * value:.2f} %" if unit == "%" else f"{value:.3g} {unit}".strip()

"""The sections of a report, each from its part of the contents to HTML; nothing where the part is missing."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from boxless.errors import BoxlessError
from boxless.metrics.counting import CountingScores
from boxless.metrics.offsets import OffsetStatistics
from boxless.report.contents import MetricRow, Report
from boxless.report.markup import (
    NOTHING,
    embedded_plot,
    fold,
    head,
    note,
    number,
    percent,
    section,
    significant,
    table,
    text,
)
from boxless.report.plots import Curve, plot_confusion, plot_curves, plot_offsets

# A folder of thousands of broken files must still give a page that opens.
MOST_PROBLEMS = 200
MOST_CONFUSIONS = 5
SPLITS = ("train", "val", "test")
COUNTS = {
    "right number of every class": "exact_multiset",
    "right number of objects": "exact_total",
    "right classes, numbers aside": "exact_set",
    "mean error of the number of objects": "total_error",
    "mean error of the number of a class": "class_error",
}
COUNTS_OF_ONE_CLASS = ("right number of objects", "mean error of the number of objects")


def scores(report: Report) -> str:
    """The table of measures, beside the paper and the goal where there are any."""
    if not report.metrics:
        return ""
    if isinstance(report.metrics, Mapping):
        plain = [[head(name), number(significant(value), "ours")] for name, value in report.metrics.items()]
        return section("Scores", table(["measure", "this run"], plain), half=True)
    marks = [mark for mark in ("paper", "goal") if any(getattr(row, mark) is not None for row in report.metrics)]
    rows = [
        [
            head(row.name),
            number(_ours(row), "ours"),
            *(number(_mark(row, getattr(row, mark), sign=mark == "goal")) for mark in marks),
            *([_comparison(row)] if marks else []),
        ]
        for row in report.metrics
    ]
    columns = ["measure", "this run", *marks, *(["reached"] if marks else [])]
    return section("Scores", table(columns, rows), half=True)


def counting(report: Report) -> str:
    """How well the objects are counted, as was asked and by the model's own threshold; each class behind a fold."""
    if report.counting is None:
        return ""
    columns = {"this run": report.counting}
    if report.counted is not None and report.threshold is not None:
        columns[f"score from {significant(report.threshold)}"] = report.counted
    counts = list(columns.values())
    several = len(report.counting.error_by_class) > 1
    rows = [
        [head(name), *(number(_counted(one, name), "ours") for one in counts)]
        for name in (COUNTS if several else COUNTS_OF_ONE_CLASS)
    ]
    names = _names(report, len(report.counting.error_by_class))
    errors = zip(*(one.error_by_class for one in counts), strict=True)
    by_class = [
        [head(name), *(number(significant(error)) for error in of_class)]
        for name, of_class in zip(names, errors, strict=True)
    ]
    return section(
        "Counting",
        note(f"Over {report.counting.images:,} images; places are not looked at."),
        table(["measure", *columns], rows),
        fold("Mean error by class", table(["class", *columns], by_class)) if several else "",
        half=True,
    )


def _counted(counts: CountingScores, name: str) -> str:
    value = getattr(counts, COUNTS[name])
    return significant(value) if COUNTS[name].endswith("error") else percent(value)


def confusion(report: Report) -> str:
    """The confusion matrix, and its most frequent confusions in words."""
    matrix = report.confusion
    if matrix is None:
        return ""
    names = _names(report, len(matrix) - 1)
    plot = embedded_plot(lambda dark: plot_confusion(matrix, names, dark), "Confusion matrix")
    return section(
        "Confusion",
        note(
            "Rows are what is there, columns what was predicted, matched by place alone. The last row holds predictions"
            " where nothing is, the last column what no prediction met. Colour: share of the row."
        ),
        f'<div class="scroll matrix">{plot}</div>',
        _most_confused(matrix, names),
        half=True,
    )


def offsets(report: Report) -> str:
    """Where predictions lie beside the truth: in words, as arrows, and as a table behind a fold."""
    found = report.offsets
    if found is None:
        return ""
    if found.pairs == 0:
        return section("Offsets", note("No prediction lies in a true box, so there is no offset."), half=True)
    names = _names(report, 1 + max(found.by_class, default=-1))
    rows = [("all", found), *((names[label], one) for label, one in sorted(found.by_class.items()))]
    plot = embedded_plot(lambda dark: plot_offsets(found, names, dark), "Offsets of predictions from the truth")
    columns = ["class", "pairs", "mean x", "mean y", "spread x", "spread y", "median distance"]
    return section(
        "Offsets",
        f"<p>Predictions lie ({_signed(found.mean[0])}, {_signed(found.mean[1])}) px beside the true centre on"
        f" average, half of them within {found.median_distance:.2f} px.</p>",
        note(
            "Arrow: mean of predicted minus true centre, x right, y down. Ellipse: one standard deviation. All cells"
            " have one scale, in pixels."
        ),
        f'<div class="plot">{plot}</div>',
        fold(
            "Numbers by class" if found.by_class else "Numbers",
            table(columns, [_offset_row(name, one) for name, one in rows]),
        ),
        half=True,
    )


def curves(report: Report) -> str:
    """Losses and scores over the steps of the training."""
    if not report.curves:
        return ""
    figures = []
    for title, lines in _panels(report.curves).items():
        plot = embedded_plot(lambda dark, lines=lines: plot_curves(lines, dark), title)  # type: ignore[misc]
        figures.append(f"<figure><h3>{text(title)}</h3>{plot}</figure>")
    return section(
        "Training",
        note("Line: mean of neighbouring steps; band: from their least to their highest value."),
        f'<div class="grid">{"".join(figures)}</div>',
    )


def settings(report: Report) -> str:
    """What one needs to do it again."""
    if not report.settings:
        return ""
    rows = [[head(name), f"<td>{text(value)}</td>"] for name, value in report.settings.items()]
    body = "".join(f"<tr>{''.join(row)}</tr>" for row in rows)
    return section(
        "Settings", f'<div class="scroll"><table class="wrap"><tbody>{body}</tbody></table></div>', half=True
    )


def problems(report: Report) -> str:
    """What was skipped, by name."""
    if not report.problems:
        return ""
    items = "".join(f"<li>{text(problem)}</li>" for problem in report.problems[:MOST_PROBLEMS])
    more = len(report.problems) - MOST_PROBLEMS
    return section(
        f"Problems ({len(report.problems):,})",
        f"<ul>{items}</ul>",
        note(f"and {more:,} more") if more > 0 else "",
        half=True,
    )


def _names(report: Report, classes: int) -> list[str]:
    if report.class_names is None:
        return [str(label) for label in range(classes)]
    if len(report.class_names) < classes:
        raise BoxlessError(
            f"the report has {len(report.class_names)} class names for {classes} classes; name them all."
        )
    return list(report.class_names[:classes])


def _ours(row: MetricRow) -> str:
    if row.unit == "%":
        return percent(row.ours, digits=2)
    return NOTHING if not math.isfinite(row.ours) else f"{significant(row.ours)} {row.unit}".strip()


def _mark(row: MetricRow, value: float | None, sign: bool) -> str:
    if value is None:
        return NOTHING
    relation = ("≤ " if row.lower_is_better else "≥ ") if sign else ""
    return f"{relation}{100 * value:.4g} %" if row.unit == "%" else f"{relation}{value:.4g} {row.unit}".strip()


def _comparison(row: MetricRow) -> str:
    """In words, for colour alone is no answer."""
    marks = [(name, mark) for name, mark in (("goal", row.goal), ("paper", row.paper)) if mark is not None]
    if not marks or not math.isfinite(row.ours):
        return "<td></td>"
    reached = next((name for name, mark in marks if row.reaches(mark)), None)
    if reached is not None:
        return f'<td class="number good">✓ {reached}</td>'
    return f'<td class="number bad">✗ {marks[-1][0]}</td>'


def _most_confused(matrix: NDArray[np.integer], names: Sequence[str]) -> str:
    """The largest counts between two different classes."""
    between = matrix[:-1, :-1] * (1 - np.eye(len(matrix) - 1, dtype=np.int64))
    largest = np.argsort(-between, axis=None, kind="stable")[:MOST_CONFUSIONS]
    pairs = [divmod(place, len(names)) for place in largest.tolist()]
    told = [
        f"{text(names[true])} taken for {text(names[predicted])} ({between[true, predicted]:,})"
        for true, predicted in pairs
        if between[true, predicted] > 0
    ]
    return f"<p>Most frequent: {'; '.join(told)}.</p>" if told else ""


def _offset_row(name: str, one: OffsetStatistics) -> list[str]:
    values = [*map(_signed, one.mean), *(f"{spread:.2f}" for spread in one.spread), f"{one.median_distance:.2f}"]
    return [head(name), number(f"{one.pairs:,}"), *map(number, values)]


def _signed(value: float) -> str:
    return f"{value:+.2f}".replace("-", "−")


def _panels(curves: Mapping[str, Curve]) -> dict[str, dict[str, Curve]]:
    """Curves that differ only in a leading split share a panel."""
    panels: dict[str, dict[str, Curve]] = {}
    for name, curve in curves.items():
        split, _, rest = name.partition("/")
        title = rest if split in SPLITS and rest else name
        panels.setdefault(title, {})[name] = curve
    return {title if len(lines) > 1 else next(iter(lines)): lines for title, lines in panels.items()}

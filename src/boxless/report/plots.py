"""Plots as SVG: losses over steps, the confusion matrix, and how far predictions lie from the truth.

Every function draws on a transparent ground, in ink for a light page or (``dark``) for a dark one, and leaves
Matplotlib's state as it was. Names are written as they are: a ``$`` begins no formula.
"""

import io
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from boxless.errors import BoxlessError
from boxless.metrics.offsets import OffsetStatistics
from boxless.report.colors import BLUE, BLUISH_GREEN, ORANGE, REDDISH_PURPLE, SKY_BLUE, VERMILLION, css
from boxless.report.lettering import one_line

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Curve = tuple[ArrayLike, ArrayLike]
"""Steps and values, equally many."""

# A line of more points is drawn as the mean of each bin, over the band from its least to its highest value.
BINS = 150
# Losses that span more than this are drawn on a logarithmic scale.
LOG_SPAN = 8.0
# More cells are drawn as one small raster: a vector each would make a slow page.
VECTOR_CLASSES = 30
# Cells of offsets, the one of all classes included.
CELLS = 24

LIGHT = {"ink": "#3d434b", "faint": "#d5d9de", "ground": "#ffffff", "accent": css(BLUE)}
DARK = {"ink": "#c3c9d1", "faint": "#3b4149", "ground": "#1b1e23", "accent": css(SKY_BLUE)}
LINES = (BLUE, VERMILLION, BLUISH_GREEN, REDDISH_PURPLE)
DARK_LINES = (SKY_BLUE, ORANGE, BLUISH_GREEN, REDDISH_PURPLE)


def plot_curves(curves: Mapping[str, Curve], dark: bool = False) -> bytes:
    """Values over steps, one line each; on a logarithmic scale where all are positive and span more than a factor of 8.

    Args:
        curves: name of a line -> (steps, values); values that are not finite are left out.
        dark: ink for a dark page.

    Raises:
        BoxlessError: steps and values of a line are not equally many.
    """

    def draw(figure: "Figure", ink: dict[str, str]) -> None:
        from matplotlib.ticker import LogLocator

        axes = figure.add_subplot()
        everything = np.concatenate([np.zeros(0), *(_finite(name, *curve)[1] for name, curve in curves.items())])
        if everything.size and 0 < everything.min() * LOG_SPAN < everything.max():
            axes.set_yscale("log")
            few_decades = everything.max() < 1000 * everything.min()
            axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0) if few_decades else (1.0,)))
            axes.yaxis.set_major_formatter("{x:g}")
            axes.yaxis.set_minor_formatter("")
        for (name, curve), color in zip(curves.items(), _line_colors(len(curves), dark), strict=True):
            steps, mean, least, highest = binned(*_finite(name, *curve))
            axes.fill_between(steps, least, highest, color=color, alpha=0.25, linewidth=0)
            axes.plot(steps, mean, color=color, linewidth=1.6, label=one_line(name))
            if len(steps) == 1:
                axes.plot(steps, mean, "o", color=color)
        axes.grid(color=ink["faint"], linewidth=0.6)
        axes.set_xlabel("step")
        if len(curves) > 1:
            axes.legend(frameon=False, labelcolor=ink["ink"])

    return svg_of((4.4, 2.5), draw, dark)


def plot_confusion(matrix: NDArray[np.integer], class_names: Sequence[str], dark: bool = False) -> bytes:
    """The confusion matrix with its counts; the colour of a cell is its share of the row.

    Args:
        matrix: (C + 1, C + 1) of ``metrics.confusion.confusion_matrix``: row = true class, then "no object"; column =
            predicted class, then "missed".
        class_names: C names.
        dark: ink for a dark page.

    Raises:
        BoxlessError: the matrix and the names do not fit.
    """
    classes = len(class_names)
    if matrix.shape != (classes + 1, classes + 1):
        raise BoxlessError(f"{classes} class names need a confusion matrix of {classes + 1} rows, not {matrix.shape}.")
    shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    names = [one_line(name, 14) for name in class_names]
    side = min(14.0, 1.5 + 0.36 * (classes + 1))

    def draw(figure: "Figure", ink: dict[str, str]) -> None:
        from matplotlib.colors import LinearSegmentedColormap

        axes = figure.add_subplot()
        colors = LinearSegmentedColormap.from_list("shares", [ink["ground"], ink["accent"]])
        axes.pcolormesh(
            shares,
            cmap=colors,
            vmin=0,
            vmax=1,
            rasterized=classes > VECTOR_CLASSES,
            edgecolor=ink["faint"],
            linewidth=0.4,
        )
        for row, column in np.argwhere(matrix).tolist() if classes <= VECTOR_CLASSES else []:
            strong = shares[row, column] > 0.5
            axes.text(
                column + 0.5,
                row + 0.5,
                str(matrix[row, column]),
                color=ink["ground"] if strong else ink["ink"],
                fontsize=8.5,
                ha="center",
                va="center",
            )
        for place in (axes.axhline, axes.axvline):
            place(classes, color=ink["ink"], linewidth=1)
        upright = max(map(len, names), default=0) <= 3
        axes.set_xticks(np.arange(classes + 1) + 0.5, [*names, "missed"], rotation=0 if upright else 90)
        axes.set_yticks(np.arange(classes + 1) + 0.5, [*names, "no object"])
        axes.tick_params(length=0)
        axes.set(xlabel="predicted", ylabel="true", aspect="equal")
        axes.invert_yaxis()

    return svg_of((side + 0.4, side), draw, dark)


def plot_offsets(offsets: OffsetStatistics, class_names: Sequence[str] | None = None, dark: bool = False) -> bytes:
    """Predicted minus true centre: an arrow for the mean and an ellipse of one standard deviation around its tip.

    One cell for all, then one for each class, all on one scale, x right and y down; where there are too many classes,
    those that drift most.

    Args:
        offsets: of ``metrics.offsets.offset_statistics``.
        class_names: the name of each label; None for the labels themselves.
        dark: ink for a dark page.

    Raises:
        BoxlessError: there is no pair of a prediction and a true instance.
    """
    if offsets.pairs == 0:
        raise BoxlessError("no prediction lies in a true box, so there is no offset to draw.")
    drifts = sorted(offsets.by_class, key=lambda label: -np.hypot(*offsets.by_class[label].mean))
    cells = [("all", offsets)]
    for label in sorted(drifts[: CELLS - 1]):
        cells.append((str(label) if class_names is None else class_names[label], offsets.by_class[label]))
    columns = min(4, len(cells))
    rows = -(-len(cells) // columns)
    reach = _round_up(max(abs(m) + s for _, one in cells for m, s in zip(one.mean, one.spread, strict=True)))
    pitch = (2.3 * reach, 2.8 * reach)  # from cell to cell, in pixels of the image

    def draw(figure: "Figure", ink: dict[str, str]) -> None:
        axes = figure.add_subplot()
        for number, (name, one) in enumerate(cells):
            row, column = divmod(number, columns)
            middle = np.array([column * pitch[0], row * pitch[1]])
            _draw_offset(axes, middle, reach, one, ink, css(ORANGE if dark else VERMILLION))
            title = axes.text(middle[0], middle[1] - 1.15 * reach, one_line(name, 14), ha="center", va="bottom")
            if number == 0:
                title.set_fontweight("bold")
                axes.text(reach, reach, f"± {reach:g} px", ha="right", va="bottom", fontsize=7)
        axes.set(xlim=(-1.2 * reach, (columns - 1) * pitch[0] + 1.2 * reach), aspect="equal")
        axes.set_ylim((rows - 1) * pitch[1] + 1.1 * reach, -1.7 * reach)
        axes.set_axis_off()

    return svg_of((1.1 * columns, 1.33 * rows), draw, dark)


def _draw_offset(
    axes: "Axes",
    middle: NDArray[np.float64],
    reach: float,
    one: OffsetStatistics,
    ink: dict[str, str],
    arrow: str,
) -> None:
    from matplotlib.patches import Ellipse

    for direction in np.eye(2):
        axes.plot(*np.stack([middle - reach * direction, middle + reach * direction], axis=1), color=ink["faint"])
    tip, (width, height) = middle + one.mean, (2 * spread for spread in one.spread)
    axes.add_patch(Ellipse(tuple(tip), width, height, color=ink["accent"], alpha=0.3, linewidth=0))
    axes.add_patch(Ellipse(tuple(tip), width, height, edgecolor=ink["accent"], fill=False))
    axes.annotate(
        "",
        xy=tuple(tip),
        xytext=tuple(middle),
        arrowprops={"arrowstyle": "-|>", "color": arrow, "shrinkA": 0, "shrinkB": 0, "linewidth": 1.4},
    )


def _round_up(length: float) -> float:
    """The next round number, at least 1."""
    decade = 10.0 ** np.floor(np.log10(max(length, 1.0)))
    return float(decade * next(step for step in (1, 1.5, 2, 3, 4, 5, 6, 8, 10) if length <= step * decade))


def svg_of(size: tuple[float, float], draw: Callable[["Figure", dict[str, str]], None], dark: bool) -> bytes:
    """What ``draw`` puts on a figure of (width, height) inches, with the inks of the page."""
    import matplotlib
    from matplotlib.figure import Figure

    ink = DARK if dark else LIGHT
    style: Any = {
        "font.family": ["DejaVu Sans", "sans-serif"],
        "font.size": 9,
        "text.usetex": False,
        "text.parse_math": False,
        "svg.fonttype": "none",  # text stays text, in the reader's fonts, which know more letters than ours
        "svg.hashsalt": "boxless",  # the same plot is the same bytes
        "axes.spines.top": False,
        "axes.spines.right": False,
        **dict.fromkeys(("text.color", "axes.labelcolor", "xtick.color", "ytick.color"), ink["ink"]),
        "axes.edgecolor": ink["faint"],
        "axes.facecolor": "none",
    }
    with matplotlib.rc_context(style), warnings.catch_warnings(), io.BytesIO() as file:
        warnings.filterwarnings("ignore", "Glyph .* missing")
        figure = Figure(figsize=size, layout="constrained", facecolor="none")
        draw(figure, ink)
        figure.savefig(file, format="svg", metadata={"Date": None, "Creator": None})
        return file.getvalue()


def _finite(name: str, steps: ArrayLike, values: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    x, y = np.asarray(steps, np.float64), np.asarray(values, np.float64)
    if x.shape != y.shape or x.ndim != 1:
        raise BoxlessError(f"the curve {name!r} has steps of shape {x.shape} but values of shape {y.shape}.")
    kept = np.isfinite(x) & np.isfinite(y)
    return x[kept], y[kept]


def binned(steps: NDArray[np.float64], values: NDArray[np.float64]) -> tuple[NDArray[np.float64], ...]:
    """Step, mean, least and highest value of each of at most ``BINS`` equal runs of points."""
    starts = np.unique(np.linspace(0, len(steps), min(BINS, len(steps)), endpoint=False).astype(np.int64))
    if len(starts) == 0:
        return steps, values, values, values
    lengths = np.diff(starts, append=len(steps))
    means = [np.add.reduceat(array, starts) / lengths for array in (steps, values)]
    return means[0], means[1], np.minimum.reduceat(values, starts), np.maximum.reduceat(values, starts)


def _line_colors(count: int, dark: bool) -> list[str]:
    colors = DARK_LINES if dark else LINES
    return [css(colors[index % len(colors)]) for index in range(count)]

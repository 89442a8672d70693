"""Plots of the kinds that a model has made out: how many keypoints each holds, and a map of their descriptors."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from boxless.report.colors import css, kind_color
from boxless.report.contents import Kinds
from boxless.report.lettering import one_line
from boxless.report.plots import svg_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST_POINTS = 600
FEWEST_POINTS = 10
MOST_NAMED = 20  # groups in a legend


def tsne(descriptors: NDArray[np.floating], prototypes: NDArray[np.floating]) -> NDArray[np.float64]:
    """Places (N + M, 2) of descriptors (N, C) and prototypes (M, C), near where they are alike; always the same."""
    from sklearn.manifold import TSNE

    rows = np.concatenate([descriptors, prototypes]).astype(np.float64)
    method = TSNE(perplexity=min(30.0, (len(rows) - 1) / 3), init="pca", random_state=0, max_iter=500)
    places: NDArray[np.float64] = method.fit_transform(rows).astype(np.float64)
    return places


def plot_counts(counts: NDArray[np.int64], names: Sequence[str], dark: bool = False) -> bytes:
    """A bar for each kind: the share of the keypoints that it holds, beside an even share.

    Args:
        counts: (M,).
        names: M of them; behind the number of the kind where they are not empty.
        dark: ink for a dark page.
    """
    shares = 100 * counts / max(counts.sum(), 1)

    def draw(figure: "Figure", ink: dict[str, str]) -> None:
        axes = figure.add_subplot()
        kinds = np.arange(len(counts))
        axes.bar(kinds, shares, color=[css(kind_color(kind)) for kind in kinds.tolist()])
        axes.axhline(100 / len(counts), color=ink["ink"], linewidth=0.8, linestyle="--")
        titles = [f"{kind}\n{one_line(name, 8)}" if name else str(kind) for kind, name in enumerate(names)]
        every = -(-len(counts) // 40)
        axes.set_xticks(kinds[::every], titles[::every], fontsize=8 if len(counts) <= 20 else 6.5)
        axes.tick_params(axis="x", length=0)
        axes.margins(x=0.01)
        axes.set(xlabel="kind", ylabel="% of keypoints")

    return svg_of((min(9.0, 2.5 + 0.22 * len(counts)), 2.4), draw, dark)


def plot_map(kinds: Kinds, dark: bool = False) -> bytes:
    """The map of the descriptors, each a dot in the colour of its group, and of the prototypes, each a cross.

    Args:
        kinds: with places.
        dark: ink for a dark page.

    Raises:
        ValueError: there are no places.
    """
    if kinds.places is None or kinds.centers is None:
        raise ValueError("a map needs places")
    places, centers = kinds.places, kinds.centers

    def draw(figure: "Figure", ink: dict[str, str]) -> None:
        axes = figure.add_subplot()
        present = np.unique(kinds.groups).tolist()
        for group in present:
            own = places[kinds.groups == group]
            color = ink["faint"] if group < 0 else css(kind_color(group))
            name = "not matched" if group < 0 else one_line(kinds.group_names[group], 14)
            axes.scatter(own[:, 0], own[:, 1], s=9, color=color, linewidths=0, label=name)
        axes.scatter(
            centers[:, 0], centers[:, 1], s=46, marker="x", color=ink["ink"], linewidths=1.6, label="prototype"
        )
        if len(present) <= MOST_NAMED:
            axes.legend(frameon=False, labelcolor=ink["ink"], fontsize=7.5, loc="center left", bbox_to_anchor=(1, 0.5))
        axes.set(xticks=[], yticks=[])
        axes.set_aspect("equal", adjustable="datalim")
        axes.spines[:].set_visible(False)

    return svg_of((5.6, 3.8), draw, dark)

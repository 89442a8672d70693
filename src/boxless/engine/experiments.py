"""What a table of a paper is made of: its rows, and the trainings and tests of ours that answer them."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from boxless.engine.recipe import Recipe, read_recipe, recipe_from
from boxless.errors import BoxlessError


@dataclass(frozen=True)
class Experiment:
    """A training of ours, and its test.

    Attributes:
        name: of its result and, unless ``trained_as`` says another, its run directory.
        recipe: a name in ``boxless/recipes``.
        changes: what is other than in the recipe, by section.
        k: instances an image in the evaluation, see ``boxless.engine.evaluation.evaluate``.
        threshold: "auto" leaves out what is less sure than the model's own threshold, also where ``k`` is given.
        photos: a set of images of ``boxless.engine.photos``, to be tested on its one part, and to learn from the other
            where the recipe names a folder; scenes where None.
        scenes: what the test scenes have other than those of the recipe, see ``boxless.engine.recipe.DataConfig``.
        images: test scenes.
        trained_as: another experiment whose training this one tests.
    """

    name: str
    recipe: str
    changes: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    k: int | Literal["true"] | None = None
    threshold: Literal["auto"] | None = None
    photos: str | None = None
    scenes: Mapping[str, Any] = field(default_factory=dict)
    images: int = 5000
    trained_as: str = ""


def recipe_of(experiment: Experiment) -> Recipe:
    """The recipe of an experiment with its changes."""
    plain: dict[str, Any] = asdict(read_recipe(experiment.recipe))
    for section, changes in experiment.changes.items():
        plain[section] |= changes
    return recipe_from(plain, experiment.name)


@dataclass(frozen=True)
class Row:
    """One line of a table.

    Attributes:
        key: short name, for the command line.
        data: what it is about.
        method: whose numbers.
        experiment: ours; None where we have none yet.
        paper: what the paper reached, in the order of the table's measures, of which it may lack the last; None where
            it has no such row.
        goal: what we aim at.
        without_learning: the row is not what the experiment's model reaches, but what can be had on the same images
            without one: a prefix in ``Evaluation.metrics()``, see ``boxless.engine.without_learning``.
    """

    key: str
    data: str
    method: str
    experiment: Experiment | None = None
    paper: tuple[float, ...] | None = None
    goal: tuple[float, ...] | None = None
    without_learning: str = ""


@dataclass(frozen=True)
class Table:
    """A table of a paper.

    Attributes:
        name: for the command line.
        title: what it shows.
        measures: name in ``Evaluation.metrics()`` to the name in the table.
        rows: of it.
        errors: the measures that are errors, of which lower is better.
        plain: the measures that are plain numbers; the others are shares, shown in percent.
    """

    name: str
    title: str
    measures: Mapping[str, str]
    rows: tuple[Row, ...]
    errors: tuple[str, ...] = ()
    plain: tuple[str, ...] = ()

    def row(self, key: str) -> Row:
        """The row of that key.

        Raises:
            BoxlessError: there is none.
        """
        for row in self.rows:
            if row.key == key:
                return row
        raise BoxlessError(f"{self.name} has no row {key}; its rows are {', '.join(row.key for row in self.rows)}.")

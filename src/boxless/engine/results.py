"""The lab's records: one JSON for each reproduced number, in ``results/`` of the checkout."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from boxless.data.files import write_atomically
from boxless.engine.recipe import Recipe, recipe_from
from boxless.errors import BoxlessError

CHECKOUT = Path(__file__).parents[3]


@dataclass(frozen=True)
class Terms:
    """On what a model was evaluated.

    Attributes:
        images: test scenes.
        seed: of the scenes.
        k: instances an image; "true" for the true number of each, None for the model's own.
        threshold: "auto" where what is less sure than the model's own was left out; None as the model does.
        commit: of the code that tested, see ``boxless.engine.records.Record``; a model may be older.
    """

    images: int
    seed: int
    k: int | Literal["true"] | None = None
    commit: str = ""
    threshold: Literal["auto"] | None = None


@dataclass(frozen=True)
class Result:
    """What a recipe reached, and all that one needs to do it again.

    Attributes:
        name: of the experiment, and of the file.
        recipe_name: in ``boxless/recipes``; ``recipe`` may differ from it where the experiment says so.
        recipe: what was trained, with all its values.
        commit: that trained; see ``boxless.engine.records.Record``, as are machine, seconds (of training) and steps.
        seed: of the training.
        evaluation: on what terms.
        metrics: measure to value; shares are in [0, 1].
        curve: the measures on validation images over the training, see ``boxless.engine.records.learning_curve``;
            empty in records from before there was one.
    """

    name: str
    recipe_name: str
    recipe: Recipe
    commit: str
    machine: str
    seconds: float
    steps: int
    seed: int
    evaluation: Terms
    metrics: Mapping[str, float]
    curve: Sequence[Mapping[str, float]] = ()


def results_directory() -> Path:
    """``results/`` of the checkout that the package runs from.

    Raises:
        BoxlessError: the package runs from elsewhere.
    """
    if not (CHECKOUT / "pyproject.toml").is_file():
        raise BoxlessError(
            "The recorded results lie in the repository, and boxless is installed without it; "
            "give a copy of its results/ by --results, or --train."
        )
    return CHECKOUT / "results"


def write_result(directory: Path, result: Result) -> Path:
    """Write ``NAME.json``, whole or not at all; measures that are not finite become null."""
    path = Path(directory) / f"{result.name}.json"
    values = asdict(result)
    values["metrics"], values["curve"] = _finite(result.metrics), [_finite(row) for row in result.curve]
    write_atomically(path, json.dumps(values, indent=2) + "\n")
    return path


def read_result(directory: Path, name: str) -> Result | None:
    """The result of that name, or None where there is none.

    Raises:
        BoxlessError: its file is broken.
    """
    path = Path(directory) / f"{name}.json"
    if not path.is_file():
        return None
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise BoxlessError(f"{path} is no JSON ({error}); record it again.") from error
    return _result(values, path)


def _result(values: Any, path: Path) -> Result:
    try:
        return Result(
            name=str(values["name"]),
            recipe_name=str(values["recipe_name"]),
            recipe=recipe_from(values["recipe"], f"{path}: recipe"),
            commit=str(values["commit"]),
            machine=str(values["machine"]),
            seconds=float(values["seconds"]),
            steps=int(values["steps"]),
            seed=int(values["seed"]),
            evaluation=Terms(**values["evaluation"]),
            metrics=_numbers(values["metrics"]),
            curve=tuple(_numbers(row) for row in values.get("curve", ())),
        )
    except BoxlessError:
        raise
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise BoxlessError(f"{path} is no result ({error!r}); record it again.") from error


def _finite(measures: Mapping[str, float]) -> dict[str, float | None]:
    return {name: value if math.isfinite(value) else None for name, value in measures.items()}


def _numbers(measures: Mapping[str, float | None]) -> dict[str, float]:
    return {name: math.nan if value is None else float(value) for name, value in measures.items()}

"""Where runs lie: runs/NAME-1, runs/NAME-2 and so on, under the directory one is in; and what they were trained by."""

import re
from pathlib import Path

from boxless.engine.recipe import RECIPE_FILE, Recipe, read_recipe, recipe_names

RUNS = Path("runs")


def next_run(name: str, first: int = 1) -> Path:
    """The directory with the next number, which is not there yet."""
    return RUNS / f"{name}-{max(_numbers(name), default=first - 1) + 1}"


def newest_run(name: str) -> Path | None:
    """The directory with the highest number."""
    numbers = _numbers(name)
    return RUNS / f"{name}-{max(numbers)}" if numbers else None


def recipe_of(model: str) -> Recipe | None:
    """The recipe of a run, or of a shipped model, which bears its name; None where it is not known."""
    if (Path(model) / RECIPE_FILE).is_file():
        return read_recipe(Path(model) / RECIPE_FILE)
    return read_recipe(model) if model in recipe_names() else None


def _numbers(name: str) -> list[int]:
    pattern = re.compile(re.escape(name) + "-([1-9][0-9]*)")
    names = [path.name for path in RUNS.iterdir()] if RUNS.is_dir() else []
    return [int(match[1]) for match in map(pattern.fullmatch, names) if match]

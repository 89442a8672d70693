"""A recipe: everything that a training depends on, as plain values in one YAML file."""

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from os import PathLike, fspath
from pathlib import Path
from typing import Any, Literal

import yaml

from boxless.data.files import write_atomically
from boxless.errors import BoxlessError
from boxless.plain import from_plain, shown

RECIPES = Path(__file__).parent.parent / "recipes"
RECIPE_FILE = "config.yaml"  # of a run


@dataclass(frozen=True)
class DataConfig:
    """What to learn from: scenes of glyphs, or a folder.

    Attributes:
        folder: a user's folder (see ``boxless.data.folder``); scenes are composed where it is not given.
        scenes_share: share of scenes, in [0, 1), among the images to train on, where there is a folder with images as
            large.
        layout: of the scenes: mnist-hard, -crowded, -3, -easy, -uneven, -k, -scales, -single or -scattered,
            extended-mnist, gabor-16 or -36, tetrominoes or tetrominoes-35, sprites or svhn.
        counts: how many glyphs a scene has, one of these, none negative; the layout's own by default.
        glyphs: "mnist", or "digits", which need no download; Gabor noise, shapes and svhn make no use of them.
        train_size: scenes to train on, at least 1, with the images of a folder among them; afterwards they come again.
        validation_size: scenes to validate on, at least 1, of glyphs that no training scene has.
        validation_share: share of a folder's images to validate on, between 0 and 1.

    Raises:
        ValueError: a value outside of its range.
    """

    folder: str | None = None
    scenes_share: float = 0.0
    layout: str = "mnist-hard"
    counts: tuple[int, ...] | None = None
    glyphs: str = "mnist"
    train_size: int = 50_000
    validation_size: int = 512
    validation_share: float = 0.1

    def __post_init__(self) -> None:
        if isinstance(self.folder, PathLike):  # as one may write in Python
            object.__setattr__(self, "folder", fspath(self.folder))
        if min(self.train_size, self.validation_size) < 1:
            raise ValueError("train_size and validation_size are at least 1.")
        if not 0 <= self.scenes_share < 1 or (self.scenes_share and self.folder is None):
            raise ValueError(f"scenes_share is in [0, 1), of the images of a folder, not {self.scenes_share}.")
        if not 0 < self.validation_share < 1:
            raise ValueError(f"validation_share is between 0 and 1, not {self.validation_share}.")
        if self.counts is not None and (min(self.counts, default=0) < 0 or max(self.counts, default=0) < 1):
            raise ValueError(f"counts are numbers of glyphs, one of them above 0, not {list(self.counts)}.")


@dataclass(frozen=True)
class RunConfig:
    """How long, and on what terms.

    Attributes:
        steps: batches in all, at least 1; rounded up to whole epochs.
        batch_size: images a step, at least 1, over all processes together.
        steps_per_epoch: after so many steps, at least 1, comes a validation and a checkpoint.
        seed: of weights, scenes and order, from 0 to 2³² − 1.
        precision: of the training's steps: "auto" takes bfloat16 where the machine has the units for it, "32" never.
            Detection, and so validation, takes it where they are.
        compile: ``torch.compile`` the networks; None where the machine can, all images are as large, and the
            training is long enough to gain.

    Raises:
        ValueError: a value outside of its range.
    """

    steps: int = 4000
    batch_size: int = 16
    steps_per_epoch: int = 200
    seed: int = 0
    precision: Literal["auto", "32"] = "auto"
    compile: bool | None = None

    def __post_init__(self) -> None:
        if min(self.steps, self.batch_size, self.steps_per_epoch) < 1:
            raise ValueError("steps, batch_size and steps_per_epoch are at least 1.")
        if not 0 <= self.seed < 2**32:
            raise ValueError(f"seed is a whole number from 0 to {2**32 - 1}, not {self.seed}.")

    @property
    def epochs(self) -> int:
        """Validations, and checkpoints."""
        return -(-self.steps // self.steps_per_epoch)


@dataclass(frozen=True)
class Recipe:
    """A method and its settings.

    Attributes:
        method: a name of ``boxless.methods.registry``.
        data, run: see there.
        model: settings of the method's model; class names come from the data.
        training: settings of the method's training.
    """

    method: str
    data: DataConfig = field(default_factory=DataConfig)
    model: dict[str, Any] = field(default_factory=dict)
    training: dict[str, Any] = field(default_factory=dict)
    run: RunConfig = field(default_factory=RunConfig)


class _Loader(yaml.SafeLoader):
    """Plain values, of which 1e-3 is a number (as in YAML 1.2; PyYAML alone takes it for text)."""


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"[-+]?[0-9]+(\.[0-9]*)?[eE][-+]?[0-9]+$"), list("-+0123456789")
)


def recipe_names() -> list[str]:
    """The recipes in the package."""
    return sorted(path.stem for path in RECIPES.glob("*.yaml"))


def read_recipe(recipe: str | Path) -> Recipe:
    """A recipe of the package by its name, or a YAML file.

    Raises:
        BoxlessError: there is none of that name, or the file is no recipe.
    """
    packaged = RECIPES / f"{recipe}.yaml"
    path = packaged if packaged.is_file() else Path(recipe)
    if not path.is_file():
        raise BoxlessError(f"There is no recipe or file {recipe}; the recipes are {', '.join(recipe_names())}.")
    return recipe_from(read_yaml(path), str(path))


def read_yaml(path: Path) -> Any:
    """Plain values.

    Raises:
        BoxlessError: it is no YAML file.
        FileNotFoundError: there is none.
    """
    try:
        return yaml.load(path.read_text(encoding="utf-8"), _Loader)  # a safe one
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # a date may have a thirteenth month
        raise BoxlessError(f"{path} is no YAML file: {' '.join(str(error).split())}.") from error


def recipe_from(values: Any, where: str) -> Recipe:
    """A recipe from plain values; ``where`` they come from is for the messages.

    Raises:
        BoxlessError: a name or a value is wrong.
    """
    if not isinstance(values, Mapping):
        raise BoxlessError(f"{where} is no recipe: it has no method.")
    sections = {name: values.get(name) or {} for name in ("data", "model", "training", "run")}
    unknown = [str(name) for name in values if name != "method" and name not in sections]
    if unknown:
        raise BoxlessError(f"{where} has the unknown {', '.join(unknown)}; known are method, {', '.join(sections)}.")
    for name in ("model", "training"):
        if not isinstance(sections[name], Mapping):
            raise BoxlessError(f"{where}: {name} is {shown(sections[name])}, where names and values are needed.")
    return Recipe(
        method=str(values.get("method", "")),
        data=from_plain(DataConfig, sections["data"], f"{where}: data"),
        model=dict(sections["model"]),
        training=dict(sections["training"]),
        run=from_plain(RunConfig, sections["run"], f"{where}: run"),
    )


def write_recipe(path: Path, recipe: Recipe) -> None:
    """Write a recipe as YAML that :func:`read_recipe` reads."""
    write_atomically(path, yaml.safe_dump(_listed(asdict(recipe)), sort_keys=False))


def _listed(value: Any) -> Any:
    """Tuples as lists: safe YAML knows no tuples."""
    if isinstance(value, Mapping):
        return {key: _listed(item) for key, item in value.items()}
    return [_listed(item) for item in value] if isinstance(value, list | tuple) else value

"""A recipe from the command line: a name or a file, laid over by ``--config``, laid over by single options."""

import dataclasses
import typing
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from docstring_parser import parse as parse_docstring
from jsonargparse import ArgumentParser

from boxless.cli.parsing import did_you_mean
from boxless.engine.recipe import (
    RECIPE_FILE,
    DataConfig,
    Recipe,
    RunConfig,
    read_recipe,
    read_yaml,
    recipe_from,
    recipe_names,
)
from boxless.errors import BoxlessError
from boxless.methods.registry import MODELS, settings_types

SECTIONS = ("data", "model", "training", "run")
# What comes from the data, and is no setting: the names of the classes.
NOT_SET = "class_names"
NUMBERS = (tuple[int, ...], tuple[int, ...] | None, tuple[float, ...])


def add_settings(parser: ArgumentParser, recipe: Recipe) -> None:
    """An option ``--section.name`` for each setting of this recipe, which shows its value there."""
    values = asdict(recipe)
    for section, kind in _sections(recipe.method).items():
        group = parser.add_argument_group(section, _purpose(kind))
        described = _described(kind)
        for name, hint, default in _settings(kind):
            default = values[section].get(name, default)
            if hint in NUMBERS:
                hint, default = str | None, default and ",".join(map(str, default))
            help = _plain(described.get(name, ""))
            group.add_argument(f"--{section}.{name}", type=hint, default=default, help=help)


def given_settings(values: Mapping[str, Any], method: str) -> dict[str, dict[str, Any]]:
    """The settings among the values of a command line, by section.

    Raises:
        BoxlessError: whole numbers in a row are written in another way.
    """
    rows = {
        (section, name)
        for section, kind in _sections(method).items()
        for name, hint, _ in _settings(kind)
        if hint in NUMBERS
    }
    return {
        section: {
            name: _numbers(f"--{section}.{name}", value) if (section, name) in rows else value
            for name, value in values[section].items()
        }
        for section in SECTIONS
        if section in values
    }


def base_recipe(name: str) -> Recipe:
    """A recipe of the package, a YAML file, or a method with its defaults.

    Raises:
        BoxlessError: there is none of these by that name, or the file is no recipe.
    """
    if name in MODELS:
        return Recipe(method=name)
    known = [*recipe_names(), *MODELS]
    if (Path(name) / RECIPE_FILE).is_file():
        raise BoxlessError(f"{name} is a run; go on with it by boxless train --resume --out {name}.")
    if Path(name).is_dir():
        raise BoxlessError(f"{name} is a folder; name a method to learn from it: boxless train METHOD --data {name}.")
    if name not in known and not Path(name).is_file():
        raise BoxlessError(
            f"There is no recipe, method or file {name}; the recipes are {', '.join(recipe_names())}, the methods "
            f"{', '.join(MODELS)}{did_you_mean(name, known)}"
        )
    return read_recipe(name)


def read_layer(path: str) -> dict[str, Any]:
    """The settings in a YAML file that is a part of a recipe.

    Raises:
        BoxlessError: there is no such file, or it is no YAML of names and values.
    """
    try:
        values = read_yaml(Path(path))
    except FileNotFoundError as error:
        raise BoxlessError(f"There is no file {path}; check the name behind --config.") from error
    if not isinstance(values, Mapping) or not all(isinstance(part, Mapping | str) for part in values.values()):
        raise BoxlessError(f"{path} holds no settings; write sections ({', '.join(SECTIONS)}) of names and values.")
    return dict(values)


def laid_over(recipe: Recipe, layer: Mapping[str, Any], where: str) -> Recipe:
    """The recipe with the settings of the layer; ``where`` they come from is for the messages.

    Raises:
        BoxlessError: a name or value is wrong, or the layer is of another method.
    """
    if layer.get("method", recipe.method) != recipe.method:
        raise BoxlessError(f"{where} is for {layer['method']}, and the recipe for {recipe.method}; take one of them.")
    plain = asdict(recipe)
    sections = {name: plain[name] | dict(layer.get(name) or {}) for name in SECTIONS}
    others = {name: value for name, value in layer.items() if name not in SECTIONS}
    return recipe_from(others | {"method": recipe.method} | sections, where)


def _sections(method: str) -> dict[str, type[Any]]:
    """The dataclass of each section."""
    model, training = settings_types(method)
    return dict(zip(SECTIONS, (DataConfig, model, training, RunConfig), strict=True))


def _settings(kind: type[Any]) -> Iterator[tuple[str, Any, Any]]:
    """Name, type and default of each setting."""
    hints = typing.get_type_hints(kind)
    for field in dataclasses.fields(kind):
        if field.name != NOT_SET:
            yield field.name, hints[field.name], field.default


def _numbers(option: str, text: str | None) -> list[int | float] | None:
    """ "3,4,5" or "[3, 4, 5]" as numbers; jsonargparse would take the second form alone."""
    try:
        return None if text is None else [_number(part.strip()) for part in text.strip("[]()").split(",")]
    except ValueError as error:
        raise BoxlessError(f"{option} takes numbers in a row, as 3,4,5, and not {text!r}.") from error


def _number(text: str) -> int | float:
    return int(text) if text.lstrip("+-").isdigit() else float(text)


def _described(kind: type[Any]) -> dict[str, str]:
    """The description of each setting, its own or of a class that it builds on."""
    texts = [part.__doc__ or "" for part in reversed(kind.__mro__) if dataclasses.is_dataclass(part)]
    return {param.arg_name: param.description or "" for text in texts for param in parse_docstring(text).params}


def _purpose(kind: type[Any]) -> str:
    return _plain(parse_docstring(kind.__doc__ or "").short_description or "")


def _plain(text: str) -> str:
    return " ".join(text.replace("``", "").split()).removesuffix(".")

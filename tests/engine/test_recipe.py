from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml

from boxless.engine.recipe import (
    DataConfig,
    Recipe,
    RunConfig,
    read_recipe,
    recipe_from,
    recipe_names,
    write_recipe,
)
from boxless.errors import BoxlessError

FULL = Recipe(
    method="mist-classify",
    data=DataConfig(folder="my images", counts=(3, 5), validation_share=0.25),
    model={"class_names": ("a", "b"), "classifier_channels": (4, 8), "max_side": None},
    training={"heatmap_rate": 1e-5, "keypoint_step": "gradient"},
    run=RunConfig(steps=7, seed=3, compile=False, precision="32"),
)


@pytest.mark.parametrize("recipe", [FULL, Recipe("mist-classify")])
def test_what_is_written_is_read_again(recipe: Recipe, tmp_path: Path) -> None:
    write_recipe(tmp_path / "config.yaml", recipe)
    found = read_recipe(tmp_path / "config.yaml")
    assert (found.method, found.data, found.run, found.training) == (
        recipe.method,
        recipe.data,
        recipe.run,
        recipe.training,
    )
    listed = {name: list(value) if isinstance(value, tuple) else value for name, value in recipe.model.items()}
    assert found.model == listed


@pytest.mark.parametrize("name", recipe_names())
def test_every_recipe_survives_a_run_directory(name: str, tmp_path: Path) -> None:
    recipe = read_recipe(name)
    write_recipe(tmp_path / "config.yaml", recipe)
    assert read_recipe(tmp_path / "config.yaml") == recipe


@pytest.mark.parametrize(
    ("text", "value"),
    [("1e-3", 1e-3), ("1E-3", 1e-3), ("1.5e-3", 1.5e-3), ("2e+1", 20.0), ("-2.e1", -20.0), ("0.001", 0.001), ("1", 1)],
)
def test_a_rate_may_be_written_as_people_do(text: str, value: float, tmp_path: Path) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_text(f"method: mist-classify\ntraining:\n  heatmap_rate: {text}\n")
    found = read_recipe(path).training["heatmap_rate"]
    assert (found, type(found)) == (value, type(value))


def test_text_that_begins_like_a_number_stays_text(tmp_path: Path) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_text("method: x\ndata: {folder: 1e3x}\nmodel: {a: 12e, b: e5, c: '1e3'}\n")
    found = read_recipe(path)
    assert found.data.folder == "1e3x"
    assert found.model == {"a": "12e", "b": "e5", "c": "1e3"}


def test_the_usual_loader_reads_what_is_written(tmp_path: Path) -> None:
    write_recipe(tmp_path / "config.yaml", FULL)
    assert yaml.safe_load((tmp_path / "config.yaml").read_text())["training"]["heatmap_rate"] == 1e-5


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (None, "test is no recipe: it has no method"),
        (["method"], "test is no recipe"),
        ("mist-classify", "test is no recipe"),
        ({"method": "m", "date": {}}, "test has the unknown date; known are method, data, model, training, run"),
        ({"method": "m", "data": {"layouts": "x"}}, "test: data has the unknown layouts"),
        ({"method": "m", "data": 3}, "test: data holds 3"),
        ({"method": "m", "model": ["a"]}, r"test: model is \['a'\], where names and values are needed"),
        ({"method": "m", "run": {"steps": "many"}}, "test: run: steps is 'many', which is no int"),
        ({"method": "m", "run": {"steps": 0}}, "test: run: steps, batch_size and steps_per_epoch are at least 1"),
        ({"method": "m", "run": {"seed": -1}}, "test: run: seed is a whole number from 0"),
        ({"method": "m", "run": {"precision": "16"}}, "test: run: precision is '16'"),
        ({"method": "m", "data": {"train_size": 0}}, "train_size and validation_size are at least 1"),
        ({"method": "m", "data": {"validation_size": 0}}, "train_size and validation_size are at least 1"),
        ({"method": "m", "data": {"validation_share": 0.0}}, "validation_share is between 0 and 1"),
        ({"method": "m", "data": {"validation_share": 1.0}}, "validation_share is between 0 and 1"),
        ({"method": "m", "data": {"counts": []}}, "counts are numbers of glyphs"),
        ({"method": "m", "data": {"counts": [0]}}, "counts are numbers of glyphs"),
        ({"method": "m", "data": {"counts": [3, -1]}}, "counts are numbers of glyphs"),
    ],
)
def test_what_is_wrong_is_named(values: Any, message: str) -> None:
    with pytest.raises(BoxlessError, match=message):
        recipe_from(values, "test")


def test_a_section_may_be_empty_or_missing() -> None:
    assert recipe_from({"method": "m", "data": None, "model": {}}, "test") == Recipe("m")


def test_an_unknown_recipe_lists_those_there_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(BoxlessError, match=r"There is no recipe or file mist; the recipes are .*mist-classify-demo"):
        read_recipe("mist")


@pytest.mark.parametrize(
    "content",
    [
        b"method: [",
        b"\xff\xfe\x00",
        b"a: b: c",
        b"folder: 2024-13-45",
        b"steps: 0b_",
        b"steps: " + b"9" * 5000,
        b"model: " + b"[" * 3000,
    ],
)
def test_a_file_that_is_no_yaml_is_named_in_one_line(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_bytes(content)
    with pytest.raises(BoxlessError, match=r"recipe\.yaml is no YAML file") as caught:
        read_recipe(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("steps", "epochs"), [(1, 1), (200, 1), (201, 2), (400, 2)])
def test_steps_are_rounded_up_to_whole_epochs(steps: int, epochs: int) -> None:
    assert RunConfig(steps=steps, steps_per_epoch=200).epochs == epochs


def test_a_message_is_short_whatever_a_few_bytes_stand_for(tmp_path: Path) -> None:
    """Ten lists of ten lists, and so on: a million of texts."""
    path = tmp_path / "config.yaml"
    lines = [f"a: &a [{', '.join(['x' * 20] * 10)}]"]
    lines += [f"{name}: &{name} [{', '.join([f'*{before}'] * 10)}]" for before, name in pairwise("abcdef")]
    path.write_text("\n".join(["method: m", "model:", *(f"  {line}" for line in lines), "training: [1]"]))
    with pytest.raises(BoxlessError, match="training is"):
        read_recipe(path)
    path.write_text(
        "\n".join(["method: m", "run:", *(f"  {line}" for line in lines[:-1]), f"  steps: {lines[-1][6:]}"])
    )
    with pytest.raises(BoxlessError) as caught:
        read_recipe(path)
    assert len(str(caught.value)) < 1000


def test_a_folder_may_be_a_path(tmp_path: Path) -> None:
    folder: Any = tmp_path
    recipe = Recipe("mist-classify", DataConfig(folder=folder))
    write_recipe(tmp_path / "config.yaml", recipe)
    assert read_recipe(tmp_path / "config.yaml") == recipe
    assert recipe.data.folder == str(tmp_path)

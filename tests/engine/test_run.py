"""``boxless.train``, from Python."""

from pathlib import Path
from typing import Any

import pytest

import boxless
from boxless.engine.recipe import read_recipe
from tests.engine.tiny import pictures, tiny


def test_what_the_recipe_leaves_open_is_taken_from_the_data(tmp_path: Path) -> None:
    """The pictures hold an a, a b, both, and nothing: K is 2, some hold fewer, and they have colours."""
    small = {"object_size": 12, "heatmap_channels": 4, "heatmap_blocks": 1, "patch_size": 8}
    recipe = boxless.Recipe(
        "mist-classify",
        boxless.DataConfig(folder=str(pictures(tmp_path)), validation_share=0.5),
        model=small | {"classifier_channels": [4, 4, 4]},
        run=tiny("mist-classify", tmp_path, steps=2).run,
    )
    detector = boxless.train(recipe, tmp_path / "run", progress=False)
    assert (detector.config.instances, detector.config.background, detector.config.channels) == (2, True, 3)
    assert read_recipe(tmp_path / "run" / "config.yaml").model["instances"] == 2


@pytest.mark.parametrize(("name", "value"), [("steps", "5"), ("batch_size", 2.5), ("precision", "16")])
def test_a_setting_of_a_wrong_type_is_named_and_leaves_no_run(name: str, value: Any, tmp_path: Path) -> None:
    recipe = boxless.Recipe("mist-classify", run=boxless.RunConfig())
    object.__setattr__(recipe.run, name, value)
    with pytest.raises(boxless.BoxlessError, match=f"The recipe: run: {name} is"):
        boxless.train(recipe, tmp_path / "run", progress=False)
    assert not (tmp_path / "run").exists()

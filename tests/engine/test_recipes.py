"""Every recipe of the package builds and takes a step with finite losses."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from boxless.data.svhn_crops import write_svhn_crops
from boxless.engine.loaders import training_loader
from boxless.engine.module import TrainingModule
from boxless.engine.recipe import Recipe, read_recipe, recipe_names
from boxless.engine.run import build
from boxless.engine.sources import training_sources
from tests.data.svhn_files import small_svhn
from tests.engine.bare import fit
from tests.engine.tiny import pictures

LOSSES = {
    "mist-classify": {"loss/classification", "loss/heatmap"},
    "mist-reconstruct": {"loss/reconstruction", "loss/heatmap"},
    "mist-backbone": {"loss/classification", "loss/heatmap"},
    "supervised": {"loss/classification", "loss/heatmap"},
    "mcmil": {"loss/likelihood"},
    "tusk": {"loss/reconstruction", "loss/kmeans", "loss/heatmap", "loss/features"},
}


@pytest.mark.parametrize("name", recipe_names())
def test_a_recipe_takes_a_step(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = read_recipe(name)
    recipe = replace(
        recipe,
        data=replace(recipe.data, glyphs="digits", train_size=2, validation_size=1),
        run=replace(recipe.run, steps=1, steps_per_epoch=1, batch_size=2, compile=False, precision="32"),
    )
    if recipe.data.layout == "svhn":
        recipe = on_small_numbers(recipe, tmp_path, monkeypatch)
    elif recipe.data.folder is not None:
        recipe = on_pictures(recipe, tmp_path)
    torch.manual_seed(0)
    module, _ = build(recipe)
    source, _, _ = training_sources(recipe.data, 0, channels=recipe.model.get("channels", 1), max_side=None)
    noted: dict[str, bool] = {}
    note = TrainingModule.note

    def noting(self: TrainingModule, name: str, values: torch.Tensor) -> None:
        noted[name] = bool(values.isfinite().all())
        note(self, name, values)

    monkeypatch.setattr(TrainingModule, "note", noting)
    learned = [parameter for parameter in module.model.parameters() if parameter.requires_grad]
    before = [parameter.detach().clone() for parameter in learned]
    fit(module, training_loader(source, 2, 1, 0, lambda: 0))
    assert module.steps_done == 1
    expected = {"loss/maxima"} if recipe.model.get("softmax") == "map" else LOSSES[recipe.method]
    if recipe.method == "tusk":
        expected = expected | {f"loss/{recipe.training.get('prototype_loss', 'squares')}"}
    assert expected <= noted.keys()
    assert all(noted.values())
    assert all(parameter.isfinite().all() for parameter in module.model.parameters())
    changed = [not torch.equal(old, new) for old, new in zip(before, learned, strict=True)]
    assert sum(changed) > 0.9 * len(changed)


def on_pictures(recipe: Recipe, root: Path) -> Recipe:
    """The recipe on three small pictures, with a backbone, or a loss, that needs no download."""
    recipe = replace(recipe, data=replace(recipe.data, folder=str(pictures(root)), validation_share=0.4))
    if recipe.method == "tusk":
        return replace(recipe, training=recipe.training | {"reconstruction_loss": "squares"})
    if recipe.method == "mcmil":
        return recipe
    return replace(
        recipe,
        model=recipe.model | {"backbone": "squeezenet", "shorter_edge": 64},
        training=recipe.training | {"pretrained": False},
    )


def on_small_numbers(recipe: Recipe, root: Path, monkeypatch: pytest.MonkeyPatch) -> Recipe:
    """The recipe on a small SVHN; where it learns from a folder, on that of its crops."""
    monkeypatch.setenv("BOXLESS_DATA", str(root))
    write_svhn_crops(small_svhn(root / "svhn"), root / "crops")
    folder = None if recipe.data.folder is None else str(root / "crops" / "train")
    return replace(recipe, data=replace(recipe.data, folder=folder))


def test_the_recipes_of_the_papers_tables_are_there() -> None:
    assert set(recipe_names()) >= {
        "mist-classify-demo",
        "mist-classify-mnist",
        "mist-classify-mnist3",
        "mist-classify-k",
        "tusk-mnist",
        "tusk-tetrominoes",
        "tusk-sprites",
        "tusk-clevr",
        "tusk-faces-4",
        "tusk-faces-8",
        "tusk-celeba",
        "tusk-human36m",
    }

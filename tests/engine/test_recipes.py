"""Every recipe of the package builds and takes a step with finite losses."""

from dataclasses import replace

import pytest
import torch

from boxless.engine.module import TrainingModule
from boxless.engine.recipe import read_recipe, recipe_names
from boxless.engine.run import build
from boxless.engine.sources import training_loader, training_sources
from tests.engine.bare import fit

TASK_LOSS = {"mist-classify": "loss/classification", "mist-reconstruct": "loss/reconstruction"}


@pytest.mark.parametrize("name", recipe_names())
def test_a_recipe_takes_a_step(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = read_recipe(name)
    recipe = replace(
        recipe,
        data=replace(recipe.data, glyphs="digits", train_size=2, validation_size=1),
        run=replace(recipe.run, steps=1, steps_per_epoch=1, batch_size=2, compile=False, precision="32"),
    )
    torch.manual_seed(0)
    module, _ = build(recipe)
    source, _, _ = training_sources(recipe.data, 0, channels=1, max_side=None)
    noted: dict[str, bool] = {}
    note = TrainingModule.note

    def noting(self: TrainingModule, name: str, values: torch.Tensor) -> None:
        noted[name] = bool(values.isfinite().all())
        note(self, name, values)

    monkeypatch.setattr(TrainingModule, "note", noting)
    before = [parameter.detach().clone() for parameter in module.model.parameters()]
    fit(module, training_loader(source, 2, 1, 0, lambda: 0))
    assert module.steps_done == 1
    assert {TASK_LOSS[recipe.method], "loss/heatmap"} <= noted.keys()
    assert all(noted.values())
    after = list(module.model.parameters())
    assert all(parameter.isfinite().all() for parameter in after)
    changed = [not torch.equal(old, new) for old, new in zip(before, after, strict=True)]
    assert sum(changed) > 0.9 * len(changed)


def test_the_recipes_of_the_papers_tables_are_there() -> None:
    assert set(recipe_names()) >= {
        "mist-classify-demo",
        "mist-classify-mnist",
        "mist-classify-mnist3",
        "mist-classify-k",
    }

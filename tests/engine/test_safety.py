"""Nothing that a stranger hands over is unpickled or imported; nonsense stops a run and is kept for a look."""

import json
import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from boxless.data.batch import Batch
from boxless.engine.checkpoints import read_checkpoint
from boxless.engine.module import TrainingDiverged, TrainingModule
from boxless.engine.recipe import DataConfig, read_recipe
from boxless.engine.run import train
from boxless.engine.sources import Scenes
from boxless.errors import BoxlessError
from boxless.models import load
from tests.engine.tiny import tiny, tiny_recipe


class _Bomb:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (exec, ("raise SystemExit('executed')",))


def test_a_pickle_as_training_state_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "last.ckpt"
    path.write_bytes(pickle.dumps(_Bomb()))
    with pytest.raises(BoxlessError, match="no training state"):
        read_checkpoint(path)
    torch.save({"state_dict": _Bomb()}, path)
    with pytest.raises(BoxlessError, match="no training state"):
        read_checkpoint(path)


@pytest.mark.parametrize("state", [{}, [1], {"epoch": 1, "state_dict": {}}])
def test_a_file_that_is_no_training_state_is_named(state: object, tmp_path: Path) -> None:
    torch.save(state, tmp_path / "last.ckpt")
    with pytest.raises(BoxlessError, match=r"last\.ckpt is no training state of boxless"):
        read_checkpoint(tmp_path / "last.ckpt")


def test_a_recipe_resolves_no_import_path(tmp_path: Path) -> None:
    path = tmp_path / "evil.yaml"
    path.write_text("method: !!python/object/apply:os.system ['true']\n")
    with pytest.raises(BoxlessError, match="no YAML"):
        read_recipe(path)
    path.write_text("method: os.system\n")
    with pytest.raises(BoxlessError, match=r"no method 'os\.system'"):
        train(path, tmp_path / "run")


def test_a_model_of_endless_depth_is_refused_at_once(tmp_path: Path) -> None:
    load("mist-classify-mnist").save(tmp_path)
    description = json.loads((tmp_path / "model.json").read_text())
    description["config"]["heatmap_blocks"] = 10**9
    (tmp_path / "model.json").write_text(json.dumps(description))
    with pytest.raises(BoxlessError, match="heatmap_blocks from 1 to 64"):
        load(tmp_path)


def test_a_model_names_a_method_of_the_list(tmp_path: Path) -> None:
    (tmp_path / "model.json").write_text(json.dumps({"method": "builtins.eval", "config": {}}))
    with pytest.raises(BoxlessError, match=r"model\.json: There is no method 'builtins\.eval'"):
        load(tmp_path)


@pytest.mark.parametrize("value", [torch.nan, torch.inf])
def test_weights_that_are_no_numbers_are_refused(value: float, tmp_path: Path) -> None:
    model = load("mist-classify-mnist")
    with torch.no_grad():
        next(model.parameters()).view(-1)[0] = value
    model.save(tmp_path)
    with pytest.raises(BoxlessError, match=r"model\.safetensors holds weights that are no finite numbers"):
        load(tmp_path)


@pytest.mark.parametrize(("method", "loss"), [("mist-classify", "classification"), ("mcmil", "likelihood")])
def test_a_loss_that_is_not_finite_stops_names_itself_and_saves_the_batch(
    method: str, loss: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compose = Scenes.batch

    def poisoned(self: Scenes, indices: torch.Tensor) -> Batch:
        batch = compose(self, indices)
        batch.images[1, 0, 3, 4] = torch.nan
        return batch

    monkeypatch.setattr(Scenes, "batch", poisoned)
    recipe = tiny(method, tmp_path)
    if method == "mcmil":  # canvases of several sides
        recipe = replace(recipe, data=replace(recipe.data, layout="mnist-scattered"))
    with pytest.raises(TrainingDiverged, match=f"loss/{loss} is not finite at step 0"):
        train(recipe, tmp_path / "run", progress=False)
    tmp_path /= "run"
    saved = load_file(tmp_path / "bad_batch.safetensors")
    assert saved["images"][1].isnan().any()
    assert json.loads((tmp_path / "bad_batch.json").read_text()) == {"loss": f"loss/{loss}", "step": 0}


def test_what_cannot_be_built_leaves_no_run_in_the_way_of_another_try(tmp_path: Path) -> None:
    recipe = tiny_recipe()
    with pytest.raises(BoxlessError, match="layout"):
        train(replace(recipe, data=replace(recipe.data, layout="nowhere")), tmp_path, progress=False)
    with pytest.raises(BoxlessError, match="at least one process or GPU, not 0"):
        train(recipe, tmp_path, devices=0, progress=False)
    with pytest.raises(BoxlessError, match="A batch of 4 cannot be shared by 3 processes"):
        train(recipe, tmp_path, devices=3, progress=False)
    train(recipe, tmp_path, progress=False)


def test_images_too_small_for_their_classes_are_passed_over_and_the_rest_is_learned_from(tmp_path: Path) -> None:
    """The likelihood of three classes at one place is 0: it would stop the run at any step that meets the image."""
    folder = tmp_path / "my"
    folder.mkdir()
    for number in range(8):
        side = 16 if number % 2 else 48
        Image.fromarray(np.full((side, side), 30 * number, np.uint8)).save(folder / f"{number}.png")
    rows = [f"{number}.png,a b c" for number in range(8)]
    (folder / "metadata.csv").write_text("\n".join(["file_name,labels", *rows]))
    recipe = tiny("mcmil", tmp_path)
    data = DataConfig(folder=str(folder), validation_share=0.25)
    recipe = replace(recipe, data=data, model=recipe.model | {"object_size": 10})
    train(recipe, tmp_path / "run", progress=False)
    told = (tmp_path / "run" / "problems.txt").read_text().splitlines()
    assert 2 <= len(told) <= 4
    assert all(
        sentence.endswith("has 3 classes, and one of 16×16 pixels can teach 1 at most; enlarge it, or cut it in parts.")
        for sentence in told
    )
    small = replace(recipe, data=replace(recipe.data, folder=str(tmp_path / "small")))
    (tmp_path / "small").mkdir()
    for number in (1, 3):
        (tmp_path / "small" / f"{number}.png").write_bytes((folder / f"{number}.png").read_bytes())
    (tmp_path / "small" / "metadata.csv").write_text("file_name,labels\n1.png,a b\n3.png,a b\n")
    with pytest.raises(BoxlessError, match=r"can be learned from; the first: .* has 2 classes"):
        train(small, tmp_path / "none", progress=False)


@pytest.mark.parametrize("method", ["mist-classify", "tusk"])
def test_images_of_fewer_pixels_than_keypoints_are_passed_over(method: str, tmp_path: Path) -> None:
    folder = tmp_path / "my"
    folder.mkdir()
    for number in range(8):
        side = 5 if number % 2 else 40
        Image.fromarray(np.full((side, side), 30 * number, np.uint8)).save(folder / f"{number}.png")
    rows = [f"{number}.png,a" for number in range(8)]
    (folder / "metadata.csv").write_text("\n".join(["file_name,labels", *rows]))
    recipe = tiny(method, tmp_path)
    data = DataConfig(folder=str(folder), validation_share=0.25)
    recipe = replace(recipe, data=data, model=recipe.model | {"object_size": 10, "instances": 30})
    train(recipe, tmp_path / "run", progress=False)
    told = (tmp_path / "run" / "problems.txt").read_text().splitlines()
    few = "has 5×5 pixels, and 30 at least are needed to learn from it; enlarge it, or leave it out."
    assert 2 <= len(told) <= 4
    assert all(sentence.endswith(few) for sentence in told)


def test_a_validation_that_is_not_finite_ends_the_run_with_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(TrainingModule, "own_measures", lambda self: {"val/score": float("nan")})
    with pytest.raises(BoxlessError, match="What is validated is not finite at step 2; lower the learning rates"):
        train(tiny_recipe(), tmp_path, progress=False)

"""Whole runs of TUSK: on scenes, on images alone, on shapes with masks; stopped, resumed, evaluated."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from boxless import load
from boxless.cli.main import main
from boxless.data.glyphs import load_glyphs
from boxless.data.scenes import LAYOUTS, SceneGenerator
from boxless.engine.evaluation import evaluate
from boxless.engine.recipe import DataConfig
from boxless.engine.records import read_metrics
from boxless.engine.run import train
from boxless.methods.tusk.model import Tusk
from tests.engine.tiny import tiny_tusk


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of two epochs."""
    out = tmp_path_factory.mktemp("tusk") / "whole"
    train(tiny_tusk(), out, progress=False)
    return out


def test_another_seed_is_another_training(whole: Path, tmp_path: Path) -> None:
    train(tiny_tusk(seed=1, steps=2), tmp_path, progress=False)
    first, other = (read_metrics(run)[0]["loss/features"] for run in (whole, tmp_path))
    assert first != other


def test_a_trained_run_finds_digits_by_the_names_of_their_classes(whole: Path) -> None:
    model = load(whole)
    assert isinstance(model, Tusk)
    scenes = SceneGenerator(load_glyphs("digits", "test"), LAYOUTS["mnist-3"]).compose(torch.arange(2))
    found = model.detect(list(scenes.images), k=3)
    assert [len(one) for one in found] == [3, 3]
    for one in found:
        assert one.class_names == tuple("0123456789")
        assert one.descriptors is not None
        assert one.descriptors.shape == (len(one), 6)
    assert len(set(model.class_of.tolist())) == 5  # one prototype to one class


def test_what_is_logged_tells_of_the_clusters(whole: Path) -> None:
    rows = read_metrics(whole)
    assert len(rows) == 2
    losses = {"loss/reconstruction", "loss/kmeans", "loss/squares", "loss/heatmap", "loss/features", "loss/information"}
    clusters = {"descriptors/spread", "descriptors/dimensions", "prototypes/spread", "prototypes/used"}
    shares = {"prototypes/largest_share", "prototypes/smallest_share"}
    measures = {"val/localization", "val/classification", "val/both", "val/rmse", "val/objective", "val/score"}
    assert losses | clusters | shares | measures <= rows[0].keys()
    for early, row in ((1.0, rows[0]), (0.0, rows[1])):  # clusters are sought from the third of four steps on
        assert row["val/score"] == pytest.approx(-row["val/objective"] - early, abs=2e-6)
        assert 0.2 <= row["prototypes/used"] <= 1
        assert row["prototypes/smallest_share"] <= 0.2 <= row["prototypes/largest_share"]


def test_evaluation_knows_the_classes(whole: Path) -> None:
    found = evaluate(whole, DataConfig(layout="mnist-3", glyphs="digits"), images=4)
    assert found.class_names == tuple("0123456789")
    assert {"localization", "classification", "both", "rmse"} <= found.metrics().keys()
    assert found.ari is None


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of images, and nothing else."""
    root = tmp_path_factory.mktemp("my")
    scenes = SceneGenerator(load_glyphs("digits", "train"), LAYOUTS["mnist-3"]).compose(torch.arange(8))
    for index, image in enumerate(scenes.images[:, 0, :, : 60 + 0]):
        Image.fromarray((image[: 50 + 2 * index] * 255).byte().numpy()).save(root / f"{index}.png")
    return root


def test_images_alone_are_enough(images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """By the command line: no label, no class; K and a rough size are all that is told."""
    settings = "{instances: 3, object_size: 20, net_channels: [4, 6, 8], descriptor_size: 6, prototypes: 4}"
    (tmp_path / "mine.yaml").write_text(
        f"model: {settings}\ntraining: {{prototype_steps: 1, averaging: 0.5}}\n"
        "run: {steps: 2, steps_per_epoch: 1, batch_size: 2, compile: false}\n"
    )
    out = tmp_path / "run"
    assert (
        main(["train", "tusk", "--data", str(images), "--config", str(tmp_path / "mine.yaml"), "--out", str(out)]) == 0
    )
    told = capsys.readouterr()
    assert "RMSE" in told.out
    assert "Classif." not in told.out
    model = load(out)
    assert model.config.class_names == ("kind 0", "kind 1", "kind 2", "kind 3")
    assert not model.knows_classes
    rows = read_metrics(out)
    assert all(np.isfinite(list(row.values())).all() for row in rows)
    assert "val/classification" not in rows[0]
    assert main(["evaluate", str(out), "--data", str(images)]) == 0
    assert "RMSE of the images rebuilt" in capsys.readouterr().out
    assert main(["detect", str(out), str(images), "--out", str(tmp_path / "found.json")]) == 0


def test_a_folder_without_labels_needs_the_number_of_objects(images: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "tusk", "--data", str(images)]) == 2
    assert "--model.instances 9" in capsys.readouterr().err


def test_labels_without_places_name_the_prototypes(images: Path, tmp_path: Path) -> None:
    folder = tmp_path / "labelled"
    folder.mkdir()
    rows = ["file_name,labels"]
    for index, path in enumerate(sorted(images.iterdir())):
        (folder / path.name).write_bytes(path.read_bytes())
        rows.append(f"{path.name},{'dog cat' if index % 2 else 'cat cat'}")
    (folder / "metadata.csv").write_text("\n".join(rows) + "\n")
    recipe = tiny_tusk(data={"folder": str(folder)}, model={"object_size": 20.0}, steps=2)
    train(recipe, tmp_path / "run", progress=False)
    model = load(tmp_path / "run")
    assert model.config.class_names == ("cat", "dog")
    assert isinstance(model, Tusk)
    assert set(model.class_of.tolist()) == {0, 1}


def test_shapes_are_segmented_and_their_attributes_told(tmp_path: Path) -> None:
    recipe = tiny_tusk(
        data={"layout": "sprites", "counts": [2, 3]},
        model={"channels": 3, "masks": True, "prototypes": 48, "kernel_size": 11, "object_size": 13.0},
        steps=2,
    )
    train(recipe, tmp_path, progress=False)
    found = evaluate(tmp_path, recipe.data, images=3)
    assert {"ari", "shape", "color", "size"} <= found.metrics().keys()
    assert found.ari is not None
    assert -1 <= found.ari <= 1
    masks = [one.masks for one in found.predicted]
    assert all(mask is not None and mask.shape[1:] == (64, 64) for mask in masks)

"""A folder of six labelled images, and trainings of two steps on it and on scenes; each is made once a session."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from PIL import Image

from boxless.cli.main import main
from boxless.data.glyphs import load_glyphs
from boxless.data.scenes import LAYOUTS, SceneGenerator

TINY = """
method: mist-classify
data: {layout: mnist-3, glyphs: digits, validation_size: 4, train_size: 16}
model: {heatmap_channels: 4, heatmap_blocks: 1, patch_size: 8, classifier_channels: [4, 4, 4], instances: 3}
training: {warmup: 1, averaging: 0.5}
run: {steps: 2, steps_per_epoch: 1, batch_size: 2, compile: false}
"""


@pytest.fixture(scope="session")
def tiny_recipe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("recipes") / "tiny.yaml"
    path.write_text(TINY)
    return path


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Scenes of one to three digits with metadata.csv, labels alone."""
    root = tmp_path_factory.mktemp("my")
    layout = LAYOUTS["mnist-3"]
    scenes = SceneGenerator(load_glyphs("digits", "train"), layout).compose(torch.arange(6))
    rows = ["file_name,labels"]
    for index, (image, labels) in enumerate(zip(scenes.images, scenes.labels.tolist(), strict=True)):
        Image.fromarray((image[0] * 255).byte().numpy()).save(root / f"{index}.png")
        rows.append(f"{index}.png,{' '.join(map(str, labels))}")
    rows[1] = rows[1][: rows[1].rindex(" ")]  # one label fewer: the number of objects varies
    (root / "metadata.csv").write_text("\n".join(rows) + "\n")
    return root


@pytest.fixture(scope="session")
def scenes_run(tmp_path_factory: pytest.TempPathFactory, tiny_recipe: Path) -> Path:
    """A run on scenes of digits."""
    out = tmp_path_factory.mktemp("runs") / "scenes"
    assert main(["train", str(tiny_recipe), "--out", str(out)]) == 0
    return out


@pytest.fixture
def fails(capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Run a command line that is wrong; the sentence it ends with."""

    def sentence(*arguments: str) -> str:
        capsys.readouterr()
        assert main(arguments) == 2
        told = capsys.readouterr().err.splitlines()
        assert [line.startswith("boxless: ") for line in told].count(True) == 1
        assert "Traceback" not in " ".join(told)
        return told[-1]

    return sentence

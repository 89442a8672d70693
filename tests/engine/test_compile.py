"""When networks are compiled without being asked."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from torch import nn

from boxless.engine import run
from boxless.engine.run import build
from boxless.methods.mist.classification.training import MistClassifierTraining
from tests.engine.tiny import tiny_recipe


def folder(root: Path, *heights: int) -> str:
    for number, height in enumerate(heights):
        Image.fromarray(np.full((height, 40), 10 * number, np.uint8)).save(root / f"{number}.png")
    rows = "".join(f"{number}.png,one\n" for number in range(len(heights)))
    (root / "metadata.csv").write_text(f"file_name,labels\n{rows}", encoding="utf-8")
    return str(root)


def is_compiled(data: dict[str, object], steps: int) -> bool:
    recipe = tiny_recipe(steps=steps, compile=None)
    training, _ = build(replace(recipe, data=replace(recipe.data, **data)))  # type: ignore[arg-type]
    assert isinstance(training, MistClassifierTraining)
    network: nn.Module = training._networks["heatmap"]
    return hasattr(network, "_orig_mod")


@pytest.mark.filterwarnings("ignore::DeprecationWarning:torch")
def test_long_trainings_on_images_of_one_size_are_compiled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "can_compile", lambda device: True)
    assert is_compiled({}, steps=500)
    assert not is_compiled({}, steps=498)
    for name, heights, expected in (("equal", (30, 30, 30), True), ("unequal", (30, 31, 32), False)):
        (tmp_path / name).mkdir()
        assert is_compiled({"folder": folder(tmp_path / name, *heights)}, steps=500) == expected

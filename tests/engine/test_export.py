"""Exported models against the models themselves, by onnxruntime on images that are not square."""

import json
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from boxless.data.glyphs import load_glyphs
from boxless.data.scenes import LAYOUTS, SceneGenerator
from boxless.engine import export as module
from boxless.engine.export import export
from boxless.errors import BoxlessError
from boxless.methods import detector
from boxless.methods.detector import Detector
from boxless.models import load, shipped_models
from tests.methods.mist.small import small_model

onnxruntime = pytest.importorskip("onnxruntime")


@pytest.fixture(autouse=True)
def _in_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    """As the exported graph computes."""
    monkeypatch.setattr(detector, "autocast", lambda _: nullcontext())


def scenes(number: int) -> Tensor:
    """(number, 1, 72, 80) of digits."""
    generator = SceneGenerator(load_glyphs("digits", "test"), LAYOUTS["mnist-3"], seed=5, stream=2)
    return generator.compose(torch.arange(number)).images[:, :, 4:76]


def said(file: Path, images: Tensor) -> dict[str, NDArray[Any]]:
    """What the file says of these images."""
    session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(None, {"images": images.numpy()}), strict=True))


def assert_found(outputs: dict[str, NDArray[Any]], model: Detector, images: Tensor) -> None:
    """Candidates that are kept are what the model detects in each image, in its order.

    But for those of no height at all: where a heatmap is flat, peaks are a matter of rounding.
    """
    assert len(outputs["keep"]) == len(images)
    for number, found in enumerate(model.detect(list(images))):
        keep, expected = outputs["keep"][number] & (outputs["scores"][number] > 1e-3), found.above(1e-3)
        assert len(expected) == keep.sum() > 0
        np.testing.assert_array_equal(outputs["labels"][number][keep], expected.labels)
        np.testing.assert_allclose(outputs["centers"][number][keep], expected.centers, atol=1e-2)
        np.testing.assert_allclose(outputs["sizes"][number][keep], expected.sizes, rtol=1e-3)
        np.testing.assert_allclose(outputs["scores"][number][keep], expected.scores, atol=1e-3)


@pytest.mark.parametrize("name", [name for name in shipped_models() if name != "mcmil-mnist"])
def test_a_shipped_model_finds_the_same_as_a_file(name: str, tmp_path: Path) -> None:
    model, images = load(name), scenes(2)
    names = export(name, tmp_path / "model.onnx", (72, 80), batch_size=2)
    outputs = said(tmp_path / "model.onnx", images)
    assert list(outputs) == names
    assert_found(outputs, model, images)


def test_a_map_of_classes_says_what_is_where(tmp_path: Path) -> None:
    """Grouped by hand: where each digit of a scene is, its class is likely."""
    model, images = load("mcmil-mnist"), scenes(1)
    export(model, tmp_path / "model.onnx", (72, 80))
    outputs = said(tmp_path / "model.onnx", images)
    with torch.no_grad():
        np.testing.assert_allclose(outputs["probabilities"], model(images).probabilities, atol=1e-4)
        np.testing.assert_allclose(outputs["presence"], model(images).presence(), atol=1e-4)
    (found,) = model.detect(list(images))
    assert len(found) == 3
    for (x, y), label in zip(found.centers, found.labels, strict=True):
        row, column = np.abs(outputs["y"] - y).argmin(), np.abs(outputs["x"] - x).argmin()
        assert abs(outputs["y"][row] - y) <= 2
        assert abs(outputs["x"][column] - x) <= 2
        around = outputs["probabilities"][0, :-1, max(0, row - 2) : row + 3, max(0, column - 2) : column + 3]
        assert around.sum((1, 2)).argmax() == label
        assert around.sum() > 0.5


@pytest.mark.parametrize("given", [{"shrink": 0.5}, {"scales": (1.0, 1.5)}, {"background": True}])
def test_what_an_image_is_brought_to_is_in_the_graph(given: dict[str, Any], tmp_path: Path) -> None:
    """Shrunk images, resized ones of larger scales, and background left out; places are those of the image given."""
    model = small_model(1, **given)
    images = torch.rand(1, 1, 48, 66, generator=torch.Generator().manual_seed(2))
    export(model, tmp_path / "model.onnx", (48, 66))
    assert_found(said(tmp_path / "model.onnx", images), model, images)


def test_what_else_one_has_to_know_stands_in_the_file(tmp_path: Path) -> None:
    model = small_model()
    model.calibrated_threshold = 0.25
    export(model, tmp_path / "model.onnx", (24, 30))
    session = onnxruntime.InferenceSession(str(tmp_path / "model.onnx"), providers=["CPUExecutionProvider"])
    metadata = session.get_modelmeta().custom_metadata_map
    assert metadata["method"] == "mist-classify"
    assert json.loads(metadata["class_names"]) == ["a", "b", "c"]
    assert float(metadata["threshold"]) == 0.25
    assert [tuple(given.shape) for given in session.get_inputs()] == [(1, 1, 24, 30)]


def test_a_missing_package_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "find_spec", lambda name: None if name == "onnxscript" else name)
    with pytest.raises(BoxlessError, match=r"need the package onnxscript: pip install 'boxless\[onnx\]'"):
        export(small_model(), tmp_path / "model.onnx", (24, 30))


def test_images_without_a_pixel_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BoxlessError, match="at least 1, not 0, 30 and 1"):
        export(small_model(), tmp_path / "model.onnx", (0, 30))


def test_what_cannot_be_exported_leaves_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_program", lambda *_: (_ for _ in ()).throw(RuntimeError("no such operator\nat all")))
    with pytest.raises(BoxlessError, match=r"This mist-classify model cannot be written as ONNX \(no such operator\)"):
        export(small_model(), tmp_path / "model.onnx", (24, 30))
    assert not list(tmp_path.iterdir())

"""Models on disk: the same outputs, and one sentence for whatever is broken."""

import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from boxless.errors import BoxlessError
from boxless.methods.mist.classification.model import MistClassifier
from tests.methods.mist.small import small_model

pytestmark = pytest.mark.usefixtures("exact")

IMAGES = torch.rand(2, 1, 30, 41, generator=torch.Generator().manual_seed(0))


def saved(directory: Path, **given: Any) -> MistClassifier:
    """A small model whose statistics and counters are not those of a new one, saved."""
    model = small_model(**given).channels_last()
    model.train()(IMAGES)
    model.peak_height = torch.tensor(0.3)
    model.eval().save(directory)
    return model


def change(directory: Path, **settings: Any) -> None:
    """Other values in the config of a saved model."""
    path = directory / "model.json"
    description = json.loads(path.read_text())
    description["config"] |= settings
    path.write_text(json.dumps(description))


def error_of(directory: Path) -> str:
    with pytest.raises(BoxlessError) as caught:
        MistClassifier.load(directory)
    message = str(caught.value)
    assert "\n" not in message
    assert str(directory) in message
    return message


def test_a_loaded_model_gives_the_same_to_the_bit(tmp_path: Path) -> None:
    model = saved(tmp_path / "new" / "folder", background=True, max_side=50)
    loaded = MistClassifier.load(tmp_path / "new" / "folder")
    assert loaded.config == model.config
    assert not loaded.training
    with torch.inference_mode():
        ours, theirs = model(IMAGES), loaded(IMAGES)
    for name, value in vars(ours).items():
        assert torch.equal(value, getattr(theirs, name)), name
    found, expected = loaded.detect(list(IMAGES)), model.detect(list(IMAGES))
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one.centers, other.centers)
        np.testing.assert_array_equal(one.scores, other.scores)


def test_half_the_bytes_give_nearly_the_same(tmp_path: Path) -> None:
    model = saved(tmp_path / "whole")
    model.save(tmp_path / "half", half=True)
    loaded = MistClassifier.load(tmp_path / "half")
    assert all(parameter.dtype == torch.float32 for parameter in loaded.parameters())
    with torch.inference_mode():
        ours, theirs = model(IMAGES), loaded(IMAGES)
    torch.testing.assert_close(theirs.heatmap, ours.heatmap, rtol=0.05, atol=2e-3)
    torch.testing.assert_close(theirs.logits, ours.logits, rtol=0.05, atol=5e-3)
    stored = [tensor for tensor in load_file(tmp_path / "half" / "model.safetensors").values() if tensor.ndim]
    assert stored
    assert all(tensor.dtype == torch.float16 for tensor in stored)


def test_the_threshold_that_counts_best_travels_with_the_model(tmp_path: Path) -> None:
    model = saved(tmp_path)
    assert MistClassifier.load(tmp_path).calibrated_threshold is None
    weights = (tmp_path / "model.safetensors").read_bytes()
    model.calibrated_threshold = 0.37
    model.save_description(tmp_path)
    assert MistClassifier.load(tmp_path).calibrated_threshold == 0.37
    assert (tmp_path / "model.safetensors").read_bytes() == weights


def test_a_model_of_before_there_were_thresholds_has_none(tmp_path: Path) -> None:
    saved(tmp_path)
    description = json.loads((tmp_path / "model.json").read_text())
    del description["threshold"]
    (tmp_path / "model.json").write_text(json.dumps(description))
    assert MistClassifier.load(tmp_path).calibrated_threshold is None


def test_a_model_of_before_there_was_a_peak_strength_finds_peaks_as_it_did(tmp_path: Path) -> None:
    saved(tmp_path, softmax_strength=7.0, peak_strength=7.0)
    path = tmp_path / "model.json"
    description = json.loads(path.read_text())
    del description["config"]["peak_strength"]
    path.write_text(json.dumps(description))
    assert MistClassifier.load(tmp_path).config.peak_strength == 7.0
    change(tmp_path, peak_strength=2.0)
    assert MistClassifier.load(tmp_path).config.peak_strength == 2.0


@pytest.mark.parametrize("threshold", [1.5, -0.1, True, "0.4", [0.4], float("nan")])
def test_a_threshold_that_is_no_score_is_named(threshold: object, tmp_path: Path) -> None:
    saved(tmp_path)
    description = json.loads((tmp_path / "model.json").read_text()) | {"threshold": threshold}
    (tmp_path / "model.json").write_text(json.dumps(description))
    assert "no score in [0, 1]" in error_of(tmp_path)


def test_saving_again_replaces_the_model_and_leaves_nothing_else(tmp_path: Path) -> None:
    saved(tmp_path)
    model = saved(tmp_path, seed=1)
    assert torch.equal(
        MistClassifier.load(tmp_path).state_dict()["heatmap_net.enter.weight"], model.heatmap_net.enter.weight
    )
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model.json", "model.safetensors"]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"heatmap_channels": 8}, "does not fit the configuration"),
        ({"class_names": ["a", "b"]}, "does not fit the configuration"),
        ({"classifier_channels": [4, 4, 5]}, "does not fit the configuration"),
        ({"heatmap_channels": 10**7}, "does not fit the configuration"),
        ({"heatmap_channels": 0}, "heatmap_channels"),
        ({"heatmap_channels": -4}, "heatmap_channels"),
        ({"classifier_channels": [4, -4, 4]}, "classifier_channels"),
        ({"softmax_size": 6}, "softmax_size"),
        ({"suppression_size": 0}, "suppression_size"),
        ({"refine_size": 2}, "refine_size"),
        ({"peak_strength": 0.0}, "peak_strength"),
        ({"border": -1}, "border"),
        ({"object_size": 0.0}, "object_size"),
        ({"object_size": float("nan")}, "object_size"),
        ({"max_side": 0}, "max_side"),
        ({"shrink": 2.0}, "shrink"),
        ({"patch_size": 16}, "patch_size must be 8"),
        ({"channels": 2}, "channels must be 1"),
        ({"instances": 0}, "at least one instance"),
        ({"class_names": []}, "one class name"),
        ({"class_names": "abc"}, "class_names is 'abc'"),
        ({"class_names": ["a", "a", "b"]}, "class_names"),
        ({"instances": True}, "instances is True"),
        ({"object_size": "8"}, "object_size is '8'"),
        ({"import": "os.system"}, "unknown import"),
    ],
)
def test_a_config_that_was_tampered_with_is_named(settings: dict[str, Any], message: str, tmp_path: Path) -> None:
    saved(tmp_path)
    change(tmp_path, **settings)
    assert message in error_of(tmp_path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "is broken"),
        ("[1, 2]", "does not name a method"),
        ('{"method": "mist-classify"}', "does not name a method"),
        ('{"method": ["mist-classify"], "config": {}}', "does not name a method"),
        ('{"method": "mist-classify", "config": {}}', "lacks class_names"),
        ('{"method": "tusk", "config": {}}', "holds a tusk model"),
        ("\x00\x80", "is broken"),
    ],
)
def test_a_broken_description_is_named(text: str, message: str, tmp_path: Path) -> None:
    saved(tmp_path)
    (tmp_path / "model.json").write_bytes(text.encode("latin-1"))
    assert message in error_of(tmp_path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    saved(tmp_path)
    (tmp_path / "model.safetensors").unlink()
    assert "There is no" in error_of(tmp_path)
    (tmp_path / "model.json").unlink()
    assert "no model directory" in error_of(tmp_path)


def test_a_missing_or_foreign_tensor_is_refused(tmp_path: Path) -> None:
    saved(tmp_path)
    path = tmp_path / "model.safetensors"
    weights = load_file(path)
    save_file({name: tensor for name, tensor in weights.items() if name != "peak_height"}, path)
    assert "does not fit" in error_of(tmp_path)
    save_file(weights | {"more": torch.zeros(3)}, path)
    assert "does not fit" in error_of(tmp_path)
    save_file(weights | {"heatmap_net.leave.bias": torch.zeros(2)}, path)
    assert "does not fit" in error_of(tmp_path)


class _Bomb:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (exec, ("raise SystemExit('executed')",))


def test_a_pickle_in_the_place_of_the_weights_is_not_opened(tmp_path: Path) -> None:
    saved(tmp_path)
    path = tmp_path / "model.safetensors"
    path.write_bytes(pickle.dumps(_Bomb()))
    assert "is broken" in error_of(tmp_path)
    torch.save({"weights": _Bomb()}, path)
    assert "is broken" in error_of(tmp_path)


def test_weights_that_were_cut_off_are_refused(tmp_path: Path) -> None:
    saved(tmp_path)
    path = tmp_path / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-100])
    assert "is broken" in error_of(tmp_path)


def test_a_description_that_is_too_deep_is_broken(tmp_path: Path) -> None:
    saved(tmp_path)
    (tmp_path / "model.json").write_text("[" * 100_000)
    assert "is broken" in error_of(tmp_path)

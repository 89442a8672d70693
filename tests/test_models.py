from pathlib import Path

import pytest
import torch

from boxless import models
from boxless.engine.evaluation import evaluate
from boxless.engine.recipe import DataConfig
from boxless.errors import BoxlessError
from boxless.methods.mist.classification.model import MistClassifier
from boxless.models import SHIPPED, load, shipped_models
from tests.methods.mist.small import small_model


@pytest.fixture
def shipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package that ships the models "first" and "second"."""
    for seed, name in enumerate(("second", "first")):
        small_model(seed).save(tmp_path / "shipped" / name)
    (tmp_path / "shipped" / "no model").mkdir()
    monkeypatch.setattr(models, "SHIPPED", tmp_path / "shipped")
    return tmp_path / "shipped"


def assert_equal(model: object, expected: MistClassifier) -> None:
    assert isinstance(model, MistClassifier)
    state = expected.state_dict()
    assert all(torch.equal(tensor, state[name]) for name, tensor in model.state_dict().items())
    assert not model.training


def test_a_directory_is_loaded(tmp_path: Path) -> None:
    small_model(3).save(tmp_path / "a run")
    assert_equal(load(tmp_path / "a run"), small_model(3))
    assert_equal(load(str(tmp_path / "a run")), small_model(3))


@pytest.mark.usefixtures("shipped")
def test_a_shipped_model_is_loaded_by_its_name() -> None:
    assert shipped_models() == ["first", "second"]
    assert_equal(load("second"), small_model(0))
    assert_equal(load("first"), small_model(1))


@pytest.mark.usefixtures("shipped")
@pytest.mark.parametrize("name", ["third", "no model", "../shipped/first", "", "first/model.json"])
def test_an_unknown_name_lists_the_shipped_models(name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path / "shipped" / "no model")
    with pytest.raises(BoxlessError) as caught:
        load(name or "nothing")
    assert "there are: first, second" in str(caught.value)


@pytest.mark.usefixtures("shipped")
def test_a_folder_of_the_name_of_a_shipped_model_goes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small_model(5).save(tmp_path / "here" / "first")
    monkeypatch.chdir(tmp_path / "here")
    assert_equal(load("first"), small_model(5))


def test_a_folder_without_a_model_is_named(tmp_path: Path) -> None:
    with pytest.raises(BoxlessError, match=r"no model directory: it has no model\.json; give a run or a saved model"):
        load(tmp_path)


@pytest.mark.parametrize("name", shipped_models())
def test_every_shipped_model_finds_digits_that_it_has_never_seen_the_like_of(name: str) -> None:
    """They learned from MNIST; these are scikit-learn's, of 8 by 8 pixels, enlarged."""
    detector = load(name)
    reached = evaluate(detector, DataConfig(layout="mnist-3", glyphs="digits"), images=24)
    assert reached.detection is not None
    wanted = reached.detection.both if detector.labels_are == "needed" else reached.detection.localization
    assert wanted > 0.75


@pytest.mark.parametrize("name", shipped_models())
def test_every_shipped_model_is_small(name: str) -> None:
    limit = 3e6 if name == "mist-classify-mnist" else 5e6
    assert sum(file.stat().st_size for file in (SHIPPED / name).iterdir()) < limit


@pytest.mark.parametrize("name", shipped_models())
def test_every_shipped_model_takes_an_image_that_is_no_square(name: str) -> None:
    found = load(name).detect(torch.zeros(80, 90))
    assert found.image_size == (80, 90)
    assert found.class_names is not None


def test_a_file_of_a_run_is_no_model(tmp_path: Path) -> None:
    (tmp_path / "best.ckpt").write_text("")
    with pytest.raises(BoxlessError, match=r"best\.ckpt is a file; give the folder"):
        load(tmp_path / "best.ckpt")


def test_what_is_no_name_is_told() -> None:
    with pytest.raises(BoxlessError, match="or the name of a shipped model, not None"):
        load(None)  # type: ignore[arg-type]

from pathlib import Path

import pytest
import torch
from tests.data.svhn_files import small_svhn

from boxless.data.gabor import GaborGenerator, GaborNoise
from boxless.data.generators import SCENES, Generator, generator_of
from boxless.data.glyphs import load_glyphs
from boxless.data.house_digits import load_house_digits
from boxless.data.house_numbers import HouseNumberGenerator, HouseNumberLayout
from boxless.data.scaled_scenes import ScaledLayout, ScaledSceneGenerator
from boxless.data.scenes import LAYOUTS, SceneGenerator
from boxless.data.shape_scenes import ShapeLayout, ShapeSceneGenerator
from boxless.data.varying_scenes import VaryingLayout, VaryingSceneGenerator

GLYPHS = load_glyphs("digits", "test")


@pytest.fixture(autouse=True)
def svhn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small_svhn(tmp_path / "svhn")
    monkeypatch.setenv("BOXLESS_DATA", str(tmp_path))


def test_every_kind_of_layout_has_its_generator_with_seed_and_stream() -> None:
    indices = torch.arange(3)
    pairs: list[tuple[str, Generator]] = [
        ("mnist-hard", SceneGenerator(GLYPHS, LAYOUTS["mnist-hard"], 4, 2)),
        ("mnist-scales", ScaledSceneGenerator(GLYPHS, ScaledLayout(), 4, 2)),
        ("extended-mnist", VaryingSceneGenerator(GLYPHS, VaryingLayout(), 4, 2)),
        ("gabor-16", GaborGenerator(GaborNoise(counts=(16,)), 4, 2)),
        ("gabor-36", GaborGenerator(GaborNoise(counts=(36,)), 4, 2)),
        ("tetrominoes", ShapeSceneGenerator(ShapeLayout("tetrominoes", (3,), 112), 4, 2)),
        ("tetrominoes-35", ShapeSceneGenerator(ShapeLayout("tetrominoes", (3,), 35), 4, 2)),
        ("sprites", ShapeSceneGenerator(ShapeLayout("sprites", (1, 2, 3, 4, 5, 6), 64), 4, 2)),
        ("svhn", HouseNumberGenerator(load_house_digits("test"), HouseNumberLayout(), 4, 2)),
    ]
    for name, direct in pairs:
        assert torch.equal(
            generator_of(SCENES[name], GLYPHS, 4, 2).compose(indices).images, direct.compose(indices).images
        )


@pytest.mark.parametrize("name", SCENES)
def test_images_of_every_name_are_what_methods_expect(name: str) -> None:
    generator = generator_of(SCENES[name], GLYPHS)
    batch = generator.compose(torch.arange(4))
    assert batch.images.dtype == torch.float32
    assert batch.images.shape[1] == (3 if isinstance(SCENES[name], ShapeLayout | HouseNumberLayout) else 1)
    assert batch.images.min() >= 0
    assert 0.5 < batch.images.max() <= 1
    assert batch.centers is not None
    assert batch.sizes is not None
    assert batch.centers.shape == batch.sizes.shape == (*batch.labels.shape, 2)
    assert batch.centers.dtype == batch.sizes.dtype == torch.float32
    assert batch.labels.max() < len(generator.class_names)
    assert set((batch.labels >= 0).sum(1).tolist()) <= set(SCENES[name].counts)

"""Coloured shapes as batches: the same scenes, with classes, places and segments that fit them."""

from typing import Any

import pytest
import torch

from boxless.data.generators import SCENES
from boxless.data.shape_scenes import ShapeLayout, ShapeSceneGenerator, attributes_of
from boxless.data.sprites import SpriteGenerator
from boxless.data.tetrominoes import TetrominoGenerator
from boxless.errors import BoxlessError

INDICES = torch.arange(6)


def layout(name: str) -> ShapeLayout:
    found = SCENES[name]
    assert isinstance(found, ShapeLayout)
    return found


@pytest.mark.parametrize(("name", "classes"), [("tetrominoes", 114), ("sprites", 48)])
def test_a_class_is_the_combination_of_the_attributes(name: str, classes: int) -> None:
    generator = ShapeSceneGenerator(layout(name), 5, 2)
    own: Any = TetrominoGenerator(5, 2) if name == "tetrominoes" else SpriteGenerator(layout(name).counts, 5, 2)
    scenes, batch = own.compose(INDICES), generator.compose(INDICES)
    assert len(set(generator.class_names)) == classes
    for b in range(6):
        for n in range(scenes.present.shape[1]):
            if not scenes.present[b, n]:
                assert batch.labels[b, n] == -1
                continue
            words = [scenes.attribute_names[a][scenes.attributes[a][b, n]] for a in attributes_of(name)]
            assert generator.class_names[batch.labels[b, n]] == " ".join(words)


def test_scenes_of_their_own_size_are_those_of_the_generator() -> None:
    scenes = SpriteGenerator((2, 3), 0, 1).compose(INDICES)
    batch = ShapeSceneGenerator(ShapeLayout("sprites", (2, 3), 64), 0, 1).compose(INDICES)
    assert torch.equal(batch.images, scenes.images)
    assert torch.equal(batch.centers, scenes.centers)
    assert batch.segments is not None
    for n in range(3):
        assert torch.equal(batch.segments == n + 1, scenes.masks[:, n])


def test_enlarged_pieces_fill_their_boxes() -> None:
    """35 pixels become 70: the box of each piece is that of its segment, to the pixel."""
    batch = ShapeSceneGenerator(ShapeLayout("tetrominoes", (3,), 70)).compose(INDICES)
    assert batch.images.shape == (6, 3, 70, 70)
    assert batch.segments is not None
    assert batch.centers is not None
    assert batch.sizes is not None
    for b in range(6):
        for n in range(3):
            rows, columns = torch.nonzero(batch.segments[b] == n + 1, as_tuple=True)
            middle = torch.stack((columns.min() + columns.max(), rows.min() + rows.max())) / 2
            size = torch.stack((columns.max() - columns.min(), rows.max() - rows.min())) + 1
            torch.testing.assert_close(batch.centers[b, n], middle)
            torch.testing.assert_close(batch.sizes[b, n], size.float())
    colored = batch.images.amax(1) > 0.5
    assert (colored == (batch.segments > 0)).float().mean() > 0.99


def test_there_are_always_three_tetrominoes() -> None:
    with pytest.raises(BoxlessError, match="three tetrominoes"):
        ShapeSceneGenerator(ShapeLayout("tetrominoes", (2,), 35))

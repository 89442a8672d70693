"""Scenes of coloured shapes as batches to train and evaluate on: a class is a combination of attributes.

Conventions
    Places are (x, y) in pixels, x right, y down, the centre of the top-left pixel at (0, 0). Where scenes are enlarged,
    their corners stay corners.
"""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from boxless.data import sprites, tetrominoes
from boxless.data.attributes import combinations
from boxless.data.batch import Batch
from boxless.data.resize import centers_to_fitted, sizes_to_fitted
from boxless.data.shapes import ShapeScenes
from boxless.data.sprites import SpriteGenerator
from boxless.data.tetrominoes import TetrominoGenerator, tetromino_shapes
from boxless.errors import BoxlessError

NATIVE_SIDE = {"tetrominoes": tetrominoes.SIDE, "sprites": sprites.SIDE}


@dataclass(frozen=True)
class ShapeLayout:
    """Coloured shapes on black (PROTOCOL §1).

    Attributes:
        kind: "tetrominoes", three of 19 shapes in 6 colours that do not touch; or "sprites", 3 shapes in 8 colours and
            2 sizes that cover each other.
        counts: how many objects; one of these, each as likely. Tetrominoes are always three.
        side: of the square image, in pixels; the scenes are resized to it, bilinear.
        channels: of the images.
    """

    kind: Literal["tetrominoes", "sprites"]
    counts: tuple[int, ...]
    side: int
    channels: int = 3


def attributes_of(kind: str) -> dict[str, tuple[str, ...]]:
    """The values of each attribute of an object; a class is a combination, the last changing first."""
    if kind == "tetrominoes":
        return {"shape": tetromino_shapes()[1], "color": tuple(tetrominoes.COLORS)}
    return {"shape": sprites.SHAPES, "color": tuple(sprites.COLORS), "size": tuple(sprites.SIZES)}


class ShapeSceneGenerator:
    """Composes scenes by index; the same index is the same scene, in whatever batch.

    Args:
        layout: what is laid down.
        seed: another seed, other scenes.
        stream: keeps uses apart (training, validation, test).

    Raises:
        BoxlessError: tetrominoes of another number than three, or a number of sprites that cannot be.
    """

    def __init__(self, layout: ShapeLayout, seed: int = 0, stream: int = 0) -> None:
        if layout.kind == "tetrominoes" and layout.counts != (tetrominoes.OBJECTS,):
            raise BoxlessError(f"A scene holds three tetrominoes, not {layout.counts}; leave counts out.")
        self.layout = layout
        self.attributes = attributes_of(layout.kind)
        self.class_names = combinations(self.attributes)
        self.scenes = (
            TetrominoGenerator(seed, stream)
            if layout.kind == "tetrominoes"
            else SpriteGenerator(layout.counts, seed, stream)
        )

    def compose(self, indices: Tensor) -> Batch:
        """The scenes of these indices, (B,) int64, with the object of each pixel.

        Raises:
            BoxlessError: so many sprites do not fit.
        """
        scenes = self.scenes.compose(indices)
        side, scale = self.layout.side, self.layout.side / NATIVE_SIDE[self.layout.kind]
        numbers = torch.arange(1, scenes.masks.shape[1] + 1).view(1, -1, 1, 1)
        segments = (scenes.masks * numbers).sum(dim=1, keepdim=True)
        images = scenes.images
        if scale != 1.0:
            images = interpolate(images, size=(side, side), mode="bilinear", align_corners=False, antialias=True)
            segments = interpolate(segments.float(), size=(side, side), mode="nearest-exact").long()
        return Batch(
            images=images,
            labels=self._classes(scenes),
            centers=centers_to_fitted(scenes.centers, (scale, scale)),
            sizes=sizes_to_fitted(scenes.sizes, (scale, scale)),
            segments=segments[:, 0],
        )

    def _classes(self, scenes: ShapeScenes) -> Tensor:
        """(B, N) the number of each object's combination, in the order of ``class_names``; −1 where there is none."""
        classes = torch.zeros_like(scenes.attributes["shape"])
        for name, values in self.attributes.items():
            classes = classes * len(values) + scenes.attributes[name]
        return torch.where(scenes.present, classes, -1)

"""Scenes of handwritten digits on canvases of varying side (MCMIL, section 5.2: extended MNIST)."""

from dataclasses import dataclass

import torch
from torch import Tensor

from boxless.data.batch import Batch
from boxless.data.glyphs import Glyphs
from boxless.data.hashing import uniforms
from boxless.data.resize import pad_batch
from boxless.data.scenes import Layout, SceneGenerator
from boxless.errors import BoxlessError


@dataclass(frozen=True)
class VaryingLayout:
    """Glyphs anywhere on the canvas, their tiles wholly inside (PROTOCOL §1).

    Attributes:
        counts: how many glyphs; one of these, each as likely.
        sides: least and greatest side of the square canvas, in pixels; all between are as likely.
        distance: least distance of two centres, in pixels; 0 where they may lie over each other.
    """

    counts: tuple[int, ...] = (2,)
    sides: tuple[int, int] = (56, 84)
    distance: float = 0.0


class VaryingSceneGenerator:
    """Composes scenes by index, each on a canvas of its own size; the same index is the same scene, in whatever batch.

    Args:
        glyphs: what is laid down; its classes are the scene's.
        layout: how many, and on what canvases.
        seed: another seed, other scenes.
        stream: keeps uses of one glyph set apart (training, validation, test).

    Raises:
        BoxlessError: the sides are not in order, or a tile is larger than the least.
    """

    def __init__(self, glyphs: Glyphs, layout: VaryingLayout, seed: int = 0, stream: int = 0) -> None:
        least, greatest = layout.sides
        tile = glyphs.images.shape[-1]
        if not tile <= least <= greatest:
            raise BoxlessError(f"Canvases of {least} to {greatest} pixels do not hold a tile of {tile}; change sides.")
        self.glyphs = glyphs
        self.class_names = glyphs.class_names
        self.layout = layout
        self.seed, self.stream = seed, stream

    def sides(self, indices: Tensor) -> Tensor:
        """(B,) int64: the side of the canvas of each of these indices, (B,), in pixels."""
        least, greatest = self.layout.sides
        draws = uniforms((self.seed, self.stream, 0, 0), indices, 1)[:, 0]
        return least + (draws * (greatest + 1 - least)).long()

    def compose(self, indices: Tensor) -> Batch:
        """The scenes of these indices, (B,) int64, B ≥ 1; glyphs that overlap add up, clipped to 1.

        Canvases of several sides are padded to the largest.
        """
        sides = self.sides(indices)
        parts = [(sides == side).nonzero()[:, 0] for side in sides.unique().tolist()]
        scenes = [self._of_one_side(indices[part], int(sides[part[0]])) for part in parts]
        if len(scenes) == 1:
            return scenes[0]
        back = torch.cat(parts).argsort()
        padded, _ = pad_batch([image for scene in scenes for image in scene.images])
        labels, centers, sizes = (
            torch.cat([getattr(scene, name) for scene in scenes])[back] for name in ("labels", "centers", "sizes")
        )
        return Batch(padded[back], labels, centers, sizes, extents=sides.unsqueeze(1).expand(-1, 2))

    def _of_one_side(self, indices: Tensor, side: int) -> Batch:
        ours = self.layout
        margin = self.glyphs.images.shape[-1] / 2
        layout = Layout(counts=ours.counts, distance=ours.distance, side=side, margin=margin)
        return SceneGenerator(self.glyphs, layout, self.seed, self.stream).compose(indices)

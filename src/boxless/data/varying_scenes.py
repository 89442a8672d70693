"""Scenes of handwritten digits on canvases of varying side (MCMIL, section 5.2: extended MNIST)."""

from dataclasses import dataclass

from torch import Tensor

from boxless.data.batch import Batch
from boxless.data.glyphs import Glyphs
from boxless.data.hashing import uniforms
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
    """Composes scenes by index, on a canvas that a batch shares.

    Glyphs are those of the index; the side, and with it the place, is drawn by the *first* index of the batch, as the
    images of a batch are of one size. So the same batch is always the same, and so is a scene composed alone.

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

    def side(self, index: Tensor) -> int:
        """The side of the canvas, in pixels, of a batch that begins with this index, () int64."""
        least, greatest = self.layout.sides
        draw = uniforms((self.seed, self.stream, 0, 0), index.view(1), 1).item()
        return least + int(draw * (greatest + 1 - least))

    def compose(self, indices: Tensor) -> Batch:
        """The scenes of these indices, (B,) int64, B ≥ 1; glyphs that overlap add up, clipped to 1."""
        tile = self.glyphs.images.shape[-1]
        ours = self.layout
        layout = Layout(counts=ours.counts, distance=ours.distance, side=self.side(indices[0]), margin=tile / 2)
        return SceneGenerator(self.glyphs, layout, self.seed, self.stream).compose(indices)

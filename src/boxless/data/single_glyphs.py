"""The glyphs themselves, one an image, as classification has them (MCMIL, section 5.1)."""

from dataclasses import dataclass

import torch
from torch import Tensor

from boxless.data.batch import Batch
from boxless.data.glyphs import Glyphs


@dataclass(frozen=True)
class SingleLayout:
    """One glyph an image, in the order of the set; after the last comes the first again.

    Attributes:
        counts: one glyph.
    """

    counts: tuple[int, ...] = (1,)


class SingleGenerator:
    """The images of a glyph set by index.

    Args:
        glyphs: the set; its classes are the images'.
    """

    def __init__(self, glyphs: Glyphs) -> None:
        self.glyphs = glyphs
        self.class_names = glyphs.class_names

    def compose(self, indices: Tensor) -> Batch:
        """The images of these indices, (B,) int64."""
        own = indices % len(self.glyphs.labels)
        images = self.glyphs.images[own].unsqueeze(1) / 255.0
        centers = torch.full((len(own), 1, 2), (images.shape[-1] - 1) / 2)
        return Batch(images, self.glyphs.labels[own].unsqueeze(1), centers, torch.full_like(centers, self.glyphs.box))

"""Scenes of handwritten digits of many sizes, composed in batch as a pure function of (layout, seed, stream, index).

Conventions
    Places are (x, y) in pixels, x right, y down, the centre of the top-left pixel at (0, 0), and not rounded. A glyph
    of scale s has its pixel j, counted from the tile's middle, at s·j from its centre.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from boxless.data.batch import Batch
from boxless.data.glyphs import Glyphs
from boxless.data.hashing import uniforms
from boxless.errors import BoxlessError

DARTS = 64  # tried for each glyph before its scene starts anew
TRIES = 8  # of a scene with the same sides
SETS = 100  # of sides tried at most


@dataclass(frozen=True)
class ScaledLayout:
    """mnist-hard with digits of many sizes, each resized to a side of its own (PROTOCOL §1).

    Neighbours are at least the mean of their sides apart, and a digit's box lies on the canvas. On 80×80 pixels nine
    digits of 14 to 36 px have no room: 19 scenes in 20 fail, and those that remain hold small digits. 104×104 is as
    full as mnist-hard, by the discs of the digits' sides.

    Attributes:
        counts: how many glyphs; one of these, each as likely.
        sides: least and greatest side of a digit, in pixels; uniform between the two.
        side: of the square canvas, in pixels.
    """

    counts: tuple[int, ...] = (9,)
    sides: tuple[float, float] = (14.0, 36.0)
    side: int = 104


class ScaledSceneGenerator:
    """Composes scenes by index; the same index is the same scene, in whatever batch. The largest glyph comes first.

    Args:
        glyphs: what is laid down; its classes are the scene's.
        layout: how large, and where.
        seed: another seed, other scenes.
        stream: keeps uses of one glyph set apart (training, validation, test).

    Raises:
        BoxlessError: the sides are not in order, or the greatest does not fit the canvas.
    """

    def __init__(self, glyphs: Glyphs, layout: ScaledLayout, seed: int = 0, stream: int = 0) -> None:
        least, greatest = layout.sides
        if not 0 < least <= greatest <= layout.side:
            raise BoxlessError(
                f"Digits of {least} to {greatest} pixels do not fit a canvas of {layout.side}; change sides."
            )
        self.glyphs = glyphs
        self.class_names = glyphs.class_names
        self.layout = layout
        self.key = (seed, stream)

    def compose(self, indices: Tensor) -> Batch:
        """The scenes of these indices, (B,) int64; glyphs that overlap add up, clipped to 1.

        Raises:
            BoxlessError: so many glyphs of these sides do not fit the canvas.
        """
        most = max(self.layout.counts)
        draws = uniforms((*self.key, 0), indices, most + 1)
        number = torch.tensor(self.layout.counts)[(draws[:, 0] * len(self.layout.counts)).long()]
        chosen = (draws[:, 1:] * len(self.glyphs.labels)).long()  # (B, K)
        present = torch.arange(most) < number.unsqueeze(1)
        centers, sides = self._scatter(indices, present)
        return Batch(
            images=self._lay(self.glyphs.images[chosen] * present[..., None, None], centers, sides),
            labels=torch.where(present, self.glyphs.labels[chosen], -1),
            centers=centers.float(),
            sizes=sides.float().unsqueeze(-1).expand(-1, -1, 2).contiguous(),
        )

    def _scatter(self, indices: Tensor, present: Tensor) -> tuple[Tensor, Tensor]:
        """Poisson-disk sampling: centres (B, K, 2) and sides (B, K).

        A scene in which no dart finds room starts anew; after some tries with other sides, as a few sets have no room
        at all. So the largest sides are a little rarer than by the uniform draw.
        """
        centers = torch.zeros(*present.shape, 2, dtype=torch.float64)
        sides = torch.zeros(present.shape, dtype=torch.float64)
        todo = torch.arange(len(indices))
        for attempt in range(SETS * TRIES):
            drawn = self._draw_sides(indices[todo], present[todo], attempt // TRIES)
            placed, complete = self._throw_darts(indices[todo], present[todo], drawn, attempt)
            centers[todo[complete]], sides[todo[complete]] = placed[complete], drawn[complete]
            todo = todo[~complete]
            if len(todo) == 0:
                return centers, sides
        raise BoxlessError(
            f"{present.shape[1]} glyphs of {self.layout.sides[0]} to {self.layout.sides[1]} pixels do not fit a canvas "
            f"of {self.layout.side} pixels; take fewer, or a larger canvas."
        )

    def _draw_sides(self, indices: Tensor, present: Tensor, attempt: int) -> Tensor:
        """From the largest on, which leaves most room for all; those that are not there are the least, and last."""
        least, greatest = self.layout.sides
        sides = least + uniforms((*self.key, 1, attempt), indices, present.shape[1]) * (greatest - least)
        return torch.where(present, sides, least).sort(dim=1, descending=True, stable=True).values

    def _throw_darts(self, indices: Tensor, present: Tensor, sides: Tensor, attempt: int) -> tuple[Tensor, Tensor]:
        """One glyph after the other to the first of its darts that is far enough from all before."""
        batch, most = present.shape
        draws = uniforms((*self.key, 2, attempt), indices, most * DARTS * 2).view(batch, most, DARTS, 2)
        room = (self.layout.side - sides)[..., None, None]
        darts = draws * room + (sides[..., None, None] / 2 - 0.5)
        placed = torch.zeros(batch, most, 2, dtype=torch.float64)
        complete = torch.ones(batch, dtype=torch.bool)
        for k in range(most):
            squared = (darts[:, k, :, None] - placed[:, None, :k]).square().sum(dim=-1)  # (B, DARTS, k)
            apart = (sides[:, :k] + sides[:, k : k + 1]) / 2
            free = (squared >= apart.square().unsqueeze(1)).all(dim=2)
            complete &= free.any(dim=1) | ~present[:, k]
            placed[:, k] = darts[torch.arange(batch), k, free.int().argmax(dim=1)]
        return placed, complete

    def _lay(self, tiles: Tensor, centers: Tensor, sides: Tensor) -> Tensor:
        """Resize the tiles (B, K, T, T) onto black canvases, and add: two matrix products.

        Float64 holds all products and sums of whole brightnesses with weights of 16 binary places without error, so
        these do not depend on the order, thus not on the batch.
        """
        tile, side = tiles.shape[-1], self.layout.side
        columns, rows = resizing(centers, sides.unsqueeze(-1) / self.glyphs.box, tile, side).unbind(
            dim=2
        )  # (B, K, T, side)
        wide = torch.matmul(tiles.double(), columns)
        total = torch.matmul(rows.flatten(1, 2).transpose(1, 2), wide.flatten(1, 2))
        return (total.clamp(max=255) / 255).float().unsqueeze(1)


def resizing(centers: Tensor, scales: Tensor, tile: int, side: int) -> Tensor:
    """Weights of a tile's pixels in those of the canvas, along each axis: antialiased bilinear sampling.

    A hat around each pixel, one pixel wide to both sides: of the tile where it is enlarged, of the canvas where it is
    made smaller. The weights of a canvas pixel sum to 1, with those of the black beyond the tile.

    Args:
        centers: (B, K, 2) places of the tiles' middles on the canvas, in pixels, float64.
        scales: (B, K, 2) pixels of the canvas for one of the tile along x and y, or (B, K, 1) for both, float64.
        tile: side of the tile.
        side: of the canvas.

    Returns:
        (B, K, 2, tile, side) for x and y, float64 of 16 binary places.
    """
    scale = scales.unsqueeze(-1)
    place = (torch.arange(side) - centers.unsqueeze(-1)) / scale + (tile - 1) / 2  # (B, K, 2, side), in the tile
    narrow = scale.clamp_max(1)
    reach = int(1 / float(narrow.min())) + 1
    pixels = torch.arange(-reach, tile + reach)
    away = (place.float().unsqueeze(-2) - pixels.unsqueeze(-1)).abs_()
    # In whole 2⁻¹⁶, which float32 adds without error: the sum does not depend on the reach, thus not on the batch.
    hats = away.mul_(-narrow.float().unsqueeze(-1)).add_(1).clamp_min_(0).mul_(2**16).round_()
    total = hats.sum(dim=-2, keepdim=True).clamp_min_(1)  # 0 far from the tile, where its own weights are 0, too
    return (hats[..., reach : reach + tile, :] * (2**16 / total)).round_().double().mul_(2.0**-16)

"""Scenes of handwritten digits, composed in batch as a pure function of (layout, split, seed, index).

Conventions
    Places are (x, y) in pixels, x right, y down, the centre of the top-left pixel at (0, 0). Glyph tiles lie on whole
    pixels, so an even tile has its centre half way between two pixels.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, special

from boxless.data.batch import Batch
from boxless.data.glyphs import Glyphs
from boxless.data.hashing import uniforms
from boxless.errors import BoxlessError


@dataclass(frozen=True)
class Layout:
    """How glyphs lie on a canvas (PROTOCOL §1).

    Attributes:
        counts: how many glyphs; one of these, each as likely.
        distance: least distance of two centres, in pixels.
        side: of the square canvas, in pixels.
        margin: least distance of a centre from the border, in pixels.
        grid: instead of random places, cells of a ``grid``×``grid`` grid in reading order, classes sorted,
            centres moved by Gaussian noise of an eighth of the cell, cut off where a digit would leave the canvas.
        crowding: standard deviation, in pixels, of the crowd around one random point of the canvas; 0 for no crowd.
    """

    counts: tuple[int, ...] = (9,)
    distance: float = 20.0
    side: int = 80
    margin: float = 10.0
    grid: int = 0
    crowding: float = 0.0


LAYOUTS: dict[str, Layout] = {
    "mnist-hard": Layout(),
    "mnist-crowded": Layout(distance=16.0),
    "mnist-3": Layout(counts=(3,)),
    "mnist-easy": Layout(grid=3),
    "mnist-uneven": Layout(distance=14.0, crowding=14.0),
    "mnist-k": Layout(counts=(3, 4, 5, 6, 7, 8, 9)),
}


class SceneGenerator:
    """Composes scenes by index; the same index is the same scene, in whatever batch.

    Args:
        glyphs: what is laid down; its classes are the scene's.
        layout: where.
        seed: another seed, other scenes.
        stream: keeps uses of one glyph set apart (training, validation, test).

    Raises:
        BoxlessError: the layout leaves no place for a centre, or has a grid that its glyphs do not fill.
    """

    def __init__(self, glyphs: Glyphs, layout: Layout, seed: int = 0, stream: int = 0) -> None:
        if layout.side < 2 * layout.margin + 1:
            raise BoxlessError(
                f"A margin of {layout.margin} leaves no place on {layout.side} pixels; take a smaller one."
            )
        if layout.grid and set(layout.counts) != {layout.grid**2}:
            raise BoxlessError(
                f"A grid of {layout.grid} holds {layout.grid**2} glyphs, not {layout.counts}; set counts."
            )
        self.glyphs = glyphs
        self.class_names = glyphs.class_names
        self.layout = layout
        self.key = (seed, stream)

    def compose(self, indices: Tensor) -> Batch:
        """The scenes of these indices, (B,) int64; glyphs that overlap add up, clipped to 1.

        Raises:
            BoxlessError: so many glyphs at this distance do not fit the canvas.
        """
        most = max(self.layout.counts)
        draws = uniforms((*self.key, 0), indices, most + 1)
        number = torch.tensor(self.layout.counts)[(draws[:, 0] * len(self.layout.counts)).long()]
        chosen = (draws[:, 1:] * len(self.glyphs.labels)).long()  # (B, K)
        if self.layout.grid:
            chosen = chosen.gather(1, self.glyphs.labels[chosen].argsort(dim=1, stable=True))
            corners = self._grid_corners(indices)
        else:
            corners = self._scattered_corners(indices, number)
        present = torch.arange(most) < number.unsqueeze(1)
        images = self._lay(chosen, corners, present)
        centers = corners.float() + (self.glyphs.images.shape[-1] - 1) / 2
        return Batch(
            images=images,
            labels=torch.where(present, self.glyphs.labels[chosen], -1),
            centers=centers,
            sizes=torch.full_like(centers, self.glyphs.box),
        )

    def _lay(self, chosen: Tensor, corners: Tensor, present: Tensor) -> Tensor:
        """Add the tiles to black canvases, through a border wide enough for tiles that stick out.

        Added as whole numbers, whose sum does not depend on the order.
        """
        tile, side = self.glyphs.images.shape[-1], self.layout.side
        wide = side + 2 * tile
        step = torch.arange(tile)
        rows = (corners[..., 1, None] + tile + step)[..., :, None]  # (B, K, T, 1)
        columns = (corners[..., 0, None] + tile + step)[..., None, :]
        canvas = torch.zeros(len(chosen), wide * wide, dtype=torch.int32)
        values = self.glyphs.images[chosen].int() * present[..., None, None]
        canvas.scatter_add_(1, (rows * wide + columns).flatten(1), values.flatten(1))
        return canvas.view(-1, 1, wide, wide)[:, :, tile:-tile, tile:-tile].clamp(max=255) / 255.0

    def _scattered_corners(self, indices: Tensor, number: Tensor) -> Tensor:
        """Poisson-disk sampling: darts one after the other, uniform over what lies far enough from all before.

        A scene in which no room is left for a dart starts anew.
        """
        corners = torch.zeros(len(indices), max(self.layout.counts), 2, dtype=torch.int64)
        todo = torch.arange(len(indices))
        for attempt in range(1, 1000):
            placed, complete = self._throw_darts(indices[todo], number[todo], attempt)
            corners[todo[complete]] = placed[complete]
            todo = todo[~complete]
            if len(todo) == 0:
                return corners
        raise BoxlessError(
            f"{max(self.layout.counts)} glyphs, {self.layout.distance} pixels apart, do not fit a canvas of "
            f"{self.layout.side} pixels; take fewer, or a smaller distance."
        )

    def _throw_darts(self, indices: Tensor, number: Tensor, attempt: int) -> tuple[Tensor, Tensor]:
        layout, tile, most = self.layout, self.glyphs.images.shape[-1], max(self.layout.counts)
        half = (tile - 1) / 2
        first = int(-(-(layout.margin - 0.5 - half) // 1))  # corners whose centre is far enough from the border
        last = int((layout.side - 0.5 - layout.margin - half) // 1)
        cells = last - first + 1
        draws = uniforms((*self.key, attempt), indices, most + 2)
        line = torch.arange(cells)
        weight = torch.ones(len(indices), cells, cells)
        if layout.crowding:
            crowd = draws[:, most:] * cells
            near = torch.exp(-0.5 * ((line - crowd.unsqueeze(-1)) / layout.crowding).square()).float()  # (B, 2, cells)
            weight = near[:, 1, :, None] * near[:, 0, None, :]
        placed = torch.zeros(len(indices), most, 2, dtype=torch.int64)
        complete = torch.ones(len(indices), dtype=torch.bool)
        for k in range(most):
            total = weight.flatten(1).cumsum(1, dtype=torch.float64)
            complete &= (total[:, -1] > 0) | (k >= number)
            cell = torch.searchsorted(total, draws[:, k, None] * total[:, -1:], right=True).clamp_max(cells * cells - 1)
            y, x = cell // cells, cell % cells  # (B, 1)
            placed[:, k, 0], placed[:, k, 1] = x[:, 0] + first, y[:, 0] + first
            squared = (line - y).square()[:, :, None] + (line - x).square()[:, None, :]
            weight = weight * (squared >= layout.distance**2)
        return placed, complete

    def _grid_corners(self, indices: Tensor) -> Tensor:
        layout, tile = self.layout, self.glyphs.images.shape[-1]
        cell = layout.side / layout.grid
        cells = torch.arange(layout.grid**2)
        centers = (torch.stack((cells % layout.grid, cells // layout.grid), dim=-1) + 0.5) * cell - 0.5
        # The digit itself stays on the canvas: outer glyphs have the noise cut off there, not heaped up at the border.
        first = math.ceil((self.glyphs.box - tile) / 2)
        last = layout.side - tile - first
        home = centers.double() - (tile - 1) / 2  # of the corners, (cells, 2)
        low, high = (special.ndtr((limit - home) / (cell / 8)) for limit in (first - 0.5, last + 0.5))
        draws = uniforms((*self.key, 1), indices, 2 * len(cells)).view(len(indices), len(cells), 2)
        normal: Tensor = special.ndtri(low + draws * (high - low))
        return (home + normal * cell / 8).clamp(first, last).round().long()

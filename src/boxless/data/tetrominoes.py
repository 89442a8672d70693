"""Tetrominoes, composed on the fly: the format and statistics of multi-object-datasets (PROTOCOL §1).

Conventions
    Places are (x, y) in pixels, x right, y down, the centre of the top-left pixel at (0, 0).
"""

from functools import lru_cache

import torch
from torch import Tensor
from torch.nn.functional import max_pool2d, pad

from boxless.data.hashing import uniforms
from boxless.data.shapes import ShapeScenes

SIDE = 35
BLOCK = 5
OBJECTS = 3
COLORS = {
    "red": (1.0, 0.0, 0.0),
    "green": (0.0, 1.0, 0.0),
    "blue": (0.0, 0.0, 1.0),
    "yellow": (1.0, 1.0, 0.0),
    "magenta": (1.0, 0.0, 1.0),
    "cyan": (0.0, 1.0, 1.0),
}
PIECES = {  # rows of blocks, top to bottom; their different quarter turns are the 19 shapes
    "O": ("##", "##"),
    "I": ("####",),
    "S": (".##", "##."),
    "Z": ("##.", ".##"),
    "T": ("###", ".#."),
    "J": ("#..", "###"),
    "L": ("..#", "###"),
}


class TetrominoGenerator:
    """Composes scenes of three tetrominoes that do not overlap, on black, by index; the same index, the same scene.

    Each of the 19 shapes and of the 6 colours is as likely. A piece lies on whole pixels, anywhere alike among the
    places that those before it leave free.

    Args:
        seed: another seed, other scenes.
        stream: keeps uses apart (training, validation, test).
    """

    def __init__(self, seed: int = 0, stream: int = 0) -> None:
        self.key = (seed, stream)

    def compose(self, indices: Tensor) -> ShapeScenes:
        """The scenes of these indices, (B,) int64: 35×35 pixels, attributes "shape" and "color", always 3 objects."""
        cells, names = tetromino_shapes()
        draws = uniforms((*self.key, 0), indices, 2 * OBJECTS)
        shapes = (draws[:, :OBJECTS] * len(names)).long()
        colors = (draws[:, OBJECTS:] * len(COLORS)).long()
        corners = self._scatter(indices, cells[shapes])
        masks = _paint(cells[shapes], corners)
        paints = torch.tensor(list(COLORS.values()))[colors]  # (B, N, 3)
        sizes = BLOCK * (cells[shapes].amax(dim=2) + 1).float()
        return ShapeScenes(
            images=(masks.unsqueeze(2) * paints[..., None, None]).sum(dim=1),
            masks=masks,
            present=torch.ones(len(indices), OBJECTS, dtype=torch.bool),
            attributes={"shape": shapes, "color": colors},
            attribute_names={"shape": names, "color": tuple(COLORS)},
            centers=corners.float() + (sizes - 1) / 2,
            sizes=sizes,
        )

    def _scatter(self, indices: Tensor, cells: Tensor) -> Tensor:
        """Top-left pixel of each piece's box, (B, N, 2); a scene whose last piece finds no room starts anew."""
        corners = torch.zeros(len(indices), OBJECTS, 2, dtype=torch.int64)
        todo = torch.arange(len(indices))
        attempt = 1
        while len(todo):
            placed, complete = self._place(indices[todo], cells[todo], attempt)
            corners[todo[complete]] = placed[complete]
            todo = todo[~complete]
            attempt += 1
        return corners

    def _place(self, indices: Tensor, cells: Tensor, attempt: int) -> tuple[Tensor, Tensor]:
        draws = uniforms((*self.key, attempt), indices, OBJECTS)
        corners = torch.zeros(len(indices), OBJECTS, 2, dtype=torch.int64)
        taken = torch.zeros(len(indices), SIDE, SIDE, dtype=torch.bool)
        complete = torch.ones(len(indices), dtype=torch.bool)
        for k in range(OBJECTS):
            free = _free_places(taken, cells[:, k])
            total = free.flatten(1).cumsum(1)
            complete &= total[:, -1] > 0
            wanted = (draws[:, k] * total[:, -1]).long().unsqueeze(1)
            place = torch.searchsorted(total, wanted, right=True).squeeze(1).clamp_max(SIDE * SIDE - 1)
            corners[:, k, 0], corners[:, k, 1] = place % SIDE, place // SIDE
            taken |= _paint(cells[:, k : k + 1], corners[:, k : k + 1])[:, 0]
        return corners, complete


@lru_cache(maxsize=1)
def tetromino_shapes() -> tuple[Tensor, tuple[str, ...]]:
    """The 19 shapes: (19, 4, 2) x and y of their blocks from the top left of their box, in blocks; and their names.

    A name is the piece and the number of its quarter turns, counter-clockwise: "T0" to "T3".
    """
    shapes: list[list[list[int]]] = []
    names: list[str] = []
    for piece, rows in PIECES.items():
        blocks = torch.tensor([[block == "#" for block in row] for row in rows])
        for turns in range(4):
            cells = torch.rot90(blocks, turns).nonzero().flip(1).tolist()
            if cells not in shapes:
                shapes.append(cells)
                names.append(f"{piece}{turns}")
    return torch.tensor(shapes), tuple(names)


def _free_places(taken: Tensor, cells: Tensor) -> Tensor:
    """Where the corner of a piece may lie, (B, SIDE, SIDE) bool: within the canvas, its blocks on no taken pixel.

    Args:
        taken: (B, SIDE, SIDE) bool.
        cells: (B, 4, 2) the piece's blocks, x and y.
    """
    block_meets = max_pool2d(taken.float().unsqueeze(1), BLOCK, stride=1)[:, 0]  # of a block with its corner there
    wide = SIDE + 3 * BLOCK
    block_meets = pad(block_meets, [0, wide - block_meets.shape[2], 0, wide - block_meets.shape[1]], value=1.0)
    line = torch.arange(SIDE)
    rows = (line + BLOCK * cells[..., 1, None])[..., :, None]  # (B, 4, SIDE, 1)
    columns = (line + BLOCK * cells[..., 0, None])[..., None, :]
    meets = block_meets.flatten(1).gather(1, (rows * wide + columns).flatten(1)).view(len(taken), 4, SIDE, SIDE)
    return (meets == 0).all(dim=1)


def _paint(cells: Tensor, corners: Tensor) -> Tensor:
    """Pixels of each piece, (B, N, SIDE, SIDE) bool, of its blocks (B, N, 4, 2) and its corner (B, N, 2)."""
    first = corners.unsqueeze(2) + BLOCK * cells  # (B, N, 4, 2)
    steps = torch.arange(SIDE) - first.unsqueeze(-1)
    within = (steps >= 0) & (steps < BLOCK)  # (B, N, 4, 2, SIDE)
    return (within[:, :, :, 1, :, None] & within[:, :, :, 0, None, :]).any(dim=2)

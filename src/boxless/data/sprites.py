"""Sprites: coloured shapes that cover each other, composed on the fly; CLEVR's protocol on a plane (PROTOCOL §1).

Conventions
    Places are (x, y) in pixels, x right, y down, the centre of the top-left pixel at (0, 0). A sprite of size s has a
    box of s×s pixels, be it a square, a disk of that diameter or a triangle of that base and height.
"""

import torch
from torch import Tensor

from boxless.data.hashing import uniforms
from boxless.data.shapes import ShapeScenes
from boxless.errors import BoxlessError

SIDE = 64
SHAPES = ("square", "disk", "triangle")
SIZES = {"small": 10.0, "large": 16.0}
COLORS = {
    "gray": (0.5, 0.5, 0.5),
    "red": (0.8, 0.15, 0.15),
    "blue": (0.2, 0.3, 0.95),
    "green": (0.1, 0.6, 0.1),
    "brown": (0.5, 0.3, 0.1),
    "purple": (0.55, 0.15, 0.75),
    "cyan": (0.15, 0.85, 0.85),
    "yellow": (1.0, 0.95, 0.2),
}
LEAST_VISIBLE = 0.4  # of a sprite's own pixels
LEAST_APART = 0.55  # of the sum of two sprites' half sizes, between their centres
ATTEMPTS = 1_000


class SpriteGenerator:
    """Composes scenes of sprites on black, by index; the same index, the same scene.

    Each number of objects is as likely, and so is each of the 3 shapes, 8 colours and 2 sizes. The objects lie back to
    front in the order of their axis, between pixels, anywhere within the canvas where two centres are not too near and
    each shows at least 40 % of its pixels. Edges are smooth over one pixel.

    Args:
        counts: how many objects; one of these, each as likely.
        seed: another seed, other scenes.
        stream: keeps uses apart (training, validation, test).

    Raises:
        BoxlessError: a count is below 1, or there is none.
    """

    def __init__(self, counts: tuple[int, ...] = (1, 2, 3, 4, 5, 6), seed: int = 0, stream: int = 0) -> None:
        if not counts or min(counts) < 1:
            raise BoxlessError(f"A scene holds at least one sprite, so the counts cannot be {counts}; set them.")
        self.counts = counts
        self.key = (seed, stream)

    def compose(self, indices: Tensor) -> ShapeScenes:
        """The scenes of these indices, (B,) int64: 64×64 pixels, attributes "shape", "color" and "size".

        Raises:
            BoxlessError: so many sprites do not fit the canvas with 40 % of each to be seen.
        """
        most = max(self.counts)
        draws = uniforms((*self.key, 0), indices, 1 + 3 * most)
        number = torch.tensor(self.counts)[(draws[:, 0] * len(self.counts)).long()]
        present = torch.arange(most) < number.unsqueeze(1)
        which = draws[:, 1:].unflatten(1, (3, most))
        shapes, colors, kinds = ((which[:, i] * n).long() for i, n in enumerate((len(SHAPES), len(COLORS), len(SIZES))))
        sizes = torch.tensor(list(SIZES.values()))[kinds]
        centers = self._scatter(indices, shapes, sizes, present)
        coverage = _coverage(shapes, centers, sizes, present)
        paints = torch.tensor(list(COLORS.values()))[colors]  # (B, N, 3)
        behind = (1 - coverage).flip(1).cumprod(1).flip(1)  # (B, N, H, W): what it and those before it let through
        weights = coverage * torch.cat((behind[:, 1:], torch.ones_like(behind[:, :1])), dim=1)
        ids = {"shape": shapes, "color": colors, "size": kinds}
        return ShapeScenes(
            images=(weights.unsqueeze(2) * paints[..., None, None]).sum(dim=1),
            masks=_visible(coverage),
            present=present,
            attributes={name: torch.where(present, values, -1) for name, values in ids.items()},
            attribute_names={"shape": SHAPES, "color": tuple(COLORS), "size": tuple(SIZES)},
            centers=centers * present.unsqueeze(-1),
            sizes=(sizes * present).unsqueeze(-1).expand(-1, -1, 2).contiguous(),
        )

    def _scatter(self, indices: Tensor, shapes: Tensor, sizes: Tensor, present: Tensor) -> Tensor:
        """Centres (B, N, 2); a scene in which a sprite finds no room, or shows too little, is laid anew."""
        centers = torch.zeros(*shapes.shape, 2)
        todo = torch.arange(len(indices))
        for attempt in range(1, ATTEMPTS):
            laid, good = self._throw_darts(indices[todo], sizes[todo], present[todo], attempt)
            coverage = _coverage(shapes[todo], laid, sizes[todo], present[todo])
            own, seen = (coverage >= 0.5).sum((2, 3)), _visible(coverage).sum((2, 3))
            good &= (seen >= LEAST_VISIBLE * own).all(dim=1)
            centers[todo[good]] = laid[good]
            todo = todo[~good]
            if len(todo) == 0:
                return centers
        raise BoxlessError(
            f"{max(self.counts)} sprites do not fit {SIDE}×{SIDE} pixels with {LEAST_VISIBLE:.0%} of each to be seen; "
            "take fewer."
        )

    def _throw_darts(self, indices: Tensor, sizes: Tensor, present: Tensor, attempt: int) -> tuple[Tensor, Tensor]:
        """One sprite after the other, uniform over the pixels far enough from those before, then within that pixel."""
        most = sizes.shape[1]
        draws = uniforms((*self.key, attempt), indices, 3 * most).unflatten(1, (most, 3))
        line = torch.arange(SIDE)
        laid = torch.zeros(len(indices), most, 2)
        complete = torch.ones(len(indices), dtype=torch.bool)
        for k in range(most):
            reach = sizes[:, k, None] / 2
            within = (line >= reach) & (line <= SIDE - 1 - reach)  # a sprite half a pixel off its cell still fits
            free = within.unsqueeze(2) & within.unsqueeze(1)
            apart = LEAST_APART * (sizes[:, :k] + sizes[:, k, None]) / 2  # (B, k)
            squared = (line - laid[:, :k, :, None]).square()  # (B, k, 2, SIDE)
            far = squared[:, :, 1, :, None] + squared[:, :, 0, None, :] >= apart.square()[..., None, None]
            total = (free & far.all(dim=1)).flatten(1).cumsum(1)
            complete &= (total[:, -1] > 0) | ~present[:, k]
            wanted = (draws[:, k, 0] * total[:, -1]).long().unsqueeze(1)
            cell = torch.searchsorted(total, wanted, right=True).squeeze(1).clamp_max(SIDE * SIDE - 1)
            laid[:, k] = torch.stack((cell % SIDE, cell // SIDE), dim=-1) + draws[:, k, 1:].float() - 0.5
        return laid, complete


def _coverage(shapes: Tensor, centers: Tensor, sizes: Tensor, present: Tensor) -> Tensor:
    """How much of each pixel each sprite covers, (B, N, SIDE, SIDE): from the signed distance to its edge."""
    line = torch.arange(SIDE)
    x = (line - centers[..., 0, None]).unsqueeze(-2)  # (B, N, 1, W)
    y = (line - centers[..., 1, None]).unsqueeze(-1)  # (B, N, H, 1)
    half = (sizes / 2)[..., None, None]
    slope = 1.25**0.5  # of a side that goes half as far in x as in y
    square = torch.maximum(x.abs() - half, y.abs() - half)
    disk = (x.square() + y.square()).sqrt() - half
    triangle = torch.maximum((x.abs() - (y + half) / 2) / slope, y - half)
    kind = shapes[..., None, None]
    distance = torch.where(kind == 0, square, torch.where(kind == 1, disk, triangle))
    return (0.5 - distance).clamp(0, 1) * present[..., None, None]


def _visible(coverage: Tensor) -> Tensor:
    """Pixels of which a sprite covers half and more, and none before it does, (B, N, H, W) bool."""
    solid = coverage >= 0.5
    at_or_before = solid.flip(1).cumsum(1).flip(1)
    return solid & (at_or_before == 1)

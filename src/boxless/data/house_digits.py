"""What house numbers are composed of: SVHN's real digits by the style they are written in, and walls beside numbers.

The crop of a digit is a square as high as the digit: its middle shows the digit, and its sides show the neighbours.
"""

import os
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import interpolate

from boxless.data.crops import Rectangle, cut
from boxless.data.folder import check_images
from boxless.data.glyphs import DIGIT_NAMES
from boxless.data.images import to_tensor
from boxless.data.svhn import SOURCE, read_svhn
from boxless.data.svhn_digits import read_svhn_digit_pngs
from boxless.errors import BoxlessError
from boxless.instances import Instances

Part = Literal["train", "validation", "test"]

PARTS: tuple[Part, ...] = ("train", "validation", "test")
HELD_OUT = 12  # of so many photographs one is for validation, and one for tests
NEIGHBOURS = 32  # digits of the most similar style
WALL = 64  # side of a piece of wall in pixels
LEAST_WALL = 10  # the same in its photograph
NEARLY = 0.15  # of the way between ground and ink


@dataclass(frozen=True, eq=False)
class HouseDigits:
    """Digits and walls. They are shared between callers: never write into them.

    Attributes:
        images: (N, 3, 32, 32) uint8.
        labels: (N,) int64, 0 to 9.
        grounds: (N, 3) float32 in [0, 1], the colour on which each is written.
        inks: (N, 3) float32 in [0, 1], the colour of which it is.
        strokes: (N, 1, 32, 32) uint8, how much of each pixel is ink.
        similar: (N, S) int64, the digits of the most similar style, itself among them.
        walls: (W, 3, 64, 64) uint8, what is beside numbers.
        class_names: the name of each label.
    """

    images: Tensor
    labels: Tensor
    grounds: Tensor
    inks: Tensor
    strokes: Tensor
    similar: Tensor
    walls: Tensor
    class_names: tuple[str, ...] = DIGIT_NAMES


def load_house_digits(part: Part) -> HouseDigits:
    """The digits of ``$BOXLESS_DATA/svhn``, without the numbers that evaluations use, and walls of its training images.

    The photograph that a digit or a wall is cut from tells its part, so no two parts share one.

    Raises:
        BoxlessError: the files are missing or broken, or too few to part.
    """
    data = os.environ.get("BOXLESS_DATA")
    if not data:
        raise BoxlessError(f"Name a folder that holds the folder svhn in the variable BOXLESS_DATA; {SOURCE}.")
    return _load(Path(data) / "svhn", part)


@lru_cache(maxsize=len(PARTS))
def _load(root: Path, part: Part) -> HouseDigits:
    digits = read_svhn_digit_pngs(root)
    numbers = check_images(read_svhn(root / "full", "train"))[0].images
    own = [number for index, number in enumerate(numbers) if _part_of(index) == part]
    walls = [wall for number in own if number.truth for wall in walls_beside(to_tensor(number.path, 3), number.truth)]
    chosen = np.array([_part_of(number) == part for number in ([] if digits.groups is None else digits.groups)], bool)
    if not walls or not chosen.any():
        raise BoxlessError(f"{root} has no digit or no wall for the part {part}, by far too few; copy the set again.")
    images = torch.from_numpy(digits.images[chosen]).permute(0, 3, 1, 2).contiguous()
    styles = styles_of(images)
    grounds, inks = styles[:, :3], styles[:, 3:6]
    labels, strokes = torch.from_numpy(digits.labels[chosen]), strokes_of(images, grounds, inks)
    return HouseDigits(images, labels, grounds, inks, strokes, most_similar(styles), torch.stack(walls))


def _part_of(number: int) -> Part:
    return {0: "validation", 1: "test"}.get(int(number) % HELD_OUT, "train")  # type: ignore[return-value]


def styles_of(images: Tensor) -> Tensor:
    """The style of digits (N, 3, 32, 32) uint8: the colour that they are written on, the ink's, and the sharpness.

    The ground is the median of the upper and lower edge; ink is what differs most from it in the middle.

    Returns:
        (N, 7), colours in [0, 1].
    """
    pixels = images.float() / 255
    edges = torch.cat((pixels[:, :, :3, 6:26], pixels[:, :, -3:, 6:26]), dim=2)
    grounds = edges.flatten(2).median(dim=2).values
    middle = pixels[:, :, :, 8:24]
    unlike = (middle - grounds[:, :, None, None]).square().sum(1, keepdim=True).square()
    ink = (middle * unlike).sum((2, 3)) / unlike.sum((2, 3)).clamp_min(1e-9)
    sharpness = 4 * middle.diff(dim=3).abs().mean((1, 2, 3))
    return torch.cat((grounds, ink, sharpness.unsqueeze(1)), dim=1)


def strokes_of(images: Tensor, grounds: Tensor, inks: Tensor) -> Tensor:
    """How far each pixel of digits (N, 3, 32, 32) uint8 is on the way from the ground (N, 3) to the ink (N, 3).

    What is nearly the one or the other counts as it: the ground is not quite even, nor is the ink.

    Returns:
        (N, 1, 32, 32) uint8, 255 for ink.
    """
    way = (inks - grounds)[:, :, None, None]
    shares = ((images.float() / 255 - grounds[:, :, None, None]) * way).sum(1, keepdim=True)
    shares = shares / way.square().sum(1, keepdim=True).clamp_min(1e-3)
    return (((shares - NEARLY) / (1 - 2 * NEARLY)).clamp(0, 1) * 255).round().to(torch.uint8)


def most_similar(styles: Tensor, rows: int = 1024) -> Tensor:
    """The nearest ``NEIGHBOURS`` of each of the styles (N, D), fewer where there are fewer: (N, S)."""
    number = min(NEIGHBOURS, len(styles))
    distances = (torch.cdist(part, styles) for part in styles.split(rows))
    return torch.cat([own.topk(number, largest=False).indices for own in distances])


def walls_beside(image: Tensor, truth: Instances) -> list[Tensor]:
    """The largest squares left of, right of, above and below all boxes, in the middle of what is there.

    Args:
        image: (3, H, W) in [0, 1].
        truth: its digits, at least one.

    Returns:
        (3, 64, 64) uint8 each; none where there is little room.
    """
    height, width = image.shape[1:]
    boxes = (truth.boxes + 0.5).clip(0, [width, height] * 2)
    left, top = np.floor(boxes[:, :2].min(axis=0)).astype(int).tolist()
    right, bottom = np.ceil(boxes[:, 2:].max(axis=0)).astype(int).tolist()
    sides = ((0, 0, left, height), (right, 0, width, height), (0, 0, width, top), (0, bottom, width, height))
    walls = []
    for x, y, end_x, end_y in sides:
        side = min(end_x - x, end_y - y)
        if side >= LEAST_WALL:
            piece = cut(image, Rectangle((x + end_x - side) // 2, (y + end_y - side) // 2, side, side))
            wall = interpolate(piece[None], (WALL, WALL), mode="bilinear", antialias=True)[0]
            walls.append((wall * 255).round().to(torch.uint8))
    return walls

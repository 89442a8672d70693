"""Boxes with names, drawn on a picture whose origin is the corner of its top-left pixel."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

from boxless.report.colors import BLACK, Color, text_color
from boxless.report.lettering import label_font

Rectangle = tuple[int, int, int, int]
"""Left, top, right, bottom in whole pixels, the last two not included."""


@dataclass(frozen=True)
class Outline:
    """One box as it is drawn.

    Attributes:
        box: left, top, right, bottom in the picture; the middle of the line lies there.
        color: of the line and of the label.
        label: what is written to it; nothing where it is empty.
        heavy: with a line of twice the width.
        dashed: with a broken line, and the label at the bottom instead of the top.
    """

    box: tuple[float, float, float, float]
    color: Color
    label: str
    heavy: bool = False
    dashed: bool = False


def draw_outlines(picture: Image.Image, outlines: Sequence[Outline]) -> None:
    """Draw boxes, the later over the earlier, then all labels; line and letters grow with the picture."""
    brush = _Brush(picture)
    for outline in outlines:
        brush.draw_line(outline)
    for outline in outlines:
        if outline.label:
            brush.draw_label(outline)


class _Brush:
    def __init__(self, picture: Image.Image) -> None:
        self.draw = ImageDraw.Draw(picture)
        self.width, self.height = picture.size
        self.line = max(3, round(max(picture.size) / 400))
        self.font = label_font(max(18, round(max(picture.size) / 50)))

    def draw_line(self, outline: Outline) -> None:
        """A dark line first, one pixel wider each way, so that the colour is seen on any image."""
        sides = _sides(outline.box, 2 * self.line if outline.heavy else self.line)
        for left, top, right, bottom in sides:
            self._fill((left - 1, top - 1, right + 1, bottom + 1), BLACK)
        for side in sides:
            for piece in self._dashes(side) if outline.dashed else (side,):
                self._fill(piece, outline.color)

    def draw_label(self, outline: Outline) -> None:
        """Inside its corner of a box that has room for it, else just outside; always within the picture."""
        pad = self.line
        text_left, _, text_right, _ = (round(edge) for edge in self.font.getbbox(outline.label))
        _, text_top, _, text_bottom = (round(edge) for edge in self.font.getbbox("Ág"))
        width, height = text_right - text_left + 2 * pad, text_bottom - text_top + 2 * pad
        left, top, right, bottom = (round(edge) for edge in outline.box)
        inside = right - left > 1.5 * width and bottom - top > 3 * height
        if outline.dashed:
            top = bottom - height if inside else bottom
        elif not inside:
            top -= height
        left = max(0, min(left, self.width - width))
        top = max(0, min(top, self.height - height))
        self._fill((left, top, left + width, top + height), outline.color)
        place = (left + pad - text_left, top + pad - text_top)
        self.draw.text(place, outline.label, font=self.font, fill=text_color(outline.color))

    def _dashes(self, side: Rectangle) -> Iterator[Rectangle]:
        """Pieces of a side, 4 lines long with gaps of 3, those within the picture."""
        left, top, right, bottom = side
        dash, period = 4 * self.line, 7 * self.line
        if right - left > bottom - top:
            for start in range(_first(left, period), min(right, self.width), period):
                yield start, top, min(start + dash, right), bottom
        else:
            for start in range(_first(top, period), min(bottom, self.height), period):
                yield left, start, right, min(start + dash, bottom)

    def _fill(self, area: Rectangle, color: Color) -> None:
        left, top, right, bottom = max(area[0], 0), max(area[1], 0), min(area[2], self.width), min(area[3], self.height)
        if left < right and top < bottom:
            self.draw.rectangle((left, top, right - 1, bottom - 1), fill=color)


def _sides(box: tuple[float, float, float, float], width: int) -> list[Rectangle]:
    """The four sides, the middle of each on an edge of the box."""
    left, top, right, bottom = (int(np.floor(edge - width / 2 + 0.5)) for edge in box)
    return [
        (left, top, right + width, top + width),
        (left, bottom, right + width, bottom + width),
        (left, top, left + width, bottom + width),
        (right, top, right + width, bottom + width),
    ]


def _first(start: int, period: int) -> int:
    """Where the first dash begins that may be seen: a box can reach far over the border."""
    return start + max(0, -start // period) * period

"""Discs, crosses, rings, dots and lines on a picture."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from boxless.report.colors import BLACK, Color, kind_color, text_color
from boxless.report.lettering import label_font


class Marker:
    """Draws marks, each with a dark edge so that it is seen on any image."""

    def __init__(self, picture: Image.Image) -> None:
        self.draw, self.size = ImageDraw.Draw(picture), picture.size
        self.radius = max(5, round(max(picture.size) / 55))
        self.line = max(2, round(self.radius / 2.5))
        self.dot = max(2, round(max(picture.size) / 160))

    def discs(self, places: NDArray[np.float64], color: Color) -> None:
        for place in places.tolist():
            self._circle(place, self.radius + 2, fill=BLACK)
            self._circle(place, self.radius, fill=color)

    def numbered(self, places: NDArray[np.float64], kinds: NDArray[np.int64], names: Sequence[str]) -> None:
        """Discs in the colours of kinds, with their names in them."""
        radius = 10 + round(max(self.size) / 100)
        font = label_font(round(1.5 * radius))
        for place, kind, name in zip(places.tolist(), kinds.tolist(), names, strict=True):
            color = kind_color(kind)
            self._circle(place, radius + 2, fill=BLACK)
            self._circle(place, radius, fill=color)
            self.draw.text(tuple(place), name, font=font, fill=text_color(color), anchor="mm")

    def dots(self, places: NDArray[np.float64], color: Color) -> None:
        for place in places.tolist():
            self._circle(place, self.dot + 1, fill=BLACK)
            self._circle(place, self.dot, fill=color)

    def lines(self, starts: NDArray[np.float64], ends: NDArray[np.float64], color: Color) -> None:
        for start, end in zip(starts.tolist(), ends.tolist(), strict=True):
            self.draw.line((*start, *end), fill=color, width=max(1, self.dot // 2))

    def rings(self, places: NDArray[np.float64], color: Color) -> None:
        for place in places.tolist():
            self._circle(place, self.radius + 3 + self.line, outline=BLACK, width=self.line + 4)
            self._circle(place, self.radius + 1 + self.line, outline=color, width=self.line)

    def crosses(self, places: NDArray[np.float64], color: Color) -> None:
        for x, y in places.tolist():
            for width, ink in ((self.line + 4, BLACK), (self.line, color)):
                reach = self.radius + (2 if ink == BLACK else 0)
                self.draw.line((x - reach, y - reach, x + reach, y + reach), fill=ink, width=width)
                self.draw.line((x - reach, y + reach, x + reach, y - reach), fill=ink, width=width)

    def _circle(
        self,
        place: Sequence[float],
        radius: float,
        fill: Color | None = None,
        outline: Color | None = None,
        width: int = 1,
    ) -> None:
        x, y = place
        self.draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=fill, outline=outline, width=width)

"""Colours that a colour-blind eye tells apart, too: Okabe and Ito's palette, and an even map from dark to bright."""

from colorsys import hls_to_rgb
from enum import Enum

import numpy as np
from numpy.typing import NDArray

Color = tuple[int, int, int]

BLACK: Color = (0, 0, 0)
WHITE: Color = (255, 255, 255)
ORANGE: Color = (230, 159, 0)
SKY_BLUE: Color = (86, 180, 233)
BLUISH_GREEN: Color = (0, 158, 115)
YELLOW: Color = (240, 228, 66)
BLUE: Color = (0, 114, 178)
VERMILLION: Color = (213, 94, 0)
REDDISH_PURPLE: Color = (204, 121, 167)

CLASS_COLORS: tuple[Color, ...] = (SKY_BLUE, ORANGE, BLUISH_GREEN, YELLOW, REDDISH_PURPLE, VERMILLION, BLUE)
"""Palette of Okabe and Ito, 2008, without black; classes beyond its seven begin anew."""


class Mark(Enum):
    """The colour of a box that was held against the truth."""

    RIGHT = BLUISH_GREEN
    FALSE = VERMILLION
    MISSED = YELLOW


# "Inferno" of van der Walt and Smith (CC0) at 17 even places; between them, straight lines err by at most 7 of 255.
_INFERNO = bytes.fromhex(
    "000004 0b0724 210c4a 3d0965 57106e 71196e 8a226a a32c61 bc3754 d24644 e45a31 f1731d f98e09 fcac11 f9cb35"
    " f2ea69 fcffa4"
)


def class_color(label: int) -> Color:
    """The colour of a class id."""
    return CLASS_COLORS[label % len(CLASS_COLORS)]


def kind_color(kind: int) -> Color:
    """The colour of one of many kinds: that of a class, and beyond these, hues that are a golden angle apart."""
    if kind < len(CLASS_COLORS):
        return CLASS_COLORS[kind]
    red, green, blue = hls_to_rgb((kind * 0.381966 + 0.66) % 1, (0.4, 0.55, 0.7)[kind % 3], 0.75)
    return round(255 * red), round(255 * green), round(255 * blue)


def text_color(background: Color) -> Color:
    """Black or white, whichever stands out more: the WCAG contrast is better with black over a luminance of 0.179."""
    return BLACK if luminance(background) > 0.179 else WHITE


def luminance(color: Color) -> float:
    """Relative luminance of an sRGB colour, in [0, 1] (WCAG 2)."""
    encoded = np.array(color) / 255
    linear = np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)
    return float(linear @ (0.2126, 0.7152, 0.0722))


def css(color: Color) -> str:
    """``#rrggbb``."""
    return "#" + bytes(color).hex()


def inferno(values: NDArray[np.floating]) -> NDArray[np.float64]:
    """Colours of a map whose lightness rises evenly from black over red to pale yellow.

    Args:
        values: any shape, in [0, 1].

    Returns:
        The same shape and (..., 3), in [0, 1].
    """
    anchors = np.frombuffer(_INFERNO, np.uint8).reshape(-1, 3) / 255
    places = np.linspace(0, 1, len(anchors))
    return np.stack([np.interp(values, places, channel) for channel in anchors.T], axis=-1)

"""Class names as a picture can show them: on one line, short, and in letters that the font has."""

import importlib.util
from functools import lru_cache
from pathlib import Path

from PIL import ImageFont

from boxless.instances import Instances

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont
LONGEST_NAME = 20
# No font has a letter for the last code point of all: what it draws is its sign for "no such letter".
NO_LETTER = "\U0010ffff"


def one_line(text: str, longest: int = LONGEST_NAME) -> str:
    """The text without line breaks and control characters, cut to ``longest`` characters."""
    line = "".join(letter if letter.isprintable() else " " for letter in text)
    return line if len(line) <= longest else line[: longest - 1] + "…"


def picture_name(label: int, class_names: tuple[str, ...] | None) -> str:
    """The name of a class on a picture: ``#`` and its id where the font cannot write the name."""
    if class_names is None:
        return str(label)
    line = one_line(class_names[label])
    return line if line.strip() and _can_write(line) else f"#{label}"


def picture_names(instances: Instances) -> list[str]:
    """``picture_name`` of each instance."""
    return [picture_name(label, instances.class_names) for label in instances.labels.tolist()]


@lru_cache(maxsize=16)
def label_font(size: int) -> Font:
    """DejaVu Sans Bold, which Matplotlib brings along (and is not imported for), else the font inside Pillow.

    Args:
        size: height of a line, in pixels.
    """
    matplotlib = importlib.util.find_spec("matplotlib")
    for folder in matplotlib.submodule_search_locations or () if matplotlib else ():
        file = Path(folder) / "mpl-data" / "fonts" / "ttf" / "DejaVuSans-Bold.ttf"
        if file.is_file():
            return ImageFont.truetype(str(file), size)
    return ImageFont.load_default(size)


@lru_cache(maxsize=1024)
def _can_write(text: str) -> bool:
    font = label_font(16)
    unknown = bytes(font.getmask(NO_LETTER))
    return all(letter == " " or bytes(font.getmask(letter)) != unknown for letter in text)

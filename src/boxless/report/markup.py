"""Pieces of HTML: escaped text, tables, folds, and images that lie inside the page."""

import html
import io
import math
from base64 import b64encode
from collections.abc import Callable, Sequence

from PIL import Image

NOTHING = "–"

# A larger PNG is a photograph, which JPEG keeps in a tenth.
PNG_LIMIT = 300_000
JPEG_QUALITY = 88


def text(value: str) -> str:
    """Any text, escaped; bytes of a file name that are no UTF-8 (Python keeps them as lone surrogates) become ``?``."""
    return html.escape(value.encode("utf-8", "replace").decode("utf-8"))


def section(title: str, *parts: str, half: bool = False) -> str:
    """A card with a heading; half as wide as the page where there is room for two."""
    return f"<section{' class=half' if half else ''}>\n<h2>{text(title)}</h2>\n{''.join(parts)}\n</section>\n"


def note(sentence: str) -> str:
    """A remark of ours, in small letters; it is markup already."""
    return f'<p class="note">{sentence}</p>'


def fold(title: str, content: str) -> str:
    """What is seen only when it is opened."""
    return f"<details><summary>{text(title)}</summary>{content}</details>"


def table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table of cells made by ``head``, ``number`` and ``cell``; the columns after the first hold numbers."""
    titles = "".join(
        f'<th scope="col"{" class=number" if index else ""}>{text(title)}</th>' for index, title in enumerate(columns)
    )
    body = "".join(f"<tr>{''.join(row)}</tr>" for row in rows)
    return f'<div class="scroll"><table><thead><tr>{titles}</tr></thead><tbody>{body}</tbody></table></div>'


def head(title: str) -> str:
    """The cell that names a row."""
    return f'<th scope="row">{text(title)}</th>'


def number(value: str, kind: str = "") -> str:
    """A cell with a number, to the right."""
    return f'<td class="number {kind}">{text(value)}</td>' if kind else f'<td class="number">{text(value)}</td>'


def percent(share: float, digits: int = 1) -> str:
    """0.978 -> "97.8 %"; a share of nothing is a dash."""
    return f"{100 * share:.{digits}f} %" if math.isfinite(share) else NOTHING


def significant(value: float) -> str:
    """Four digits that count; a dash for what is not finite."""
    return f"{value:.4g}" if math.isfinite(value) else NOTHING


def embedded_picture(picture: Image.Image, description: str) -> str:
    """An ``img`` that holds its own bytes."""
    kind, data = "png", _encoded(picture, "PNG", optimize=True)
    if len(data) > PNG_LIMIT:
        kind, data = "jpeg", _encoded(picture, "JPEG", quality=JPEG_QUALITY, subsampling=0)
    return (
        f'<img src="{_data_uri(kind, data)}" width="{picture.width}" height="{picture.height}"'
        f' alt="{text(description)}">'
    )


def embedded_plot(plot: Callable[[bool], bytes], description: str) -> str:
    """A plot as SVG, once for a light page and once for a dark one; the browser takes its own.

    Args:
        plot: dark -> SVG.
        description: for who cannot see it.
    """
    light, dark = (_data_uri("svg+xml", plot(dark)) for dark in (False, True))
    return (
        f'<picture><source media="(prefers-color-scheme: dark)" srcset="{dark}">'
        f'<img src="{light}" alt="{text(description)}"></picture>'
    )


def _encoded(picture: Image.Image, format: str, **options: int) -> bytes:
    with io.BytesIO() as file:
        picture.save(file, format, **options)
        return file.getvalue()


def _data_uri(kind: str, data: bytes) -> str:
    return f"data:image/{kind};base64,{b64encode(data).decode()}"

"""Pictures as files."""

import io
from pathlib import Path

from PIL import Image

from boxless.data.files import write_atomically


def write_picture(path: Path, picture: Image.Image) -> None:
    """Write a PNG, whole or not at all."""
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    write_atomically(path, buffer.getvalue())

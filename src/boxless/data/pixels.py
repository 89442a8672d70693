"""What the values of a stored pixel mean: every mode of Pillow and every numpy type brought to [0, 1]."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

# Rounding may leave [0, 1] by so much; what is further out is an error of the caller.
TOLERANCE = 1e-5


def pixels_of(image: Image.Image) -> NDArray[Any]:
    """The values of a loaded Pillow image, with transparency put on black.

    Args:
        image: any mode; 32-bit integers (mode I) are taken as 16-bit values in a wider type, as 16-bit PGM files are.

    Returns:
        (H, W) grey or (H, W, 3) RGB, of uint8, uint16 or float32 (see ``scaled``).

    Raises:
        ValueError: 32-bit values beyond 16 bits, or a mode that Pillow cannot bring to RGB.
    """
    mode = image.mode
    if mode == "F":
        return np.asarray(image)
    if mode.startswith("I"):
        values = np.asarray(image)
        if values.min() < 0 or values.max() > 65535:
            raise ValueError(f"32-bit values from {values.min()} to {values.max()}, where 0 to 65535 are taken")
        values = values.astype(np.uint16)
        transparent = image.info.get("transparency")
        return np.where(values == transparent, np.uint16(0), values) if isinstance(transparent, int) else values
    if image.has_transparency_data:
        rgba = np.asarray(image.convert("RGBA"))
        colors = scaled(rgba[:, :, :3])
        colors *= scaled(rgba[:, :, 3:])
        return colors
    return np.asarray(image.convert("L" if mode in ("1", "L") else "RGB"))


def scaled(values: NDArray[Any]) -> NDArray[np.float32]:
    """Values as float32 in [0, 1], a copy: bool as 0 and 1, uint8 / 255, uint16 / 65535, floats as they are.

    Raises:
        ValueError: another type, or a float that is not finite or outside [0, 1]; the message reads on after the name
            of the image.
    """
    if values.dtype == np.bool_:
        return values.astype(np.float32)
    if values.dtype.kind == "u" and values.dtype.itemsize <= 2:  # in either byte order
        shares = values.astype(np.float32)
        shares /= np.float32(np.iinfo(values.dtype).max)
        return shares
    if values.dtype.kind != "f":
        raise ValueError(f"holds {values.dtype}, where bool, uint8, uint16 or floats in [0, 1] are taken; convert it")
    if not np.isfinite(values).all():
        raise ValueError("holds values that are not finite; replace them")
    low, high = float(values.min()), float(values.max())
    if low < -TOLERANCE or high > 1 + TOLERANCE:
        raise ValueError(f"holds values from {low:g} to {high:g}, where floats lie in [0, 1]; scale or clip them")
    return values.astype(np.float32).clip(0, 1)

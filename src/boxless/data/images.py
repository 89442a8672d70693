"""An image from anywhere (a file, Pillow, an array, a tensor) as floats in [0, 1] with one or three channels.

The full range of the stored type is mapped to [0, 1]: 1 bit, 8 bits (255 is one) and 16 bits (65535 is one); nothing is
stretched to the values that happen to occur. Colours become grey by the luma of ITU-R BT.601, grey becomes colours by
repetition. Transparent pixels are put on black, which is what a scene of glyphs has between its objects. A file's EXIF
orientation is applied. Of a file that holds several images the first is read.
"""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError
from torch import Tensor

from boxless.data.pixels import pixels_of, scaled
from boxless.errors import BoxlessError

PIXEL_LIMIT = 80_000_000
"""Images of more pixels are refused before they are decoded: 80 million pixels are 1 GB as three float channels."""

LUMA = (0.299, 0.587, 0.114)
"""Shares of red, green and blue in grey, ITU-R BT.601."""

# Only what is decoded in this process: Pillow would hand an EPS file that is named .png to Ghostscript.
FORMATS = ("AVIF", "BMP", "GIF", "JPEG", "JPEG2000", "PNG", "PPM", "TIFF", "WEBP")
SUFFIXES = frozenset(
    ".avif .bmp .gif .jp2 .jpeg .jpg .pbm .pfm .pgm .png .pnm .ppm .tif .tiff .webp".split()  # noqa: SIM905
)

ImageLike = str | os.PathLike[str] | Image.Image | NDArray[Any] | Tensor


class UnreadableImage(BoxlessError):
    """An image that cannot be read, or whose values or shape cannot be taken; the message names it and the reason."""


def read_image(path: str | os.PathLike[str], channels: int) -> NDArray[np.float32]:
    """Read an image file.

    Args:
        path: a file in one of ``FORMATS``, whatever its suffix.
        channels: 1 for grey, 3 for RGB.

    Returns:
        (H, W, channels), values in [0, 1], upright by the file's EXIF orientation, transparency on black.

    Raises:
        UnreadableImage: the file is missing, no image, broken, or of more than ``PIXEL_LIMIT`` pixels.
    """
    return _converted(_decode(Path(path)), channels, where=os.fspath(path))


def to_tensor(image: ImageLike, channels: int) -> Tensor:
    """Bring an image of any kind to what the networks take.

    Args:
        image: the path of a file; a Pillow image (its EXIF orientation is applied, as for a file); a numpy array
            (H, W), (H, W, 1) or (H, W, 3); or a tensor (H, W), (1, H, W) or (3, H, W). Arrays and tensors hold bool,
            uint8, uint16, or floats in [0, 1].
        channels: 1 for grey, 3 for RGB.

    Returns:
        (channels, H, W) float32 in [0, 1], a copy; on the device of the tensor that was given, else on the CPU.

    Raises:
        UnreadableImage: a file or Pillow image cannot be read, a shape or type is another than these, a float value
            is not finite or lies outside [0, 1].
    """
    if isinstance(image, Tensor):
        return _chw(_converted(_pixels_of_tensor(image), channels, "the tensor")).to(image.device)
    if isinstance(image, Image.Image):
        name = getattr(image, "filename", "") or f"the Pillow image of mode {image.mode}"
        return _chw(_converted(_loaded(image, name), channels, name))
    if isinstance(image, np.ndarray):
        if image.ndim not in (2, 3) or image.shape[2:] not in ((), (1,), (3,)):
            raise UnreadableImage(
                f"An image array has the shape (height, width), (height, width, 1) or (height, width, 3), "
                f"not {image.shape}; transpose it, drop its alpha channel, or give a list of images one by one."
            )
        return _chw(_converted(image, channels, "the array"))
    if isinstance(image, str | os.PathLike):
        return _chw(read_image(image, channels))
    raise UnreadableImage(
        f"An image is a path, a Pillow image, a numpy array or a tensor, not {type(image).__name__}; convert it."
    )


def readable(paths: Iterable[Path], channels: int, problems: list[str]) -> Iterator[tuple[Path, Tensor]]:
    """Path and pixels, see :func:`to_tensor`, of each image that can be read; of the others a sentence is added."""
    for path in paths:
        try:
            pixels = to_tensor(path, channels)
        except UnreadableImage as error:
            problems.append(str(error))
        else:
            yield path, pixels


def list_images(paths: str | os.PathLike[str] | Iterable[str | os.PathLike[str]]) -> list[Path]:
    """Expand folders to the image files in them.

    Args:
        paths: one path or several. Folders are searched with all folders in them, sorted by path, for files with a
            suffix of ``SUFFIXES`` in any case; hidden files and folders are passed over. Files are kept as they are.

    Returns:
        The files in the order of ``paths``, each once, by the name that it has there first.

    Raises:
        BoxlessError: a path does not exist, or there is no image at all.
    """
    given = [Path(paths)] if isinstance(paths, str | os.PathLike) else [Path(path) for path in paths]
    missing = [str(path) for path in given if not path.exists()]
    if missing:
        raise BoxlessError(f"There is no file or folder {', '.join(missing)}; check the name.")
    found = [file for path in given for file in (_images_below(path) if path.is_dir() else [path])]
    if not found:
        searched = ", ".join(map(str, given)) or "an empty list of paths"
        raise BoxlessError(f"No image was found in {searched}; the suffixes known are {' '.join(sorted(SUFFIXES))}.")
    firsts: dict[str, Path] = {}
    for file in found:
        firsts.setdefault(os.path.abspath(file), file)
    return list(firsts.values())


def _images_below(folder: Path) -> list[Path]:
    found = []
    for directory, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        found += [
            Path(directory, name)
            for name in files
            if not name.startswith(".") and Path(name).suffix.lower() in SUFFIXES
        ]
    return sorted(found)


def _decode(path: Path) -> NDArray[Any]:
    """Pixels of a file, (H, W) or (H, W, 3), in the range of their own type."""
    if path.is_dir():
        raise UnreadableImage(f"{path} is a folder, where an image file is needed; give the files in it.")
    try:
        file = path.open("rb")
    except FileNotFoundError as error:
        raise UnreadableImage(f"There is no image file {path}; check the name.") from error
    except (OSError, ValueError) as error:
        raise UnreadableImage(f"{path} cannot be opened ({_reason(error)}); check the name and the rights.") from error
    with file:
        if os.fstat(file.fileno()).st_size == 0:
            raise UnreadableImage(f"{path} is an empty file; copy or save it again.")
        return _opened(file, path)


def _opened(file: BinaryIO, path: Path) -> NDArray[Any]:
    Image.init()
    too_large = UnreadableImage(f"{path} has more than {PIXEL_LIMIT:,} pixels; shrink it or cut it into pieces.")
    try:
        image = Image.open(file, formats=[name for name in FORMATS if name in Image.OPEN])
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise too_large from error
    except UnidentifiedImageError as error:
        raise UnreadableImage(
            f"{path} is not an image of a known format ({', '.join(FORMATS)}), or its head is broken; save it as PNG."
        ) from error
    except Exception as error:  # a decoder of foreign bytes may fail with anything
        raise UnreadableImage(f"{path} has a broken head ({_reason(error)}); copy or save it again.") from error
    with image:
        if image.width * image.height > PIXEL_LIMIT:
            raise too_large
        return _loaded(image, str(path))


def _loaded(image: Image.Image, where: str) -> NDArray[Any]:
    try:
        image.load()
        return _upright(pixels_of(image), _orientation(image))
    except Exception as error:  # a decoder of foreign bytes may fail with anything
        raise UnreadableImage(f"{where} cannot be decoded ({_reason(error)}); copy or save it again.") from error


def _reason(error: Exception) -> str:
    first_line = (str(error).splitlines() or [""])[0].rstrip(".")
    return (error.strerror if isinstance(error, OSError) else None) or first_line or type(error).__name__


def _orientation(image: Image.Image) -> int:
    try:
        return int(image.getexif().get(0x0112, 1))
    except Exception:  # broken EXIF data do not make the pixels worse
        return 1


def _upright(pixels: NDArray[Any], orientation: int) -> NDArray[Any]:
    """Turn pixels (H, W, ...) as the EXIF orientation 1 to 8 asks; other values are no turn."""
    if 5 <= orientation <= 8:
        pixels = pixels.swapaxes(0, 1)
    rows = -1 if orientation in (3, 4, 7, 8) else 1
    columns = -1 if orientation in (2, 3, 6, 7) else 1
    return pixels[::rows, ::columns]


def _pixels_of_tensor(image: Tensor) -> NDArray[Any]:
    if image.ndim not in (2, 3) or (image.ndim == 3 and image.shape[0] not in (1, 3)):
        raise UnreadableImage(
            f"An image tensor has the shape (height, width), (1, height, width) or (3, height, width), "
            f"not {tuple(image.shape)}; permute it, or take the images of a batch one by one."
        )
    values = image.detach().cpu()
    if values.is_floating_point():  # numpy has no bfloat16
        values = values.float()
    pixels: NDArray[Any] = values.numpy()
    return pixels if image.ndim == 2 else np.moveaxis(pixels, 0, 2)


def _converted(pixels: NDArray[Any], channels: int, where: str) -> NDArray[np.float32]:
    """(H, W) or (H, W, 1 or 3) of any type to (H, W, channels) in [0, 1]."""
    if channels not in (1, 3):
        raise BoxlessError(f"An image is read with 1 channel (grey) or 3 (RGB), not {channels}.")
    if pixels.size == 0:
        raise UnreadableImage(f"{where} has no pixels; leave it out.")
    if pixels.ndim == 2:
        pixels = pixels[:, :, None]
    try:
        if channels == 1 and pixels.shape[2] == 3:  # one channel at a time: a third of the memory
            grey = np.zeros(pixels.shape[:2], np.float32)
            for channel, share in enumerate(LUMA):
                grey += np.float32(share) * scaled(pixels[:, :, channel])
            return grey[:, :, None]
        values = scaled(pixels)
    except ValueError as error:
        raise UnreadableImage(f"{where} {error}.") from error
    return np.repeat(values, channels // values.shape[2], axis=2)


def _chw(values: NDArray[np.float32]) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(np.moveaxis(values, 2, 0)))

"""Images brought to a size that fits, and the way back for coordinates.

Conventions
    Coordinates are pixels, x right, y down, the centre of the top-left pixel at (0, 0). A frame that is ``s`` times
    another has its *corners* at ``s`` times the other's, so a point moves by x_fitted + 0.5 = s · (x + 0.5).
    A scale is a pair (of x, of y), fitted over original: both sides are rounded to whole pixels, each by its own share.
"""

from collections.abc import Sequence

from torch import Tensor
from torch.nn.functional import interpolate

from boxless.errors import BoxlessError

Scale = tuple[float, float]


def fit(image: Tensor, max_side: int | None, shrink: float = 1.0) -> tuple[Tensor, Scale]:
    """Shrink an image by a factor, and so that its longer side is at most ``max_side``; antialiased, bilinear.

    Args:
        image: (C, H, W) float.
        max_side: pixels; None, or at least the longer side, leaves the image as it is. Nothing is enlarged.
        shrink: factor on both sides, above 0 and at most 1.

    Returns:
        The image (C, H', W'), and the scale (W' / W, H' / H).

    Raises:
        BoxlessError: ``max_side`` is less than 1.
    """
    height, width = image.shape[-2:]
    fitted = fitted_size((height, width), max_side, shrink)
    if fitted == (height, width):
        return image, (1.0, 1.0)
    shrunk = interpolate(image.unsqueeze(0), size=fitted, mode="bilinear", align_corners=False, antialias=True)
    return shrunk.squeeze(0), (fitted[1] / width, fitted[0] / height)


def fitted_size(size: tuple[int, int], max_side: int | None, shrink: float = 1.0) -> tuple[int, int]:
    """Height and width that :func:`fit` gives an image of this height and width.

    Raises:
        BoxlessError: ``max_side`` is less than 1.
    """
    if max_side is not None and max_side < 1:
        raise BoxlessError(f"The longest side of an image is at least 1 pixel, not {max_side}; raise max_side.")
    height, width = size
    factor = shrink if max_side is None else min(shrink, max_side / max(height, width))
    if factor >= 1:
        return height, width
    return max(1, round(height * factor)), max(1, round(width * factor))


def centers_to_original(centers: Tensor, scale: Scale) -> Tensor:
    """Points (..., 2) as x and y in the fitted image, to the frame of the original: x = (x_fitted + 0.5) / s - 0.5."""
    return (centers + 0.5) / centers.new_tensor(scale) - 0.5


def centers_to_fitted(centers: Tensor, scale: Scale) -> Tensor:
    """Points (..., 2) as x and y in the original image, to the frame of the fitted one: s · (x + 0.5) - 0.5."""
    return (centers + 0.5) * centers.new_tensor(scale) - 0.5


def sizes_to_original(sizes: Tensor, scale: Scale) -> Tensor:
    """Widths and heights (..., 2) in pixels of the fitted image, in pixels of the original."""
    return sizes / sizes.new_tensor(scale)


def sizes_to_fitted(sizes: Tensor, scale: Scale) -> Tensor:
    """Widths and heights (..., 2) in pixels of the original image, in pixels of the fitted one."""
    return sizes * sizes.new_tensor(scale)


def pad_batch(images: Sequence[Tensor]) -> tuple[Tensor, list[tuple[int, int]]]:
    """Stack images of several sizes, with zeros on the right and below, so that coordinates stay.

    Args:
        images: at least one, each (C, H, W) with its own H and W, of one C, type and device.

    Returns:
        The batch (B, C, largest H, largest W), and the true (height, width) of each image.

    Raises:
        BoxlessError: there is no image, or they differ in C.
    """
    if not images:
        raise BoxlessError("A batch needs at least one image; there is none.")
    channels = {image.shape[0] for image in images}
    if len(channels) > 1:
        raise BoxlessError(f"The images of a batch have {sorted(channels)} channels; bring them to one number.")
    sizes = [(image.shape[1], image.shape[2]) for image in images]
    largest = [max(lengths) for lengths in zip(*sizes, strict=True)]
    batch = images[0].new_zeros((len(images), images[0].shape[0], *largest))
    for row, image, (height, width) in zip(batch, images, sizes, strict=True):
        row[:, :height, :width] = image
    return batch, sizes

"""Pictures of what was found: boxes with names, heatmaps and class maps over images, and many pictures on one sheet.

Images are (H, W), (H, W, 1) or (H, W, 3) floats in [0, 1]. The centre of their top-left pixel is (0, 0), and a picture
of s times the size has its origin at the *corner* of that pixel: x lands at (x + 0.5) * s.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from boxless.errors import BoxlessError
from boxless.instances import Instances
from boxless.report.colors import Color, Mark, class_color, inferno
from boxless.report.lettering import picture_names
from boxless.report.outlines import Outline, draw_outlines
from boxless.report.verdicts import judge, names_tell

ImageArray = NDArray[np.floating]

READABLE_SIDE = 480
"""Small images are enlarged until their longer side has about so many pixels."""

LONGEST_SIDE = 1600
"""Large images are shrunk until their longer side has at most so many pixels."""

# Resizing and warping leave [0, 1] by rounding; 0 to 255 does so by far more.
ROUNDING = 1e-3
SHEET: Color = (32, 34, 37)
GAP = 8


def draw_detections(
    image: ImageArray,
    predicted: Instances,
    true: Instances | None = None,
    scale: int | None = None,
    longest_side: int = LONGEST_SIDE,
) -> Image.Image:
    """An image with the boxes and class names of what was found in it.

    With the truth, a right prediction is green with a thin line; one of a wrong class ("3 not 8"), or where nothing is,
    is vermillion with a heavy line; a true instance without a prediction is yellow with a dashed line. Without it every
    class has a colour. Names that the font cannot write stand as ``#`` and the class id; the name of the only class
    tells nothing, and is left out.

    Args:
        image: (H, W), (H, W, 1) or (H, W, 3), floats in [0, 1].
        predicted: what was found.
        true: what is there, or None where that is not known.
        scale: every pixel becomes scale × scale pixels; None chooses, so that a small image can be read, and shrinks
            a large one.
        longest_side: what a large image is shrunk to, in pixels, where ``scale`` is None.

    Raises:
        BoxlessError: the image is of another shape or range, the instances are of an image of another size, predictions
            and truth name their classes differently, or the scale is under 1.
    """
    pixels = _colored(image)
    for side, instances in (("predictions", predicted), ("truth", true)):
        if instances is not None and instances.image_size not in (None, pixels.shape[:2]):
            raise BoxlessError(
                f"the {side} are of an image of (height, width) {instances.image_size}, but the image to draw them on"
                f" has {pixels.shape[:2]}."
            )
    picture = _resized(pixels, scale, longest_side)
    factors = np.tile(np.array(picture.size) / pixels.shape[1::-1], 2)  # (4,) x, y, x, y
    outlines = _by_class(predicted, factors) if true is None else _by_verdict(predicted, true, factors)
    draw_outlines(picture, outlines)
    return picture


def draw_image(image: ImageArray, scale: int | None = None, longest_side: int = LONGEST_SIDE) -> Image.Image:
    """An image as it is, enlarged or shrunk as ``draw_detections`` does.

    Raises:
        BoxlessError: the image is of another shape or range, or the scale is under 1.
    """
    return _resized(_colored(image), scale, longest_side)


def draw_heatmap(image: ImageArray, heatmap: ImageArray) -> Image.Image:
    """A heatmap over its image, which is dimmed to grey; from black (least) over red to pale yellow (highest).

    Args:
        image: (H, W), (H, W, 1) or (H, W, 3), floats in [0, 1].
        heatmap: (H, W) of the same size, any range; its own least and highest value span the colours.

    Raises:
        BoxlessError: the image is of another shape or range, or the sizes differ.
    """
    pixels = _colored(image)
    if heatmap.shape != pixels.shape[:2]:
        raise BoxlessError(f"a heatmap of shape {heatmap.shape} does not fit an image of {pixels.shape[:2]}.")
    heat = _stretched(heatmap)[..., None]
    dimmed = 0.5 * pixels.mean(axis=-1, keepdims=True) / 255
    mixed = (1 - heat) * np.maximum(dimmed, inferno(heat[..., 0])) + heat * inferno(heat[..., 0])
    return _resized(_bytes(mixed), None, LONGEST_SIDE)


def draw_class_map(image: ImageArray, class_map: ImageArray) -> Image.Image:
    """What is likely where, in the colours of the classes over the image, which is dimmed to grey.

    Args:
        image: (H, W), (H, W, 1) or (H, W, 3), floats in [0, 1].
        class_map: (H, W, C) of the same size, the probability of each class.

    Raises:
        BoxlessError: the image is of another shape or range, or the sizes differ.
    """
    pixels = _colored(image)
    if class_map.ndim != 3 or class_map.shape[:2] != pixels.shape[:2]:
        raise BoxlessError(f"a class map of shape {class_map.shape} does not fit an image of {pixels.shape[:2]}.")
    colors = np.array([class_color(label) for label in range(class_map.shape[2])]) / 255
    shares = np.clip(class_map, 0, 1)
    dimmed = 0.5 * pixels.mean(axis=-1, keepdims=True) / 255
    mixed = (1 - shares.sum(axis=-1, keepdims=True)).clip(0) * dimmed + shares @ colors
    return _resized(_bytes(mixed), None, LONGEST_SIDE)


def montage(pictures: Sequence[Image.Image], columns: int) -> Image.Image:
    """Pictures on one dark sheet, row by row, each in the middle of a cell that takes the largest.

    Raises:
        BoxlessError: there is no picture, or no column.
    """
    if not pictures or columns < 1:
        raise BoxlessError(f"a sheet needs a picture and a column, not {len(pictures)} and {columns}.")
    columns = min(columns, len(pictures))
    width, height = (max(picture.size[axis] for picture in pictures) for axis in (0, 1))
    rows = -(-len(pictures) // columns)
    sheet = Image.new("RGB", (columns * (width + GAP) + GAP, rows * (height + GAP) + GAP), SHEET)
    for index, picture in enumerate(pictures):
        row, column = divmod(index, columns)
        left = GAP + column * (width + GAP) + (width - picture.width) // 2
        top = GAP + row * (height + GAP) + (height - picture.height) // 2
        sheet.paste(picture.convert("RGB"), (left, top))
    return sheet


def _colored(image: ImageArray) -> NDArray[np.uint8]:
    """(H, W, 3) bytes."""
    if image.ndim not in (2, 3) or image.shape[2:] not in ((), (1,), (3,)) or 0 in image.shape:
        raise BoxlessError(f"an image to draw on must be (H, W), (H, W, 1) or (H, W, 3), not {image.shape}.")
    if image.dtype.kind != "f" or not (image.min() >= -ROUNDING and image.max() <= 1 + ROUNDING):
        raise BoxlessError(
            f"an image to draw on must hold floats in [0, 1], not {image.dtype} from {image.min():g} to"
            f" {image.max():g}; divide by 255?"
        )
    pixels = _bytes(image)
    return np.broadcast_to(pixels.reshape(*image.shape[:2], -1), (*image.shape[:2], 3))


def _bytes(values: ImageArray) -> NDArray[np.uint8]:
    """[0, 1] to 0 .. 255, in place where it can: a photograph has many pixels."""
    scaled = np.clip(values, 0, 1)
    scaled *= 255
    return np.rint(scaled, out=scaled).astype(np.uint8)


def _stretched(heatmap: ImageArray) -> NDArray[np.float64]:
    """The least finite value becomes 0, the highest 1; a flat map is 0, and so is what is not finite."""
    finite = np.isfinite(heatmap)
    if not finite.any():
        return np.zeros(heatmap.shape)
    least, highest = (float(bound(heatmap[finite])) for bound in (np.min, np.max))
    values = np.where(finite, heatmap, least).astype(np.float64) - least
    return values / (highest - least) if highest > least else np.zeros(heatmap.shape)


def _resized(pixels: NDArray[np.uint8], scale: int | None, longest_side: int) -> Image.Image:
    """Enlarged by whole pixels, or shrunk by averages."""
    picture = Image.fromarray(pixels)
    longest = max(picture.size)
    if scale is None and longest > longest_side:
        width, height = (max(1, round(side * longest_side / longest)) for side in picture.size)
        return picture.resize((width, height), Image.Resampling.BOX)
    factor = max(1, round(READABLE_SIDE / longest)) if scale is None else scale
    if factor < 1:
        raise BoxlessError(f"a picture is enlarged by a whole number of at least 1, not {factor}.")
    return picture.resize((picture.width * factor, picture.height * factor), Image.Resampling.NEAREST)


def _by_class(predicted: Instances, factors: NDArray[np.float64]) -> list[Outline]:
    boxes, names, labels = _boxes(predicted, factors), _names(predicted), predicted.labels.tolist()
    return [Outline(box, class_color(label), name) for box, name, label in zip(boxes, names, labels, strict=True)]


def _by_verdict(predicted: Instances, true: Instances, factors: NDArray[np.float64]) -> list[Outline]:
    """What is missed first, then what is right, and what is false over both."""
    verdicts = judge(predicted, true)
    found, there = _boxes(predicted, factors), _boxes(true, factors)
    names, true_names = _names(predicted), _names(true)
    missed = [Outline(there[at], Mark.MISSED.value, true_names[at], dashed=True) for at in verdicts.missed.tolist()]
    right = [Outline(found[at], Mark.RIGHT.value, names[at]) for at, _ in verdicts.right.tolist()]
    mistaken = [
        Outline(found[at], Mark.FALSE.value, f"{names[at]} not {true_names[truth]}", heavy=True)
        for at, truth in verdicts.mistaken.tolist()
    ]
    false = [Outline(found[at], Mark.FALSE.value, names[at], heavy=True) for at in verdicts.false.tolist()]
    return missed + right + mistaken + false


def _names(instances: Instances) -> list[str]:
    return picture_names(instances) if names_tell(instances) else [""] * len(instances)


def _boxes(instances: Instances, factors: NDArray[np.float64]) -> list[tuple[float, float, float, float]]:
    """Left, top, right, bottom in the picture, whose origin is the corner of the top-left pixel."""
    return [(left, top, right, bottom) for left, top, right, bottom in ((instances.boxes + 0.5) * factors).tolist()]

"""Pictures of keypoints by their kinds, of the layers they are decoded to, and of landmarks regressed from them."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from boxless.instances import Instances
from boxless.report.colors import WHITE, Mark, kind_color
from boxless.report.contents import Layers, Rebuilt
from boxless.report.marker import Marker
from boxless.report.pictures import LONGEST_SIDE, ImageArray, draw_image
from boxless.report.reconstruction import draw_patches


def draw_kinds(
    image: ImageArray, found: Instances, scale: int | None = None, longest_side: int = LONGEST_SIDE
) -> Image.Image:
    """An image with a numbered disc at each keypoint, in the colour of its kind.

    Args:
        image: (H, W), (H, W, 1) or (H, W, 3), floats in [0, 1].
        found: keypoints; labels are kinds.
        scale, longest_side: see ``draw_detections``.

    Raises:
        BoxlessError: the image is of another shape or range.
    """
    picture = draw_image(image, scale, longest_side)
    Marker(picture).numbered(_places(found.centers, image, picture), found.labels, [str(k) for k in found.labels])
    return picture


def draw_landmarks(
    image: ImageArray, predicted: NDArray[np.float64], true: NDArray[np.float64] | None = None
) -> Image.Image:
    """An image with dots at landmarks (T, 2): green as they were predicted, yellow as they are, a line between the two.

    Raises:
        BoxlessError: the image is of another shape or range.
    """
    picture = draw_image(image)
    marker, ours = Marker(picture), _places(predicted, image, picture)
    if true is not None:
        theirs = _places(true, image, picture)
        marker.lines(theirs, ours, WHITE)
        marker.dots(theirs, Mark.MISSED.value)
    marker.dots(ours, Mark.RIGHT.value)
    return picture


def draw_layers(layers: Layers) -> Image.Image:
    """What each keypoint adds, on black, above how opaque it is there; in rows of equally many pairs."""
    alphas = np.broadcast_to(layers.alphas[..., None], layers.colors.shape)
    return draw_patches(Rebuilt(layers.colors[0], layers.colors, alphas))


def draw_owners(layers: Layers, least: float = 0.5) -> Image.Image:
    """Whose each pixel is, in the colour of the keypoint's number: of the highest alpha that is at least ``least``."""
    owner = layers.alphas.argmax(axis=0)
    colors = np.array([kind_color(number) for number in range(len(layers.alphas))]) / 255
    seen = layers.alphas.max(axis=0) >= least
    return draw_image(colors[owner] * seen[..., None])


def _places(points: NDArray[np.floating], image: ImageArray, picture: Image.Image) -> NDArray[np.float64]:
    """Pixels of the image as pixels of its picture, whose origin is the corner of the top-left pixel."""
    scale = np.array(picture.size) / image.shape[1::-1]
    places: NDArray[np.float64] = (points.astype(np.float64) + 0.5) * scale
    return places

"""Pictures of images rebuilt from patches: each patch beside what became of it, and marks where boxes would hide all.

As MIST's figures 3 and 4 (CVPR 2021).
"""

import numpy as np
from PIL import Image

from boxless.errors import BoxlessError
from boxless.instances import Instances
from boxless.report.colors import Mark, class_color
from boxless.report.contents import Rebuilt
from boxless.report.marker import Marker
from boxless.report.pictures import LONGEST_SIDE, SHEET, ImageArray, draw_image
from boxless.report.verdicts import judge_centers

MOST_PATCHES = 64
MOST_COLUMNS = 10
GAP, BETWEEN = 2, 6  # between a patch and its reconstruction, and between pairs, in samples
SHEET_WIDTH = 900


def draw_patches(rebuilt: Rebuilt) -> Image.Image:
    """Each patch above its reconstruction, in rows of equally many pairs; the first ``MOST_PATCHES`` of them.

    Raises:
        BoxlessError: there is none, or patches and reconstructions differ in shape.
    """
    if rebuilt.patches.shape != rebuilt.decoded.shape or len(rebuilt.patches) == 0:
        raise BoxlessError(
            f"patches of shape {rebuilt.patches.shape} and reconstructions of {rebuilt.decoded.shape} make no pairs."
        )
    pairs = list(zip(rebuilt.patches, rebuilt.decoded, strict=True))[:MOST_PATCHES]
    rows = -(-len(pairs) // MOST_COLUMNS)
    columns = -(-len(pairs) // rows)
    height, width = rebuilt.patches.shape[1:3]
    cell = (width + BETWEEN, 2 * height + GAP + BETWEEN)
    scale = max(1, SHEET_WIDTH // (columns * cell[0]))
    size = (scale * (columns * cell[0] - BETWEEN), scale * (rows * cell[1] - BETWEEN))
    sheet = Image.new("RGB", size, SHEET)
    for index, pair in enumerate(pairs):
        row, column = divmod(index, columns)
        for place, patch in enumerate(pair):
            top = row * cell[1] + place * (height + GAP)
            sheet.paste(draw_image(patch, scale=scale), (scale * column * cell[0], scale * top))
    return sheet


def draw_marks(
    image: ImageArray, predicted: Instances, true: Instances | None = None, longest_side: int = LONGEST_SIDE
) -> Image.Image:
    """An image with a mark at each centre.

    With the truth, what is found right is a green disc, what is found where nothing is a vermillion cross, what is
    missed a yellow ring (see ``judge_centers``); without it all that is found are discs.

    Args:
        image: (H, W), (H, W, 1) or (H, W, 3), floats in [0, 1].
        predicted: what was found.
        true: what is there, or None where that is not known.
        longest_side: what a large image is shrunk to, in pixels.

    Raises:
        BoxlessError: the image is of another shape or range.
    """
    picture = draw_image(image, longest_side=longest_side)
    factors = np.array(picture.size) / image.shape[1::-1]
    brush = Marker(picture)
    found = (predicted.centers + 0.5) * factors
    if true is None:
        brush.discs(found, class_color(0))
        return picture
    verdicts = judge_centers(predicted, true)
    brush.rings(((true.centers + 0.5) * factors)[verdicts.missed], Mark.MISSED.value)
    brush.discs(found[verdicts.right[:, 0]], Mark.RIGHT.value)
    brush.crosses(found[verdicts.false], Mark.FALSE.value)
    return picture

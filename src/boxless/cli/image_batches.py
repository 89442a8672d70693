"""Image files read in batches that fit into memory; imports torch."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from torch import Tensor

from boxless.data.images import UnreadableImage, to_tensor
from boxless.image_progress import ImageProgress

# What is in memory at once: so many images, or fewer if they are large.
BATCH_IMAGES, BATCH_PIXELS = 64, 32_000_000


def read_in_batches(
    files: Sequence[Path], channels: int, progress: ImageProgress
) -> Iterator[list[tuple[Path, Tensor]]]:
    """Images as (C, H, W) with their files; those that cannot be read are said and left out.

    Args:
        files: of the images.
        channels: 1 for grey images, 3 for RGB.
        progress: where it is said; images left out are counted there, the others are to be when they are done.
    """
    batch: list[tuple[Path, Tensor]] = []
    pixels = 0
    for path in files:
        try:
            image = to_tensor(path, channels)
        except UnreadableImage as error:
            progress.say(f"passed over: {error}")
            progress.advance(1)
            continue
        batch.append((path, image))
        pixels += image[0].numel()
        if len(batch) == BATCH_IMAGES or pixels >= BATCH_PIXELS:
            yield batch
            batch, pixels = [], 0
    if batch:
        yield batch

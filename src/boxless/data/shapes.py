"""Scenes of coloured shapes: images with a mask and attributes of every object."""

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class ShapeScenes:
    """A batch of scenes of at most N objects, those that are present first.

    Attributes:
        images: (B, 3, H, W) float32 in [0, 1].
        masks: (B, N, H, W) bool: the pixels that show each object. No pixel shows two.
        present: (B, N) bool: false where a scene has fewer than N objects.
        attributes: by name ("shape", "color", ...) (B, N) int64 ids; −1 where there is no object.
        attribute_names: by the same name, what each id means.
        centers: (B, N, 2) x and y in pixels, of the whole object's box, be it covered or not; zero where there is none.
        sizes: (B, N, 2) width and height of that box in pixels; zero where there is none.
    """

    images: Tensor
    masks: Tensor
    present: Tensor
    attributes: dict[str, Tensor]
    attribute_names: dict[str, tuple[str, ...]]
    centers: Tensor
    sizes: Tensor

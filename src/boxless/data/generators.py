"""Every kind of composed scene by its name, and the generator of each."""

from typing import Protocol

from torch import Tensor

from boxless.data.batch import Batch
from boxless.data.gabor import GaborGenerator, GaborNoise
from boxless.data.glyphs import Glyphs
from boxless.data.house_digits import PARTS, load_house_digits
from boxless.data.house_numbers import HouseNumberGenerator, HouseNumberLayout
from boxless.data.scaled_scenes import ScaledLayout, ScaledSceneGenerator
from boxless.data.scenes import LAYOUTS, Layout, SceneGenerator
from boxless.data.shape_scenes import ShapeLayout, ShapeSceneGenerator
from boxless.data.single_glyphs import SingleGenerator, SingleLayout
from boxless.data.varying_scenes import VaryingLayout, VaryingSceneGenerator
from boxless.errors import BoxlessError

AnyLayout = Layout | ScaledLayout | VaryingLayout | SingleLayout | GaborNoise | ShapeLayout | HouseNumberLayout

SCENES: dict[str, AnyLayout] = {
    **LAYOUTS,
    "mnist-scales": ScaledLayout(),
    "extended-mnist": VaryingLayout(),
    "mnist-scattered": VaryingLayout(counts=(2, 3, 4, 5, 6, 7, 8, 9), sides=(96, 160), distance=20.0),
    "mnist-single": SingleLayout(),
    "gabor-16": GaborNoise(counts=(16,)),
    "gabor-36": GaborNoise(counts=(36,)),
    "tetrominoes": ShapeLayout("tetrominoes", counts=(3,), side=112),
    "tetrominoes-35": ShapeLayout("tetrominoes", counts=(3,), side=35),  # as they are released
    "sprites": ShapeLayout("sprites", counts=(1, 2, 3, 4, 5, 6), side=64),
    "svhn": HouseNumberLayout(),
}


def layout_named(name: str) -> AnyLayout:
    """The layout of that name.

    Raises:
        BoxlessError: there is none.
    """
    if name not in SCENES:
        raise BoxlessError(f"There is no layout {name!r}; there are {', '.join(SCENES)}.")
    return SCENES[name]


class Generator(Protocol):
    """Composes images by index, a pure function of (layout, glyphs, seed, stream, indices)."""

    @property
    def class_names(self) -> tuple[str, ...]: ...
    def compose(self, indices: Tensor) -> Batch:
        """The images of these indices, (B,) int64."""
        ...


def generator_of(layout: AnyLayout, glyphs: Glyphs, seed: int = 0, stream: int = 0) -> Generator:
    """The generator of a layout, of whatever kind.

    Gabor noise, coloured shapes and house numbers make no use of the glyphs; the stream tells the part that the digits
    of house numbers come from.

    Raises:
        BoxlessError: the layout has no room for what it lays down, or SVHN cannot be had.
    """
    match layout:
        case HouseNumberLayout():
            return HouseNumberGenerator(load_house_digits(PARTS[stream]), layout, seed, stream)
        case GaborNoise():
            return GaborGenerator(layout, seed, stream)
        case ShapeLayout():
            return ShapeSceneGenerator(layout, seed, stream)
        case ScaledLayout():
            return ScaledSceneGenerator(glyphs, layout, seed, stream)
        case SingleLayout():
            return SingleGenerator(glyphs)
        case VaryingLayout():
            return VaryingSceneGenerator(glyphs, layout, seed, stream)
        case Layout():
            return SceneGenerator(glyphs, layout, seed, stream)

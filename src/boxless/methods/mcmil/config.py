"""What an MCMIL model is (plain values, saved beside the weights), and how it is trained.

Imports nothing heavy: the command line makes its options of these.
"""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, kw_only=True)
class McmilConfig:
    """An all-convolutional network, and how its map is read. The defaults are the paper's network for MNIST.

    Attributes:
        class_names: name of each class, by id; background is not among them.
        channels: of the images, 1 or 3.
        max_side: images are shrunk so that their longer side is at most this, in pixels; None leaves them.
        shrink: factor on the sides of all images, above 0 and at most 1.
        object_size: side of an object, roughly, in pixels of the image that the network sees: the box of what is found,
            and the distance at which two things of a class are surely two.
        kernel: side of all convolutions.
        widths: channels of each convolution but the last, which has one for each class and one for the background.
        strides, paddings: of each convolution, the last one's too.
        centered: the network sees 4·(image − ½), so that the zeros that convolutions pad with are no black edge but mid
            grey: of photos, not of white on black, whose zero is the background.
        softmax: over what probabilities sum to 1: "classes" at each place (eq. 2), for the exact likelihood; or "map",
            classes and places together, for traditional multiple instance learning, which then is the loss (eq. 16).
    """

    class_names: tuple[str, ...]
    channels: int = 1
    max_side: int | None = None
    shrink: float = 1.0
    object_size: float = 20.0
    kernel: int = 5
    widths: tuple[int, ...] = (64, 64, 64, 64, 64)
    strides: tuple[int, ...] = (1, 1, 2, 1, 1, 1)
    paddings: tuple[int, ...] = (2, 2, 2, 1, 0, 0)
    centered: bool = False
    softmax: Literal["classes", "map"] = "classes"

    def __post_init__(self) -> None:
        if self.channels not in (1, 3):
            raise ValueError(f"channels must be 1 (grey) or 3 (RGB), not {self.channels}.")
        if not self.class_names or len(set(self.class_names)) < len(self.class_names):
            raise ValueError(f"class_names are one at least, and differ, not {', '.join(self.class_names)}.")
        if not self.object_size > 0 or (self.max_side is not None and self.max_side < 1):
            raise ValueError("object_size is above 0 pixels, and max_side at least 1.")
        if not 0 < self.shrink <= 1:
            raise ValueError(f"shrink is a factor above 0 and at most 1, not {self.shrink}.")
        if len(self.strides) != len(self.widths) + 1 or len(self.paddings) != len(self.widths) + 1:
            raise ValueError(
                f"strides and paddings have one value more than the {len(self.widths)} widths, for the last layer; "
                f"not {len(self.strides)} and {len(self.paddings)}."
            )
        if self.kernel < 1 or self.kernel % 2 == 0:
            raise ValueError(f"kernel is the odd side of the convolutions, at least 1, not {self.kernel}.")
        if min(*self.widths, *self.strides, 1) < 1 or not 0 <= min(self.paddings) <= max(self.paddings) < self.kernel:
            raise ValueError("widths and strides are at least 1, and paddings from 0 to below the kernel.")


@dataclass(frozen=True, kw_only=True)
class McmilTrainingConfig:
    """How it is trained: on the exact likelihood of the set (eq. 3, 6), or as ``McmilConfig.softmax`` says.

    Attributes:
        rate: AdamW's learning rate.
        weight_decay: AdamW's.
        warmup: steps over which the rate rises from zero.
        decay: share of the training, at its end, over which the rate falls to zero along a cosine.
        averaging: the model that is kept is the exponential average of the weights with this decay; 0 for the last.
        warped: share of the images that are turned, resized and bent a little at random before each step, so that no
            shape is seen twice; 0 for none, as in the paper. What comes in from outside of an image is black or, with
            ``McmilConfig.centered``, as its border is. Of images of many sizes in a batch the padding is bent with
            them: it is for images about as large.
        recolored: share of the images whose channels change places, half of these seen as their negative; 0 for none,
            as in the paper. For what no colour tells, as writing on photos (with ``McmilConfig.centered``, whose
            padding is grey and stays so).
    """

    rate: float = 1e-3
    weight_decay: float = 0.01
    warmup: int = 100
    decay: float = 0.9
    averaging: float = 0.998
    warped: float = 0.0
    recolored: float = 0.0

    def __post_init__(self) -> None:
        if not self.rate > 0 or min(self.weight_decay, self.warmup) < 0:
            raise ValueError("rate is above 0, and weight_decay and warmup are not negative.")
        shares = (self.decay, self.warped, self.recolored)
        if not 0 <= min(shares) <= max(shares) <= 1 or not 0 <= self.averaging < 1:
            raise ValueError("decay, warped and recolored are shares in [0, 1], and averaging in [0, 1).")

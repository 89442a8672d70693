"""What some detectors can do beyond the contract of all."""

from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray


@runtime_checkable
class Segments(Protocol):
    """A detector that can tell to which object each pixel belongs, where it draws masks."""

    @property
    def draws_masks(self) -> bool: ...
    def segments(self, images: list[Any], k: int | None = None) -> list[NDArray[np.int64]]:
        """(H, W) of each image: the number of an object, of at most ``k``; by default of the model's own number."""
        ...


@runtime_checkable
class Reconstructs(Protocol):
    """A detector that rebuilds images from what it finds."""

    def reconstruct(self, images: list[Any]) -> list[NDArray[np.float32]]:
        """Each image rebuilt: (H, W) of a grey model, (H, W, 3) of one for colours, in [0, 1]."""
        ...


@runtime_checkable
class ReadsImages(Protocol):
    """A detector that tells what an image as a whole is of."""

    def classify(self, images: list[Any]) -> NDArray[np.int64]:
        """The class of each image that holds things of one class alone, (N,)."""
        ...

    def classes_in(self, images: list[Any]) -> list[tuple[int, ...]]:
        """The classes that each image holds, rising."""
        ...


@runtime_checkable
class Transcribes(Protocol):
    """A detector that reads what an image says."""

    def transcribe(self, images: list[Any], *, by_columns: bool = False) -> list[tuple[int, ...]]:
        """The class ids of each image in reading order; ``by_columns`` by the paper's rule instead of our own."""
        ...

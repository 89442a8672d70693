"""MCMIL: what it computes (2018, sections 2 to 4).

image → all-convolutional network → at each place of a map the probabilities of the classes and the background, P

Conventions
    Places are (row, column) of the map; points (x, y) in pixels of the image, x right, y down, the centre of the
    top-left pixel at (0, 0).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from boxless.data.images import ImageLike
from boxless.methods.detector import Detector, Found
from boxless.methods.mcmil.config import McmilConfig
from boxless.methods.mcmil.grouping import Groups, group
from boxless.methods.mcmil.reading import columns_read, reading_order
from boxless.nets.convolutional import AllConvolutional, Layer, geometry, least_side, places_along
from boxless.ops.layout import channels_last
from boxless.ops.likelihood import MAX_CLASSES

LEAST_SCORE = 0.5  # of an instance, where none is asked for


@dataclass(frozen=True)
class McmilOutput:
    """What an MCMIL network says of a batch of images."""

    log_probs: Tensor  # (B, C + 1, M, N) float32, the background last; of one softmax at each place, or of the map
    logits: Tensor  # (B, C + 1, M, N) float32, before it

    @property
    def probabilities(self) -> Tensor:
        """(B, C + 1, M, N)."""
        return self.log_probs.exp()

    def class_means(self) -> Tensor:
        """(B, C): the mean probability of each class; the largest tells what an image of one class shows (eq. 14)."""
        return self.probabilities[:, :-1].mean((2, 3))

    def class_log_likelihoods(self) -> Tensor:
        """(B, C) float64: log α of each class with the background, which tells the same exactly (eq. 13)."""
        log_probs = self.log_probs.double()
        return torch.logaddexp(log_probs[:, :-1], log_probs[:, -1:]).sum((2, 3))

    def presence(self) -> Tensor:
        """(B, C) float64: the probability that each class is emitted anywhere, 1 − Π (1 − p)."""
        absent = torch.log1p(-self.log_probs[:, :-1].double().exp().clamp(max=1 - 1e-12)).sum((2, 3))
        return -torch.expm1(absent)


class McmilDetector(Detector):
    """Reads, places and names what an image holds, off a dense map of classes.

    Args:
        config: see :class:`McmilConfig`.
    """

    method = "mcmil"
    config_type = McmilConfig
    config: McmilConfig

    def __init__(self, config: McmilConfig) -> None:
        super().__init__()
        self.config = config
        self.layers = layers_of(config)
        self.network = AllConvolutional(config.channels, self.layers)

    def forward(self, images: Tensor) -> McmilOutput:
        """The map of a batch of images (B, C, H, W) float32 in [0, 1]; smaller ones than a place sees are padded."""
        if self.config.centered:
            images = 4.0 * (images - 0.5)
        left, top = self._margins(images)
        if left or top:
            images = F.pad(images, (left, left, top, top))
        logits = self.network(channels_last(images)).float()
        if self.config.softmax == "map":
            return McmilOutput(logits.flatten(1).log_softmax(1).view_as(logits), logits)
        return McmilOutput(logits.log_softmax(1), logits)

    def _margins(self, images: Tensor) -> tuple[int, int]:
        """Pixels of zero to put on each side, in x and in y, so that the map has a place."""
        least = least_side(self.layers)
        return max(0, -(-(least - images.shape[3]) // 2)), max(0, -(-(least - images.shape[2]) // 2))

    def places_within(self, extents: Tensor, images: Tensor) -> Tensor:
        """Rows and columns (B, 2) of the map that each of these images would have without its padding, at least one.

        Args:
            extents: (B, 2) height and width of the part of each image that is no padding.
            images: (B, C, H, W).
        """
        left, top = self._margins(images)
        return places_along(self.layers, extents + 2 * extents.new_tensor([top, left])).clamp_min(1)

    def most_classes(self, size: tuple[int, int]) -> int | None:
        """As many as the map has places, of which each emits one class, and as the exact likelihood takes."""
        if self.config.softmax == "map":
            return None
        image = torch.empty(1, 1, *size, device="meta")
        return min(MAX_CLASSES, int(self.places_within(torch.tensor([size]), image).prod()))

    def points(self, places: Tensor, images: Tensor) -> Tensor:
        """Where places (N, 2) of the map of these images lie in them, x and y in pixels."""
        map_axis = geometry(self.layers)
        return map_axis.first + map_axis.step * places - places.new_tensor(self._margins(images))

    def class_map(self, images: Tensor) -> Tensor:
        """What is where: images (B, C, H, W) to the probabilities of the classes (B, classes, H, W), 0 beyond it."""
        probabilities = self(images).probabilities[:, :-1]
        rows, columns = probabilities.shape[2:]
        corners = self.points(probabilities.new_tensor([[0.0, 0.0], [1.0, 1.0]]), images)
        x, y = (
            (torch.arange(length, device=images.device) - corners[0, axis]) / (corners[1, axis] - corners[0, axis])
            for axis, length in ((0, images.shape[3]), (1, images.shape[2]))
        )
        grid = torch.stack(
            (
                ((2 * x + 1) / columns - 1).expand(len(y), -1),
                ((2 * y + 1) / rows - 1)[:, None].expand(-1, len(x)),
            ),
            dim=-1,
        )
        return F.grid_sample(probabilities, grid.expand(len(images), -1, -1, -1), align_corners=False)

    def find(self, images: Tensor, k: int | None, threshold: float | None) -> list[Found]:
        """The instances of the map, of at least a score, the ``k`` surest at most.

        The score of an instance is the probability that its class is emitted at any of its places.
        """
        lowest = threshold if threshold is not None else (0.0 if k is not None else LEAST_SCORE)
        return [self._found(groups, images, k) for groups in self._groups(images, lowest)]

    def outputs(self, images: Tensor) -> dict[str, Tensor]:
        """The map itself, whose instances are grouped outside of any graph.

        ``probabilities`` (B, C + 1, M, N), the background last; ``x`` (N,) and ``y`` (M,), where its columns and rows
        lie in the images, in pixels; ``presence`` (B, C), the probability that each class is there at all.
        """
        output = self(images)
        rows, columns = output.logits.shape[2:]
        number = torch.arange(max(rows, columns), dtype=torch.float32, device=images.device)
        points = self.points(number[:, None].expand(-1, 2), images)
        return {
            "probabilities": output.probabilities,
            "presence": output.presence().float(),
            "x": points[:columns, 0],
            "y": points[:rows, 1],
        }

    def _groups(self, images: Tensor, lowest: float) -> list[Groups]:
        half = max(1, round(self.config.object_size / (4 * geometry(self.layers).step)))
        return group(self(images).probabilities, half, lowest)

    def _found(self, groups: Groups, images: Tensor, k: int | None) -> Found:
        sizes = (groups.extents * geometry(self.layers).step).clamp_min(self.config.object_size)
        points = self.points(groups.places, images)
        return Found(points[:k], sizes[:k], groups.scores[:k], groups.labels[:k])

    def classify(self, images: Sequence[ImageLike], batch_size: int = 32) -> NDArray[np.int64]:
        """The class of each image that holds things of one class alone: the largest mean probability (eq. 14).

        Args:
            images: as for :meth:`detect`.
            batch_size: images of one size that are computed at once.

        Returns:
            (N,) class ids.
        """
        found = self._by_batches(
            images, batch_size, lambda batch: list(self(batch).class_means().argmax(1)), lambda label, *_: int(label)
        )
        return np.array(found, np.int64)

    def likeliest_in(self, images: Sequence[ImageLike], numbers: Sequence[int]) -> list[tuple[int, ...]]:
        """As many classes of each image as its number says, those of the largest mean probability, rising."""
        means = self._by_batches(images, 32, lambda batch: list(self(batch).class_means()), lambda row, *_: row.cpu())
        return [tuple(sorted(row.topk(number).indices.tolist())) for row, number in zip(means, numbers, strict=True)]

    def classes_in(self, images: Sequence[ImageLike], batch_size: int = 32) -> list[tuple[int, ...]]:
        """Which classes each image holds: those that are more likely than not to be emitted anywhere.

        Args:
            images: as for :meth:`detect`.
            batch_size: images of one size that are computed at once.

        Returns:
            For each image its class ids, rising.
        """
        return self._by_batches(
            images,
            batch_size,
            lambda batch: list(self(batch).presence() > 0.5),
            lambda present, *_: tuple(present.nonzero().flatten().tolist()),
        )

    def transcribe(
        self, images: Sequence[ImageLike], *, by_columns: bool = False, batch_size: int = 32
    ) -> list[tuple[int, ...]]:
        """What each image says: its instances in the order in which their line is read.

        Args:
            images: as for :meth:`detect`.
            by_columns: read the map by the paper's rule instead (section 5.3), to compare.
            batch_size: images of one size that are computed at once.

        Returns:
            For each image the class ids of its characters.
        """

        def read(batch: Tensor) -> list[tuple[int, ...]]:
            if by_columns:
                return columns_read(self(batch).probabilities)
            return [
                tuple(groups.labels[reading_order(groups.places)].tolist())
                for groups in self._groups(batch, LEAST_SCORE)
            ]

        return self._by_batches(images, batch_size, read, lambda text, *_: text)


def layers_of(config: McmilConfig) -> tuple[Layer, ...]:
    """The convolutions of a configuration; the last one emits the classes and the background."""
    widths = (*config.widths, len(config.class_names) + 1)
    return tuple(
        Layer(width, config.kernel, stride, padding)
        for width, stride, padding in zip(widths, config.strides, config.paddings, strict=True)
    )

"""What a training step and an evaluation see: a batch of images, and what is known about each."""

from dataclasses import dataclass, fields, replace

import torch
from torch import Tensor


@dataclass(frozen=True)
class Batch:
    """Images with the labels of what they hold; places, sizes and segments only for evaluation.

    Attributes:
        images: (B, C, H, W) float32 in [0, 1].
        labels: (B, N) int64 class ids, in no order; −1 pads. N is 0 where what the images hold is not known.
        centers: (B, N, 2) x and y, pixels; never seen by a weakly supervised training.
        sizes: (B, N, 2) width and height, pixels.
        extents: (B, 2) height and width of the part of each image that is no padding; None where there is none.
        segments: (B, H, W) int64, the object of each pixel, from 1 on; 0 is background.
    """

    images: Tensor
    labels: Tensor
    centers: Tensor | None = None
    sizes: Tensor | None = None
    extents: Tensor | None = None
    segments: Tensor | None = None

    def counts(self, classes: int) -> Tensor:
        """(B, classes) float32: how many of each class each image holds."""
        present = self.labels >= 0
        counts = torch.zeros(len(self.labels), classes, device=self.labels.device)
        return counts.scatter_add_(1, self.labels.clamp_min(0), present.float())

    @property
    def enlargement(self) -> Tensor | float:
        """(B,) how many times its own area the padding makes of an image; 1 where there is none."""
        if self.extents is None:
            return 1.0
        return self.images.shape[2] * self.images.shape[3] / self.extents.prod(dim=1)

    def unpadded(self) -> list[Tensor]:
        """Each image (C, H, W) in its own size."""
        if self.extents is None:
            return list(self.images)
        return [image[:, :h, :w] for image, (h, w) in zip(self.images, self.extents.tolist(), strict=True)]

    def to(self, device: torch.device) -> "Batch":
        """The same batch on a device."""
        tensors = {field.name: getattr(self, field.name) for field in fields(self)}
        return replace(self, **{name: value.to(device) for name, value in tensors.items() if value is not None})

"""TUSK: what it computes (NeurIPS 2022, section 3).

image → encoder E → heatmap and feature map → K keypoints with descriptors → decoder D → the image again; and the
nearest prototype of each descriptor: the kind of object it is.

Conventions
    Points are (x, y) in pixels of the image, x right, y down, the centre of the top-left pixel at (0, 0).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple, overload

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from boxless.data.images import ImageLike
from boxless.errors import BoxlessError
from boxless.methods.detector import Detector, Found, Rows
from boxless.methods.tusk.config import TuskConfig
from boxless.methods.tusk.networks import Decoder, Encoder, Maps, unit
from boxless.ops.blending import blend
from boxless.ops.clustering import l2_distances
from boxless.ops.heatmap import suppress_non_maxima, top_k_peaks
from boxless.ops.keypoints import refine, sample_at
from boxless.ops.layout import channels_last
from boxless.ops.masks import mask_boxes, winners
from boxless.ops.rendering import render, render_each

Network = Callable[[Tensor], Any]

PIXELS_AT_ONCE = {"cpu": 2**17}  # that the U-Net sees: few stay near a CPU's caches; on other devices:
MANY_PIXELS = 2**20


class Keypoints(NamedTuple):
    """K keypoints of each image, the one of the highest score first."""

    centers: Tensor  # (B, K, 2) x and y
    scores: Tensor  # (B, K) in [0, 1], the heatmap at the peak
    features: Tensor  # (B, K, C) the feature map there; see Tusk.described
    valid: Tensor  # (B, K) bool: false where the heatmap has fewer than K peaks


class Drawn(NamedTuple):
    """What the decoder makes of keypoints."""

    image: Tensor  # (B, channels, H, W) in [0, 1]
    alphas: Tensor | None  # (B, K, H, W) in [0, 1], how opaque each keypoint's layer is; None without masks


@dataclass(frozen=True)
class TuskOutput:
    """What TUSK says of a batch of images."""

    heatmap: Tensor  # (B, H, W) float32 in [0, 1]
    centers: Tensor  # (B, K, 2) x and y, highest first
    scores: Tensor  # (B, K) in [0, 1]
    valid: Tensor  # (B, K) bool: false where the image has fewer than K peaks
    descriptors: Tensor  # (B, K, C) of length 1
    prototypes: Tensor  # (B, K) int64, the nearest of the M
    image: Tensor  # (B, channels, H, W) rebuilt from the keypoints
    alphas: Tensor | None  # (B, K, H, W) with masks


class Tusk(Detector):
    """Finds K keypoints in an image, tells what kind each is of, and rebuilds the image from them.

    Args:
        config: see :class:`TuskConfig`.
    """

    method = "tusk"
    labels_are = "used"
    config_type = TuskConfig
    config: TuskConfig

    def __init__(self, config: TuskConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder = Encoder(config.channels, config.net_channels, config.descriptor_size)
        self.decoder = Decoder(config.descriptor_size, config.net_channels, config.channels + int(config.masks))
        self.prototypes = nn.Parameter(unit(torch.randn(config.prototypes, config.descriptor_size)))  # of length 1
        self.register_buffer("center", torch.zeros(config.descriptor_size))  # the middle of the features at keypoints
        self.register_buffer("class_of", torch.arange(config.prototypes) % len(config.class_names))
        self.register_buffer("offset_of", torch.zeros(config.prototypes, 2))

    center: Tensor
    class_of: Tensor  # (M,) int64, the class that each prototype stands for
    offset_of: Tensor  # (M, 2) x and y from a keypoint of each prototype to the middle of its object, in pixels

    @property
    def least_pixels(self) -> int:
        """One for each keypoint."""
        return self.config.instances

    @property
    def knows_classes(self) -> bool:
        """Whether its prototypes have got the names of classes."""
        return self.config.named

    @property
    def draws_masks(self) -> bool:
        """Whether each keypoint has a mask."""
        return self.config.masks

    def forward(self, images: Tensor, k: int | None = None) -> TuskOutput:
        """Find ``k`` keypoints (``config.instances`` by default) in each image, and rebuild it.

        Args:
            images: (B, C, H, W) float32 in [0, 1].
            k: from 1 to H·W.
        """
        maps = self.encode(images)
        found = self.extract(maps, k or self.config.instances)
        descriptors = self.described(found.features)
        drawn = self.decode(found, descriptors, (images.shape[2], images.shape[3]))
        return TuskOutput(
            heatmap=maps.scores,
            centers=found.centers,
            scores=found.scores,
            valid=found.valid,
            descriptors=descriptors,
            prototypes=self.nearest(descriptors),
            image=drawn.image,
            alphas=drawn.alphas,
        )

    def heatmap(self, images: Tensor) -> Tensor:
        """(B, C, H, W) to (B, H, W) float32 in [0, 1]."""
        return self.encode(images).scores

    def encode(self, images: Tensor, network: Network | None = None) -> Maps:
        """E(I).

        Args:
            images: (B, C, H, W).
            network: stands in for the encoder, as its compiled form.
        """
        network = self.encoder if network is None else network
        scores, features = network(channels_last(images))
        return Maps(torch.sigmoid(scores[:, 0].float()), features.float())

    def extract(self, maps: Maps, k: int, within: Tensor | None = None) -> Keypoints:
        """NMS, top-K, soft-argmax, bilinear samples (supplement A.1 and table 6).

        Args:
            maps: of the encoder.
            k: from 1 to H·W.
            within: (B, H, W) bool: where keypoints may lie; everywhere without.
        """
        config = self.config
        scores = maps.scores if within is None else maps.scores * within
        peaks = top_k_peaks(scores, k, config.kernel_size)
        column, row = peaks.centers.long().unbind(dim=-1)
        heights = scores.flatten(1).gather(1, row * scores.shape[2] + column)  # a gradient goes back through these
        centers = refine(scores, peaks.centers, config.kernel_size, config.temperature)
        return Keypoints(centers, heights, sample_at(maps.features, centers), peaks.valid)

    def described(self, features: Tensor, center: Tensor | None = None) -> Tensor:
        """Descriptors: features (..., C) less the middle of all, of length 1.

        Args:
            features: of keypoints.
            center: (C,) another middle than that of the training, as of a batch.
        """
        return unit(features - (self.center if center is None else center))

    def nearest(self, descriptors: Tensor) -> Tensor:
        """The number of the nearest prototype: (..., C) to (...) int64."""
        return l2_distances(descriptors, unit(self.prototypes)).argmin(dim=-1)

    def decode(
        self, found: Keypoints, descriptors: Tensor, size: tuple[int, int], network: Network | None = None
    ) -> Drawn:
        """D of the keypoints, each a Gaussian of its descriptor, weighted by its score (section 3.2).

        Args:
            found: K keypoints of each image; those that are not valid draw nothing.
            descriptors: (B, K, C) of them.
            size: height and width of the image.
            network: stands in for the decoder, as its compiled form.
        """
        network = self.decoder if network is None else network
        arguments = (found.centers, descriptors, found.scores * found.valid, size, self.config.variance)
        if not self.config.masks:
            return Drawn(_pixels(render(*arguments), network), None)
        layers = _pixels(render_each(*arguments).flatten(0, 1), network).unflatten(0, found.scores.shape)
        colors, alphas = layers[:, :, :-1], layers[:, :, -1] * found.valid[..., None, None]
        return Drawn(blend(colors, alphas).images, alphas)

    def find(self, images: Tensor, k: int | None, threshold: float | None) -> list[Found]:
        """The K keypoints that are confident enough, or exactly ``k``, or all of at least a score.

        The score of an instance is the height of its peak. Its label is the class that its prototype stands for. Its
        box is that of its mask; without masks it lies around the middle of what the keypoints of its prototype draw.
        """
        parts = images.split(self._at_once(images))
        return [found for part in parts for found in self.rows(part, k, threshold).kept()]

    def rows(self, images: Tensor, k: int | None, threshold: float | None) -> Rows:
        """As :meth:`find`, of as many images as memory holds."""
        maps = self.encode(images)
        limit = k or (self.config.instances if threshold is None else self._peaks_above(maps.scores, threshold))
        found = self.extract(maps, min(limit, images[0, 0].numel()))
        descriptors = self.described(found.features)
        least = threshold or 0.0
        if k is None and threshold is None and self.config.varying:
            least = self.calibrated_threshold or 0.0
        found = found._replace(valid=found.valid & (found.scores >= least))  # no other has a say in whose a pixel is
        prototypes = self.nearest(descriptors)
        columns = [found.scores, self.class_of[prototypes], descriptors]
        if self.config.masks:
            masks = winners(self._alphas(found, descriptors, images))
            columns = [*self._boxes(found.centers, masks), *columns, masks]
        else:
            last = found.centers.new_tensor([images.shape[3] - 1, images.shape[2] - 1])
            centers = torch.minimum((found.centers + self.offset_of[prototypes]).clamp_min(0.0), last)
            columns = [centers, torch.full_like(centers, self.config.object_size), *columns]
        return Rows(found.valid, Found(*columns))

    def _boxes(self, keypoints: Tensor, masks: Tensor) -> tuple[Tensor, Tensor]:
        """Centres and sizes (B, K, 2) of the masks; of an empty one the keypoint with a box of the usual size."""
        centers, sizes, seen = mask_boxes(masks)
        seen = seen.unsqueeze(-1)
        return torch.where(seen, centers, keypoints), torch.where(seen, sizes, self.config.object_size)

    def _at_once(self, images: Tensor) -> int:
        """How many images of this size to see at once."""
        return max(1, PIXELS_AT_ONCE.get(images.device.type, MANY_PIXELS) // images[0, 0].numel())

    def _peaks_above(self, scores: Tensor, threshold: float) -> int:
        """The largest number of peaks of at least this score that a heatmap of the batch (B, H, W) has."""
        peaks = suppress_non_maxima(scores, self.config.kernel_size) & (scores >= threshold)
        return max(1, int(peaks.flatten(1).sum(1).max()))

    def _alphas(self, found: Keypoints, descriptors: Tensor, images: Tensor) -> Tensor:
        """(B, K, H, W), a few layers at a time."""
        size = (images.shape[2], images.shape[3])
        rows = [values.flatten(0, 1).unsqueeze(1).split(self._at_once(images)) for values in (*found, descriptors)]
        parts = [self.decode(Keypoints(*part[:4]), part[4], size).alphas for part in zip(*rows, strict=True)]
        return torch.cat([alphas for alphas in parts if alphas is not None]).view(*found.scores.shape, *size)

    @overload
    def reconstruct(self, images: list[Any] | tuple[Any, ...]) -> list[NDArray[np.float32]]: ...
    @overload
    def reconstruct(self, images: ImageLike) -> NDArray[np.float32]: ...
    def reconstruct(self, images: Any) -> NDArray[np.float32] | list[NDArray[np.float32]]:
        """Rebuild an image, or each of a list of images, from its K keypoints.

        Args:
            images: see ``detect``.

        Returns:
            (H, W) float32 in [0, 1] of a grey model, (H, W, 3) of one for colours, as high and wide as the image; a
            list for a list.

        Raises:
            BoxlessError: an image cannot be read.
        """

        def rebuilt(batch: Tensor) -> Tensor:
            return torch.cat([self.forward(part, self._k_of(part)).image for part in batch.split(self._at_once(batch))])

        several = isinstance(images, list | tuple)
        pictures = self.map_images(images if several else [images], rebuilt)
        made = [picture.clamp(0.0, 1.0).permute(1, 2, 0).numpy() for picture in pictures]
        made = [picture[..., 0] if picture.shape[-1] == 1 else picture for picture in made]
        return made if several else made[0]

    def _k_of(self, images: Tensor, k: int | None = None) -> int:
        return min(k or self.config.instances, images[0, 0].numel())

    def segments(self, images: list[Any] | tuple[Any, ...], k: int | None = None) -> list[NDArray[np.int64]]:
        """To which of its K keypoints each pixel of an image belongs: the one of the highest alpha (section 4.2).

        Args:
            images: see ``detect``.
            k: keypoints an image, at least 1; the model's own K by default.

        Returns:
            (H, W) from 0 to K − 1 for each image.

        Raises:
            BoxlessError: the model draws no masks, or an image cannot be read.
        """
        if not self.config.masks:
            raise BoxlessError("This model draws no masks; train one with --model.masks true.")

        def alphas(batch: Tensor) -> Tensor:
            found = [self.extract(self.encode(part), self._k_of(part, k)) for part in batch.split(self._at_once(batch))]
            return torch.cat([self._alphas(one, self.described(one.features), batch) for one in found])

        return [layers.argmax(dim=0).numpy() for layers in self.map_images(images, alphas)]


def _pixels(maps: Tensor, network: Network) -> Tensor:
    """The decoder's answer to maps (N, C, H, W), in [0, 1] and float32."""
    return torch.sigmoid(network(channels_last(maps)).float())

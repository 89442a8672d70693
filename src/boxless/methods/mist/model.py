"""MIST classification: what it computes (CVPR 2021, sections 3 and 4).

image → heatmap network H_η → local softmax → top-K peaks E_K → patches S → classifier T_τ → a class for each

Conventions
    Points are (x, y) in pixels of the image, x right, y down, the centre of the top-left pixel at (0, 0).
"""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from boxless.methods.detector import Detector, Found
from boxless.methods.mist.config import MistClassifierConfig
from boxless.nets.heatmap import HeatmapNet
from boxless.nets.residual import PyramidEncoder
from boxless.ops.heatmap import local_softmax, pool_scales, soft_argmax, suppress_non_maxima, top_k_peaks
from boxless.ops.patches import crop, cut


@dataclass(frozen=True)
class MistOutput:
    """What a MIST classifier says of a batch of images."""

    heatmap: Tensor  # (B, H, W) float32 in [0, 1], after local softmax and pooling over scale
    centers: Tensor  # (B, K, 2) x and y of the peaks, highest first
    sizes: Tensor  # (B, K, 2) width and height of their boxes
    heights: Tensor  # (B, K) the heatmap at the peaks
    valid: Tensor  # (B, K) bool: false where the image has fewer than K peaks
    logits: Tensor  # (B, K, C) or, with background last, (B, K, C + 1)


class PatchClassifier(nn.Module):
    """T_τ: the encoder of the paper's auto-encoder and a linear layer (supplement C.1).

    Args:
        inputs: channels of the patches.
        channels: of each level.
        outputs: classes, background included.
    """

    def __init__(self, inputs: int, channels: tuple[int, ...], outputs: int) -> None:
        super().__init__()
        self.encoder = PyramidEncoder(inputs, channels)
        self.classify = nn.Linear(self.encoder.features, outputs)

    def forward(self, patches: Tensor) -> tuple[Tensor, Tensor]:
        """(N, C, P, P) to logits (N, outputs) and features (N, F)."""
        features = self.encoder(patches).flatten(1)
        return self.classify(features), features


TILE = 512  # pixels; larger images are seen in tiles of this side
PIXELS_AT_ONCE = 2**20  # that the heatmap network sees: a GB of activations
PATCHES_AT_ONCE = 512
LEAST_HEIGHT = 0.05  # peaks lower than this share of a usual one are no candidates


class MistClassifier(Detector):
    """Finds K objects of one size in an image, and names them.

    Args:
        config: see :class:`MistClassifierConfig`.
    """

    method = "mist-classify"
    config_type = MistClassifierConfig
    config: MistClassifierConfig

    def __init__(self, config: MistClassifierConfig) -> None:
        super().__init__()
        self.config = config
        self.heatmap_net = HeatmapNet(config.channels, config.heatmap_channels, config.heatmap_blocks)
        outputs = len(config.class_names) + int(config.background)
        self.classifier = PatchClassifier(config.channels, config.classifier_channels, outputs)
        self.register_buffer("peak_height", torch.ones(()))  # of the peaks taken in training, on average

    peak_height: Tensor

    def forward(self, images: Tensor, k: int | None = None) -> MistOutput:
        """Find and classify ``k`` patches (``config.instances`` by default) in each image.

        Args:
            images: (B, C, H, W) float32 in [0, 1].
            k: patches an image, from 1 to H·W.
        """
        heatmap = self.heatmap(images)
        peaks = top_k_peaks(self.inner(heatmap), k or self.config.instances, self.config.suppression_size)
        centers = self.refine(heatmap, peaks.centers)
        logits = self.classify(images, centers)
        return MistOutput(heatmap, centers, self.sizes(centers), peaks.scores, peaks.valid, logits)

    def heatmap(self, images: Tensor) -> Tensor:
        """h' = pooled local softmax of H_η(I): (B, C, H, W) to (B, H, W) float32 in [0, 1]."""
        images = images.contiguous(memory_format=torch.channels_last)
        scores: Tensor = self.heatmap_net(images)
        return self.sharpen(scores)

    def sharpen(self, scores: Tensor) -> Tensor:
        """Scores (B, S, H, W) of the network to the heatmap (B, H, W)."""
        return pool_scales(local_softmax(scores.float(), self.config.softmax_size, self.config.softmax_strength))

    def inner(self, heatmap: Tensor, extents: Tensor | None = None) -> Tensor:
        """The heatmap (B, H, W), zero within ``border`` of the edge of the image, or of its extent (B, 2)."""
        border = self.config.border
        whole = heatmap.new_tensor([heatmap.shape[1:]])
        return heatmap * inside(whole if extents is None else extents, border, heatmap)

    def refine(self, heatmap: Tensor, centers: Tensor) -> Tensor:
        """Peaks (B, K, 2) on whole pixels to places between them, if ``refine_size`` is more than 1."""
        if self.config.refine_size == 1:
            return centers
        return soft_argmax(heatmap.detach(), centers, self.config.refine_size)

    def sizes(self, centers: Tensor) -> Tensor:
        """Width and height of the box around each centre, as large as (B, K, 2)."""
        return torch.full_like(centers, self.config.object_size)

    def patches(self, images: Tensor, centers: Tensor) -> Tensor:
        """S: the patches at these centres, (B·K, C, P, P)."""
        with torch.autocast(images.device.type, enabled=False):  # coordinates stay in float32
            patches = crop(images, centers, self.sizes(centers), self.config.patch_size).flatten(0, 1)
        return patches.contiguous(memory_format=torch.channels_last)

    def classify(self, images: Tensor, centers: Tensor) -> Tensor:
        """Logits (B, K, outputs) float32 of the patches at these centres."""
        logits: Tensor = self.classifier(self.patches(images, centers))[0]
        return logits.float().view(*centers.shape[:2], -1)

    def find(self, images: Tensor, k: int | None, threshold: float | None) -> list[Found]:
        """Top-K by the heatmap, or all peaks of at least a score; background is left out.

        The score of an instance is the probability of its class, times the height of its peak in proportion to that
        of the peaks taken in training (1 at most). Images larger than ``TILE`` are seen in tiles.
        """
        height, width = images.shape[-2:]
        heatmap = self.inner(self._heatmap_of_any_size(images)[:, :height, :width])
        limit = k or (self.config.instances if threshold is None else self._peaks_at_most(heatmap))
        peaks = top_k_peaks(heatmap, min(limit, height * width), self.config.suppression_size)
        centers = self.refine(heatmap, peaks.centers)
        probabilities = self._classify_in_chunks(images, centers).softmax(dim=-1)
        best, labels = probabilities[..., : len(self.config.class_names)].max(dim=-1)
        scores = best * (peaks.scores / self.peak_height).clamp(0.0, 1.0)
        keep = peaks.valid & (peaks.scores > 0) & (scores >= (threshold or 0.0))
        if self.config.background:
            keep = keep & (best >= probabilities[..., -1])
        sizes = self.sizes(centers)
        return [
            Found(c[m], s[m], p[m], n[m]) for c, s, p, n, m in zip(centers, sizes, scores, labels, keep, strict=True)
        ]

    def _heatmap_of_any_size(self, images: Tensor) -> Tensor:
        """Padded with black where an image is too small for the network, in tiles where it is large."""
        height, width = images.shape[-2:]
        least = max(self.config.softmax_size, self.heatmap_net.margin) + 1
        images = F.pad(images, (0, max(0, least - width), 0, max(0, least - height)))
        tile = min(images.shape[2], TILE) * min(images.shape[3], TILE)
        return torch.cat([self._heatmap_by_tiles(part) for part in images.split(max(1, PIXELS_AT_ONCE // tile))])

    def _heatmap_by_tiles(self, images: Tensor) -> Tensor:
        height, width = images.shape[-2:]
        halo = self.heatmap_net.margin + self.config.softmax_size // 2  # what the heatmap of a pixel depends on
        if max(height, width) <= TILE + 2 * halo:
            return self.heatmap(images)
        heatmap = images.new_zeros(len(images), height, width)
        for top in range(0, height, TILE):
            for left in range(0, width, TILE):
                bottom, right = min(top + TILE, height), min(left + TILE, width)
                first_row, first_column = max(0, top - halo), max(0, left - halo)
                tile = self.heatmap(images[:, :, first_row : bottom + halo, first_column : right + halo])
                rows = slice(top - first_row, bottom - first_row)
                columns = slice(left - first_column, right - first_column)
                heatmap[:, top:bottom, left:right] = tile[:, rows, columns]
        return heatmap

    def _peaks_at_most(self, heatmap: Tensor) -> int:
        """The largest number of local maxima that a heatmap of the batch (B, H, W) has, worth a look."""
        maxima = suppress_non_maxima(heatmap, self.config.suppression_size)
        worth = heatmap >= LEAST_HEIGHT * self.peak_height
        return max(1, int((maxima & worth).flatten(1).sum(1).max()))

    def _classify_in_chunks(self, images: Tensor, centers: Tensor) -> Tensor:
        per_chunk = max(1, PATCHES_AT_ONCE // len(images))
        classify = self._classify_cuts if max(images.shape[2:]) > TILE else self.classify
        return torch.cat([classify(images, chunk) for chunk in centers.split(per_chunk, dim=1)], dim=1)

    def _classify_cuts(self, images: Tensor, centers: Tensor) -> Tensor:
        """:meth:`classify`, at a cost that does not grow with the image: each patch from the square around it."""
        squares, corners = cut(images, centers, math.ceil(self.config.object_size) + 3)
        logits = self.classify(squares.flatten(0, 1), (centers - corners).flatten(0, 1).unsqueeze(1))
        return logits.view(*centers.shape[:2], -1)


def inside(extents: Tensor, border: int, heatmap: Tensor) -> Tensor:
    """(B, H, W) bool: pixels at least ``border`` from the edges of each extent (B, 2), height and width.

    In an extent too small for that its middle row or column stays.
    """
    rows, columns = (torch.arange(length, device=heatmap.device) for length in heatmap.shape[1:])
    height, width = extents.unbind(dim=1)
    return _span(rows, height, border).unsqueeze(2) & _span(columns, width, border).unsqueeze(1)


def _span(places: Tensor, length: Tensor, border: int) -> Tensor:
    reach = torch.minimum(length.new_full((), border), (length - 1) // 2).unsqueeze(1)
    return (places >= reach) & (places < length.unsqueeze(1) - reach)

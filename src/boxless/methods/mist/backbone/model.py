"""MIST on natural images: what it computes (CVPR 2021, section 5.2; supplement A, C.1 and E).

image → frozen backbone → features → heatmap head: response, offsets, anchors → top-K → patches of the features
→ classifier

Conventions
    Points are (x, y) in pixels of the image that is given, x right, y down, the centre of the top-left pixel at (0, 0).
    Cells of the coarse maps lie where ``boxless.nets.backbone`` says.
"""

from dataclasses import dataclass, replace
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from boxless.data.crops import with_shorter_edge
from boxless.data.resize import centers_to_original, sizes_to_original
from boxless.methods.detector import Detector, Found, Rows
from boxless.methods.mist.backbone.config import MistBackboneConfig
from boxless.nets.backbone import Backbone
from boxless.nets.residual import ResidualBlock
from boxless.ops.heatmap import suppress_non_maxima, top_k_peaks
from boxless.ops.patches import crop

ANCHORS = ((0.25, 0.25), (0.25, 0.75), (0.75, 0.25), (0.75, 0.75))
"""Width and height of the boxes of supplement E, as shares of the shorter edge: 56 and 168 of 224 pixels."""
QUIET = -2.9  # logit of a new head's response, 0.05: about the mean of the targets, and else all is spent to get there
LEAST_RESPONSE = 0.05  # lower peaks are no candidates, where all are asked for


class Boxes(NamedTuple):
    """Where the patches lie."""

    centers: Tensor  # (B, K, 2) x and y, pixels
    sizes: Tensor  # (B, K, 2) width and height, pixels


class Maps(NamedTuple):
    """What the heatmap head says of each cell."""

    response: Tensor  # (B, h, w) in [0, 1]
    offsets: Tensor  # (B, 2, h, w) from the middle of the cell to the keypoint, x and y, cells
    sizes: Tensor  # (B, 2, h, w) width and height of the box, pixels


class Extracted(NamedTuple):
    """E_K of the maps."""

    boxes: Boxes  # highest first
    heights: Tensor  # (B, K) the response there
    valid: Tensor  # (B, K) bool: false where the map has fewer than K peaks


@dataclass(frozen=True)
class MistBackboneOutput:
    """What the model says of a batch of images of one size."""

    response: Tensor  # (B, h, w) in [0, 1], a cell for each ``stride`` pixels of the resized image
    centers: Tensor  # (B, K, 2) x and y of the keypoints, highest first, pixels of the given image
    sizes: Tensor  # (B, K, 2) width and height of their boxes
    heights: Tensor  # (B, K) the response at the peaks
    valid: Tensor  # (B, K) bool: false where the image has fewer than K peaks
    logits: Tensor  # (B, K, C + 1), background last


class PatchClassifier(nn.Module):
    """T_τ: one residual block, the mean over the patch, a linear layer (supplement C.1).

    Args:
        inputs: channels of the features.
        channels: of the block.
        outputs: classes, background included.
    """

    def __init__(self, inputs: int, channels: int, outputs: int) -> None:
        super().__init__()
        self.block = ResidualBlock(inputs, channels)
        self.classify = nn.Linear(channels, outputs)

    def forward(self, patches: Tensor) -> Tensor:
        """(N, F, P, P) to logits (N, outputs)."""
        logits: Tensor = self.classify(self.block(patches).mean(dim=(2, 3)))
        return logits


class MistBackbone(Detector):
    """Finds K objects in a natural image, and names them.

    The response is a sigmoid: like its targets it lies in [0, 1], so that its height is a score without a scale. A
    local softmax would be wider than the map (supplement A).

    Args:
        config: see :class:`MistBackboneConfig`.

    Raises:
        BoxlessError: the backbone cannot be built.
    """

    method = "mist-backbone"
    config_type = MistBackboneConfig
    learns_from_counts = True
    config: MistBackboneConfig

    def __init__(self, config: MistBackboneConfig) -> None:
        super().__init__()
        self.backbone = Backbone(config.backbone, config.architecture)
        self.config = replace(config, architecture=self.backbone.architecture)
        outputs = 3 + (len(ANCHORS) if config.anchors else 0)
        self.head = nn.Sequential(
            nn.Conv2d(self.backbone.channels, config.heatmap_channels, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(config.heatmap_channels, outputs, 1),
        )
        last = self.head[-1]
        assert isinstance(last, nn.Conv2d)
        assert last.bias is not None
        nn.init.constant_(last.bias[:1], QUIET)
        self.classifier = PatchClassifier(
            self.backbone.channels, config.classifier_channels, len(config.class_names) + 1
        )

    def forward(self, images: Tensor, k: int | None = None) -> MistBackboneOutput:
        """Find and classify ``k`` patches (``config.instances`` by default) in each image.

        Args:
            images: (B, 3, H, W) float32 in [0, 1].
            k: patches an image, from 1; at most as many as the map has cells.
        """
        seen = self._seen(images)
        return self._output(images, *seen, k or self.config.instances)

    def _seen(self, images: Tensor) -> tuple[Tensor, Tensor, Maps]:
        """The images resized, their features, and what the head makes of these."""
        resized = self.resized(images)
        features = self.features(resized, whole(resized))
        return resized, features, self.maps(features)

    def _output(self, images: Tensor, resized: Tensor, features: Tensor, maps: Maps, k: int) -> MistBackboneOutput:
        found = self.extract(maps, min(k, maps.response[0].numel()), whole(resized))
        logits = self.classify(features, found.boxes)
        scale = (resized.shape[3] / images.shape[3], resized.shape[2] / images.shape[2])
        centers = centers_to_original(found.boxes.centers, scale)
        sizes = sizes_to_original(found.boxes.sizes, scale)
        return MistBackboneOutput(maps.response, centers, sizes, found.heights, found.valid, logits)

    def resized(self, images: Tensor) -> Tensor:
        """Images (B, 3, H, W) with the shorter edge that the backbone is made for."""
        size = with_shorter_edge(images.shape[2], images.shape[3], self.config.shorter_edge)
        if size == tuple(images.shape[2:]):
            return images
        return F.interpolate(images.float(), size=size, mode="bilinear", align_corners=False, antialias=True)

    def features(self, images: Tensor, extents: Tensor | None = None) -> Tensor:
        """Of resized images, (B, F, h, w) float32 without gradient; zero where the extents (B, 2) say padding."""
        if extents is None:
            features: Tensor = self.backbone(images)
            return features
        features = self.backbone(images, beyond(extents, images) == 0)
        return features * (self.cells_beyond(extents, features) == 0).unsqueeze(1)

    def cells_beyond(self, extents: Tensor, like: Tensor) -> Tensor:
        """(B, h, w) steps from each cell to the next one in the extent of its image, zero in it."""
        return beyond(self.cells_in(extents, like), like)

    def cells_in(self, extents: Tensor, like: Tensor) -> Tensor:
        """Rows and columns (B, 2) of cells in each extent (B, 2), of those that a map (…, h, w) has.

        Networks that part the image into patches leave out what is left of it at its end.
        """
        return self.backbone.cells_of(extents).minimum(extents.new_tensor(like.shape[-2:]).long())

    def maps(self, features: Tensor) -> Maps:
        """H_η of the features (B, F, h, w)."""
        outputs: Tensor = self.head(features).float()
        return Maps(outputs[:, 0].sigmoid(), outputs[:, 1:3], self._sizes(outputs[:, 3:]))

    def _sizes(self, scores: Tensor) -> Tensor:
        """The mean of the anchors, weighted by the softmax of their scores (B, A, h, w); without, the box of all."""
        edge = self.config.shorter_edge
        if not self.config.anchors:
            size = scores.new_tensor(edge * self.config.box_share)
            return size.expand(len(scores), 2, *scores.shape[2:])
        with torch.autocast(scores.device.type, enabled=False):  # coordinates stay in float32
            return torch.einsum("bahw,ad->bdhw", scores.softmax(dim=1), edge * scores.new_tensor(ANCHORS))

    def extract(self, maps: Maps, k: int, extents: Tensor | None = None) -> Extracted:
        """E_K: the K highest peaks of the response, each moved by its offset, at most to the border of its cell.

        Args:
            maps: of K cells at least.
            k: from 1 to h·w.
            extents: (B, 2) height and width of the part of each image that is no padding, where no keypoint lies.
        """
        response = maps.response.detach()
        if extents is not None:
            away = self.cells_beyond(extents, response)
            # falls with the distance: the padding has no local maximum, and the last of all cells
            response = torch.where(away > 0, -away.to(response.dtype), response)
        peaks = top_k_peaks(response, k, self.config.suppression_size)
        offsets = at_cells(maps.offsets.detach(), peaks.centers).clamp(-0.5, 0.5)
        centers = self.backbone.to_pixels(peaks.centers + offsets)
        return Extracted(Boxes(centers, at_cells(maps.sizes.detach(), peaks.centers)), peaks.scores, peaks.valid)

    def patches(self, features: Tensor, boxes: Boxes) -> Tensor:
        """S: patches of the feature map, (B·K, F, P, P); differentiable in the boxes."""
        with torch.autocast(features.device.type, enabled=False):  # coordinates stay in float32
            cells = self.backbone.to_cells(boxes.centers)
            return crop(features, cells, boxes.sizes / self.backbone.stride, self.config.patch_size).flatten(0, 1)

    def classify(self, features: Tensor, boxes: Boxes) -> Tensor:
        """Logits (B, K, C + 1) float32 of the patches in these boxes, background last."""
        logits: Tensor = self.classifier(self.patches(features, boxes))
        return logits.float().view(*boxes.centers.shape[:2], -1)

    def rows(self, images: Tensor, k: int | None, threshold: float | None) -> Rows:
        """Top-K by the response, or all peaks of at least a score; background is left out.

        The score of an instance is the probability of its class times the response at its peak.
        """
        resized, features, maps = self._seen(images)
        number = self.config.instances if threshold is None else self._peaks_at_most(maps.response)
        output = self._output(images, resized, features, maps, k or number)
        probabilities = output.logits.softmax(dim=-1)
        best, labels = probabilities[..., :-1].max(dim=-1)
        scores = best * output.heights
        keep = output.valid & (best >= probabilities[..., -1]) & (scores >= (threshold or 0.0))
        if k is None and threshold is not None:  # the number is that of the image with the most
            keep = keep & (output.heights >= LEAST_RESPONSE)
        return Rows(keep, Found(output.centers, output.sizes, scores, labels))

    def _peaks_at_most(self, response: Tensor) -> int:
        """The largest number of local maxima that a response (B, h, w) has, worth a look."""
        maxima = suppress_non_maxima(response, self.config.suppression_size) & (response >= LEAST_RESPONSE)
        return max(1, int(maxima.flatten(1).sum(1).max()))


def whole(images: Tensor) -> Tensor:
    """(B, 2) the extents of images without padding; cells beyond, which some networks have, take no part."""
    return images.new_tensor(images.shape[2:], dtype=torch.int64).expand(len(images), 2)


def at_cells(maps: Tensor, cells: Tensor) -> Tensor:
    """The values (B, K, D) of maps (B, D, h, w) at cells (B, K, 2), x and y, whole numbers; with a gradient."""
    index = (cells[..., 1] * maps.shape[3] + cells[..., 0]).long()
    return maps.flatten(2).gather(2, index.unsqueeze(1).expand(-1, maps.shape[1], -1)).transpose(1, 2)


def beyond(extents: Tensor, like: Tensor) -> Tensor:
    """(B, H, W) int64: steps from each place of ``like`` (…, H, W) to the next within the extents (B, 2), zero within.

    Along the rows and along the columns; the extents are height and width.
    """
    rows, columns = (torch.arange(length, device=like.device) for length in like.shape[-2:])
    down = (rows - (extents[:, :1] - 1)).clamp_min(0)
    right = (columns - (extents[:, 1:] - 1)).clamp_min(0)
    return down.unsqueeze(2) + right.unsqueeze(1)

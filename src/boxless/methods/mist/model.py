"""MIST: what all its tasks compute alike (CVPR 2021, sections 3 and 4, supplement A).

image → heatmap network H_η at each scale → local softmax → top-K peaks E_K → patches S

Conventions
    Points are (x, y) in pixels of the image, x right, y down, the centre of the top-left pixel at (0, 0).
"""

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from boxless.methods.detector import Detector
from boxless.methods.mist.config import MistConfig
from boxless.nets.heatmap import HeatmapNet
from boxless.ops.heatmap import (
    highest_near,
    local_softmax,
    peak_scales,
    pool_scales,
    share_of_scales,
    soft_argmax,
    suppress_non_maxima,
    top_k_peaks,
)
from boxless.ops.layout import channels_last
from boxless.ops.padding import inside, repeat_edges
from boxless.ops.patches import crop, cut


class Keypoints(NamedTuple):
    """Where the patches lie."""

    centers: Tensor  # (B, N, 2) x and y, pixels
    sides: Tensor  # (B, N) of their square boxes, pixels

    @property
    def sizes(self) -> Tensor:
        """(B, N, 2) width and height."""
        return self.sides.unsqueeze(-1).expand_as(self.centers)

    def first(self, k: int) -> "Keypoints":
        """The first K of each image."""
        return Keypoints(self.centers[:, :k], self.sides[:, :k])

    def taken(self, indices: Tensor) -> "Keypoints":
        """Those of these indices, (B, M) int64."""
        return Keypoints(self.centers.gather(1, indices.unsqueeze(-1).expand(-1, -1, 2)), self.sides.gather(1, indices))

    def and_then(self, others: "Keypoints") -> "Keypoints":
        """These, and after them others."""
        return Keypoints(*(torch.cat(both, dim=1) for both in zip(self, others, strict=True)))


class Responses(NamedTuple):
    """The local softmax of H_η at each scale, twice, (B, S, H, W) float32 in [0, 1]."""

    sharp: Tensor  # with ``softmax_strength``: what is learned, and what tells sizes
    soft: Tensor  # with ``peak_strength``: in which peaks are looked for; without a gradient


class Extracted(NamedTuple):
    """E_K of a heatmap."""

    keypoints: Keypoints  # highest first
    heights: Tensor  # (B, N) of the heatmap there above a flat one, below 0 where it is lower
    valid: Tensor  # (B, N) bool: false where the heatmap has fewer than N peaks

    def taken(self, indices: Tensor) -> "Extracted":
        """Those of these indices, (B, M) int64."""
        return Extracted(self.keypoints.taken(indices), self.heights.gather(1, indices), self.valid.gather(1, indices))

    def and_then(self, others: "Extracted") -> "Extracted":
        """These, and after them others."""
        return Extracted(
            self.keypoints.and_then(others.keypoints),
            torch.cat((self.heights, others.heights), dim=1),
            torch.cat((self.valid, others.valid), dim=1),
        )


TILE = 512  # pixels; larger images are seen in tiles of this side
PATCHES_AT_ONCE = 512
MANY_PIXELS = 2**20  # whose softmax is taken at once; the network's activations of so many are a GB
PIXELS_AT_ONCE = {"cpu": 2**15}  # that the network sees, elsewhere as many: in memory that the process has already
REACH = 2.0  # pixels of the image as a scale sees it: how far off the peak of all scales its own may lie
LOWEST_PEAK = 1e-6  # above a flat heatmap; in proportion to such a peak the others are all as high as can be
LEAST_HEIGHT = 0.05  # peaks lower than this share of a usual one are no candidates


class MistModel(Detector):
    """The heatmap network and the extractor of patches; a task adds what it makes of them.

    Args:
        config: see :class:`MistConfig`.
    """

    learns_from_counts = True
    config: MistConfig

    def __init__(self, config: MistConfig) -> None:
        super().__init__()
        self.config = config
        self.heatmap_net = HeatmapNet(config.channels, config.heatmap_channels, config.heatmap_blocks)
        self.register_buffer("peak_height", torch.ones(()))  # above a flat heatmap, of those taken in training: a mean

    peak_height: Tensor

    @classmethod
    def settings_of_before(cls, config: Mapping[str, Any]) -> dict[str, Any]:
        """Peaks were looked for in what is learned, and the peak height and the threshold are of those."""
        return {"peak_strength": config.get("softmax_strength", cls.config_type.softmax_strength)}

    @property
    def least_pixels(self) -> int:
        """One for each keypoint."""
        return self.config.instances

    def heatmap(self, images: Tensor) -> Tensor:
        """h' = H_η(I) in which peaks are looked for, pooled over scale: (B, C, H, W) to (B, H, W) float32 in [0, 1]."""
        return self.pool(self.responses(images).soft)

    def responses(
        self,
        images: Tensor,
        network: Callable[..., Tensor] | None = None,
        extents: Tensor | None = None,
        with_sharp: bool = True,
    ) -> Responses:
        """The local softmax of H_η at each scale, of images (B, C, H, W).

        The softmax comes before the heatmaps are resized back, unlike in the paper: there a peak of a large scale is
        as many pixels wide as the heatmap was enlarged, so in a softmax over pixels it can never be as high as one of
        a small scale, and the pooling over scale takes the small ones. So an image enlarged by a factor has, at the
        scale of that factor, the responses that the image itself has at scale 1, enlarged.

        It is zero within ``border`` of the edge of the image, or of its extent. The scores there do not take part in
        the softmax either: what the padding of the network makes of the edge would win against objects beside it.

        Args:
            images: of any size that the network takes at all scales.
            network: stands in for the heatmap network, as its compiled form; it is given extents where there are any.
            extents: (B, 2) height and width of the part of each image that is no padding.
            with_sharp: false where nobody looks at the sharp ones: the soft ones stand there too.
        """
        network = self.heatmap_net if network is None else network
        of_scales = [self._responses_at(scale, images, network, extents, with_sharp) for scale in self.config.scales]
        return Responses(*(torch.cat(maps, dim=1) for maps in zip(*of_scales, strict=True)))

    def _responses_at(
        self, scale: float, images: Tensor, network: Callable[..., Tensor], extents: Tensor | None, with_sharp: bool
    ) -> Responses:
        """The local softmax of H_η of the image resized by 1 / scale, resized back: each (B, 1, H, W)."""
        size = images.shape[-2:]
        if scale != 1.0:
            images = images if extents is None else repeat_edges(images, extents)  # no padding is mixed in
            with torch.autocast(images.device.type, enabled=False):
                images = _resize(images, [max(1, round(side / scale)) for side in size])
        if extents is None:
            scores = network(channels_last(images)).float()
            whole = scores.new_tensor([scores.shape[2:]])
        else:
            whole = (extents / scale).round().clamp_min(1).expand(len(images), -1)
            scores = network(channels_last(images), whole).float()
        inner = inside(whole, self.config.border, scores).unsqueeze(1)
        soft = local_softmax(scores.detach(), self.config.softmax_size, self.config.peak_strength, inner)
        sharp = (
            local_softmax(scores, self.config.softmax_size, self.config.softmax_strength, inner) if with_sharp else soft
        )
        if scores.shape[-2:] == size:
            return Responses(sharp, soft)
        return Responses(_resize(sharp, list(size)), _resize(soft, list(size)))

    def pool(self, responses: Tensor) -> Tensor:
        """The responses (B, S, H, W) of all scales, sharp or soft, as one heatmap (B, H, W)."""
        if self.config.scale_pooling == "sum":
            return share_of_scales(responses).amax(dim=1)
        return pool_scales(responses)

    @property
    def flat_height(self) -> float:
        """The heatmap where nothing stands out."""
        if self.config.scale_pooling == "sum":
            return 1.0 / len(self.config.scales)
        return 1.0 / self.config.softmax_size**2

    def extract(self, responses: Responses, k: int, window: int | None = None) -> Extracted:
        """E_K: the K highest peaks of the soft responses, with the size that the sharp ones of the scales tell.

        In the sharp heatmap an object beside a stronger one vanishes: where the scores rise towards that, it stands
        below what is flat, and an empty corner is taken before it. In the soft one it stands above.

        Args:
            responses: of a batch.
            k: from 1 to H·W.
            window: of the non-maximum suppression, in pixels; ``suppression_size`` by default.
        """
        heatmap = self.pool(responses.soft)
        peaks = top_k_peaks(heatmap, k, window or self.config.suppression_size)
        sides = peak_scales(self._near(responses.sharp.detach()), peaks.centers, self.scale_sides(peaks.centers))
        centers = peaks.centers
        if self.config.refine_size > 1:
            centers = soft_argmax(self.pool(responses.sharp.detach()), centers, self.config.refine_size)
        return Extracted(Keypoints(centers, sides), peaks.scores - self.flat_height, peaks.valid)

    def choose(self, images: Tensor, responses: Responses, k: int) -> Extracted:
        """The K that a detection finds in images (B, C, H, W), highest first: E_K, where a task knows no better."""
        return self.extract(responses, k)

    def heights_at(self, responses: Responses, centers: Tensor) -> Tensor:
        """How high the heatmap of detection stands above a flat one at points (B, N, 2) of it, to the pixel: (B, N)."""
        heatmap = self.pool(responses.soft)
        x, y = centers.round().long().unbind(-1)
        return heatmap.flatten(1).gather(1, y * heatmap.shape[2] + x) - self.flat_height

    def learned_peaks(self, responses: Responses, k: int) -> Extracted:
        """E_K of what is learned, the sharp responses: where a training looks, and by which it measures scores.

        The soft peaks of detection come too early there: where little is learned they lie between the objects.
        """
        return self.extract(Responses(responses.sharp, responses.sharp), k)

    def measure_scores(self, images: Iterable[Tensor]) -> None:
        """Scores are in proportion to ``peak_height``, the mean over the K peaks of each image."""
        heights: list[Tensor] = []

        def measured(batch: Tensor) -> list[Tensor]:
            responses = self._seen(batch)
            peaks = self.learned_peaks(responses, min(self.config.instances, responses.sharp[0, 0].numel()))
            return list(self.heights_at(responses, peaks.keypoints.centers).clamp_min(LOWEST_PEAK).mean(dim=1))

        for image in images:
            heights += self._computed(image.unsqueeze(0), measured)
        if heights:
            self.peak_height.copy_(torch.stack(heights).mean())

    def _near(self, responses: Tensor) -> Tensor:
        """The highest response of each scale near each pixel, (B, S, H, W): the peaks of the scales lie apart."""
        scales = self.config.scales
        if len(scales) == 1:
            return responses
        reaches = [round(REACH * scale) for scale in scales]
        return torch.stack([highest_near(own, r) for own, r in zip(responses.unbind(1), reaches, strict=True)], dim=1)

    def scale_sides(self, like: Tensor) -> Tensor:
        """(S,) side of the box that each scale stands for, in pixels."""
        return self.config.object_size * like.new_tensor(self.config.scales)

    def patches(self, images: Tensor, keypoints: Keypoints) -> Tensor:
        """S: the patches at these keypoints, (B·N, C, P, P)."""
        with torch.autocast(images.device.type, enabled=False):  # coordinates stay in float32
            patches = crop(images, keypoints.centers, keypoints.sizes, self.config.patch_size).flatten(0, 1)
        return channels_last(patches)

    def find_peaks(self, images: Tensor, k: int | None, threshold: float | None) -> Extracted:
        """The K peaks of ``choose``, or, with a threshold alone, all peaks worth a look, in images of any size.

        ``heights`` are in proportion to those of the peaks taken in training, in [0, 1]; ``valid`` leaves out what is
        no peak, or not worth a look. Images larger than ``TILE`` are seen in tiles.
        """
        height, width = images.shape[-2:]
        responses = self._seen(images, with_sharp=len(self.config.scales) > 1 or self.config.refine_size > 1)
        if k or threshold is None:
            found = self.choose(images, responses, min(k or self.config.instances, height * width))
        else:
            found = self.extract(responses, self._peaks_at_most(self.pool(responses.soft)))
        heights = (found.heights / self.peak_height).clamp(0.0, 1.0)
        # not only those beyond the limit: that is of the image with the most, and another's must not depend on it
        least = -self.flat_height if k or threshold is None else LEAST_HEIGHT * self.peak_height
        return Extracted(found.keypoints, heights, found.valid & (found.heights > least))

    def _peaks_at_most(self, heatmap: Tensor) -> int:
        """The largest number of local maxima that a heatmap of the batch (B, H, W) has, worth a look."""
        maxima = suppress_non_maxima(heatmap, self.config.suppression_size)
        worth = heatmap - self.flat_height > LEAST_HEIGHT * self.peak_height
        return max(1, int((maxima & worth).flatten(1).sum(1).max()))

    def _seen(self, images: Tensor, with_sharp: bool = True) -> Responses:
        """Of images of any size: padded with black where they are too small for the network, in tiles where large."""
        height, width = images.shape[-2:]
        least = max(self.config.softmax_size, math.ceil(self._margin)) + 1
        if min(height, width) < least:
            images = F.pad(images, (0, max(0, least - width), 0, max(0, least - height)))
            padded = self.responses(images, extents=images.new_tensor([[height, width]]))
            return Responses(*(maps[:, :, :height, :width] for maps in padded))
        tile = min(images.shape[2], TILE) * min(images.shape[3], TILE)
        parts = [self._responses_by_tiles(part, with_sharp) for part in images.split(max(1, MANY_PIXELS // tile))]
        return Responses(*(torch.cat(maps) for maps in zip(*parts, strict=True)))

    def _scores(self, images: Tensor) -> Tensor:
        """The heatmap network, of as many images at once as are fastest."""
        at_once = max(1, PIXELS_AT_ONCE.get(images.device.type, MANY_PIXELS) // images[0, 0].numel())
        parts = images.chunk(math.ceil(len(images) / at_once))  # of about as many: 16 by 5 were 5, 5, 5 and 1
        return torch.cat([self.heatmap_net(part) for part in parts])

    @property
    def _margin(self) -> float:
        """How far the score of a pixel looks, in pixels; with several scales two more, for the resizing."""
        reach = float(self.heatmap_net.margin)
        return reach if self.config.scales == (1.0,) else (reach + 2) * max(1.0, self.config.scales[-1])

    def _responses_by_tiles(self, images: Tensor, with_sharp: bool) -> Responses:
        """The responses of an image too large to be seen at once, tile by tile.

        The layer norms of the network take the mean of a tile, as in training of a scene that is no larger: what is
        found in a tile does not depend on how large the image is, but a little on where tiles lie. Around a faint peak
        it may matter whether its tile holds bright ones.
        """
        height, width = images.shape[-2:]
        largest = max(1.0, self.config.scales[-1])
        reach = max(math.ceil(self._margin), math.ceil(self.config.border * largest))
        halo = reach + math.ceil(self.config.softmax_size // 2 * largest)  # what a pixel depends on
        if max(height, width) <= TILE + 2 * halo:
            return self.responses(images, self._scores, with_sharp=with_sharp)
        sharp = images.new_zeros(len(images), len(self.config.scales), height, width)
        responses = Responses(sharp, torch.zeros_like(sharp))
        for top in range(0, height, TILE):
            for left in range(0, width, TILE):
                bottom, right = min(top + TILE, height), min(left + TILE, width)
                first_row, first_column = max(0, top - halo), max(0, left - halo)
                seen = images[:, :, first_row : bottom + halo, first_column : right + halo]
                tile = self.responses(seen, self._scores, with_sharp=with_sharp)
                rows = slice(top - first_row, bottom - first_row)
                columns = slice(left - first_column, right - first_column)
                for whole, part in zip(responses, tile, strict=True):
                    whole[:, :, top:bottom, left:right] = part[:, :, rows, columns]
        return responses

    def of_patches(
        self, images: Tensor, keypoints: Keypoints, function: Callable[[Tensor, Keypoints], Tensor]
    ) -> Tensor:
        """What a function of images and keypoints (B, N) says, (B, N, ...), asked for some patches at a time.

        The cost of a patch of a large image is that of the square around it.
        """
        per_chunk = max(1, PATCHES_AT_ONCE // len(images))
        cut_out = max(images.shape[2:]) > TILE
        answers = []
        for values in zip(*(own.split(per_chunk, dim=1) for own in keypoints), strict=True):
            chunk = Keypoints(*values)
            answer = function(*self.squares(images, chunk)) if cut_out else function(images, chunk)
            answers.append(answer.reshape(*chunk.sides.shape, *answer.shape[2:]))
        return torch.cat(answers, dim=1)

    def squares(self, images: Tensor, keypoints: Keypoints) -> tuple[Tensor, Keypoints]:
        """The part of a large image around each keypoint, so that a crop there costs nothing for the rest.

        Returns:
            (B·N, C, Q, Q) and the keypoints in them, one each.
        """
        squares, corners = cut(images, keypoints.centers, math.ceil(self.config.largest_object) + 3)
        centers = (keypoints.centers - corners).flatten(0, 1).unsqueeze(1)
        return squares.flatten(0, 1), Keypoints(centers, keypoints.sides.flatten().unsqueeze(1))


def _resize(images: Tensor, size: list[int]) -> Tensor:
    return F.interpolate(images, size=size, mode="bilinear", align_corners=False, antialias=True)


def background_of(images: Tensor, extents: Tensor | None = None) -> Tensor:
    """What a canvas without objects looks like: the median of each channel.

    Args:
        images: (B, C, H, W).
        extents: (B, 2) height and width of the part of each image that is no padding; None where there is none.

    Returns:
        (B, C, 1, 1).
    """
    if extents is None:
        values = images.flatten(2)
        if torch.compiler.is_exporting():  # ONNX knows no median
            return values.sort(dim=2).values[:, :, (values.shape[2] - 1) // 2, None, None]
        return values.median(dim=2).values[..., None, None]
    within = inside(extents, 0, images).unsqueeze(1)
    return images.masked_fill(~within, torch.nan).flatten(2).nanmedian(dim=2).values[..., None, None]

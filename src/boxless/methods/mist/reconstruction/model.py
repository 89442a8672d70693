"""MIST reconstruction: what it computes (CVPR 2021, section 4.2).

keypoints {x_k} = E_K(H_η(I)) → patches S → shared auto-encoder T_τ → pasted S⁻¹ and summed: the image again
"""

from dataclasses import dataclass
from typing import Any, overload

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from boxless.data.images import ImageLike, to_tensor
from boxless.data.resize import centers_to_fitted, sizes_to_fitted
from boxless.errors import BoxlessError
from boxless.instances import Instances
from boxless.methods.detector import Found, Rows
from boxless.methods.mist.candidates import faint_peaks, most_overlooked
from boxless.methods.mist.config import MistReconstructorConfig
from boxless.methods.mist.model import Extracted, Keypoints, MistModel, Responses, background_of
from boxless.methods.mist.registration import synthesize
from boxless.methods.mist.worth import worth
from boxless.nets.residual import PyramidDecoder, PyramidEncoder

CANDIDATES = 3  # peaks beside the K that are judged too


@dataclass(frozen=True)
class MistSynthesis:
    """What a MIST auto-encoder makes of a batch of images."""

    heatmap: Tensor  # (B, H, W) float32 in [0, 1], in which peaks are looked for
    centers: Tensor  # (B, K, 2) x and y of the peaks, highest first
    sizes: Tensor  # (B, K, 2) width and height of their boxes
    heights: Tensor  # (B, K) of the heatmap at the peaks, above a flat one
    valid: Tensor  # (B, K) bool: false where the image has fewer than K peaks
    codes: Tensor  # (B, K, F) of the patches
    patches: Tensor  # (B, K, C, P, P) decoded, as they differ from the background
    image: Tensor  # (B, C, H, W) the background and all patches on it


class PatchAutoEncoder(nn.Module):
    """T_τ: the shared auto-encoder of patches (supplement C.1), five levels down to a vector and up again.

    Args:
        channels: of the image.
        levels: channels of each level.
        signed: patches in [−1, 1] (tanh), for what is darker than the background too; else in [0, 1] (sigmoid).
    """

    def __init__(self, channels: int, levels: tuple[int, ...], signed: bool) -> None:
        super().__init__()
        self.encoder = PyramidEncoder(channels, levels)
        self.decoder = PyramidDecoder(channels, levels)
        self.signed = signed
        self._begin_empty()

    def _begin_empty(self) -> None:
        """Else the sum of patches that overlap is far from any image, and the first steps do but shrink it."""
        last = self.decoder.layers[-1]
        assert isinstance(last, nn.Conv2d)
        assert last.bias is not None
        nn.init.constant_(last.bias, 0.0 if self.signed else -3.0)
        if self.signed:
            with torch.no_grad():
                last.weight.mul_(0.1)

    def forward(self, patches: Tensor) -> tuple[Tensor, Tensor]:
        """(N, C, P, P) to the decoded patches (N, C, P, P) float32, and their codes (N, F)."""
        codes = self.encoder(patches)
        decoded = self.decoder(codes).float()
        return torch.tanh(decoded) if self.signed else torch.sigmoid(decoded), codes.flatten(1)


class MistReconstructor(MistModel):
    """Finds the K patches that together rebuild an image; knows no classes.

    Args:
        config: see :class:`MistReconstructorConfig`.
    """

    method = "mist-reconstruct"
    config_type = MistReconstructorConfig
    labels_are = "ignored"
    config: MistReconstructorConfig

    def __init__(self, config: MistReconstructorConfig) -> None:
        super().__init__(config)
        self.autoencoder = PatchAutoEncoder(config.channels, config.encoder_channels, config.signed)

    def forward(self, images: Tensor, k: int | None = None) -> MistSynthesis:
        """Find ``k`` patches (``config.instances`` by default) in each image, and rebuild it from them.

        Args:
            images: (B, C, H, W) float32 in [0, 1].
            k: patches an image, from 1 to H·W.
        """
        responses = self.responses(images)
        found = self.choose(images, responses, k or self.config.instances)
        patches, codes = self.code(images, found.keypoints)
        return MistSynthesis(
            heatmap=self.pool(responses.soft),
            centers=found.keypoints.centers,
            sizes=found.keypoints.sizes,
            heights=found.heights,
            valid=found.valid,
            codes=codes,
            patches=patches,
            image=self._rebuilt(images, patches, found),
        )

    @torch.no_grad()
    def choose(self, images: Tensor, responses: Responses, k: int) -> Extracted:
        """E_K, but a peak that explains less of the image than a fainter one gives way to it.

        Beside a stronger object the heatmap of a weaker one has no peak of its own, or one below that of an empty
        corner, see :mod:`boxless.methods.mist.candidates`; its patch then rebuilds what no other does. So two of the K
        may lie in one window of the suppression, if not in one half as wide.
        """
        found = self.extract(responses, k)
        foreground = images - background_of(images)
        others = faint_peaks(self, responses, k, CANDIDATES)
        others = others.taken(most_overlooked(foreground, found.keypoints, others.keypoints, CANDIDATES))
        centers, taken = others.keypoints.centers, found.keypoints.centers
        twice = (centers.unsqueeze(2) == taken.unsqueeze(1)).all(-1).any(-1)
        found = found.and_then(others._replace(valid=others.valid & ~twice))
        patches = self.of_patches(images, found.keypoints, lambda *where: self.code(*where)[0])
        patches = patches * found.valid[..., None, None, None]  # what is no peak explains nothing
        synthesis = synthesize(patches[:, :k], found.keypoints.first(k), (images.shape[2], images.shape[3]))
        shares = worth(foreground, synthesis, patches, found.keypoints, k)
        found = found.taken(_highest_first(shares)[:, :k])
        heights = found.heights.masked_fill(~found.valid, -torch.inf)
        return found.taken(_highest_first(heights))

    @staticmethod
    def _rebuilt(images: Tensor, patches: Tensor, found: Extracted) -> Tensor:
        """The background of the images, and what is no mere filler of the patches on it."""
        shown = patches * found.valid[..., None, None, None]
        pasted: Tensor = synthesize(shown, found.keypoints, (images.shape[2], images.shape[3]))
        return background_of(images) + pasted

    def code(self, images: Tensor, keypoints: Keypoints) -> tuple[Tensor, Tensor]:
        """The decoded patches (B, N, C, P, P) at these keypoints, and their codes (B, N, F), float32."""
        patches, codes = self.autoencoder(self.patches(images, keypoints))
        shape = keypoints.sides.shape
        return patches.unflatten(0, shape), codes.float().unflatten(0, shape)

    def rows(self, images: Tensor, k: int | None, threshold: float | None) -> Rows:
        """The K peaks that :meth:`choose` takes, or all of at least a score, with their codes as descriptors.

        The score of an instance is the height of its peak in proportion to that of the peaks taken in training (1 at
        most).
        """
        keypoints, heights, valid = self.find_peaks(images, k, threshold)
        codes = self.of_patches(images, keypoints, self._encode)
        keep = valid & (heights >= (threshold or 0.0))
        labels = torch.zeros_like(keypoints.sides, dtype=torch.int64)
        return Rows(keep, Found(keypoints.centers, keypoints.sizes, heights, labels, codes))

    def _encode(self, images: Tensor, keypoints: Keypoints) -> Tensor:
        codes: Tensor = self.autoencoder.encoder(self.patches(images, keypoints))
        return codes.float().reshape(*keypoints.sides.shape, -1)

    @overload
    def reconstruct(
        self, images: list[Any] | tuple[Any, ...], *, k: int | None = None
    ) -> list[NDArray[np.float32]]: ...
    @overload
    def reconstruct(self, images: ImageLike, *, k: int | None = None) -> NDArray[np.float32]: ...
    def reconstruct(self, images: Any, *, k: int | None = None) -> NDArray[np.float32] | list[NDArray[np.float32]]:
        """Rebuild an image, or each of a list of images, from K patches on its background (its median).

        Args:
            images: see ``detect``.
            k: patches an image; the model's own number by default.

        Returns:
            (H, W) float32 in [0, 1] of a grey model, (H, W, 3) of one for colours, as high and wide as the image; a
            list for a list.

        Raises:
            BoxlessError: an image cannot be read, or ``k`` is out of range.
        """
        if k is not None and k < 1:
            raise BoxlessError(f"k is the number of patches to rebuild an image from, at least 1, not {k}.")

        def rebuilt(batch: Tensor) -> Tensor:
            found = self.find_peaks(batch, k, None)
            return self._rebuilt(batch, self.code(batch, found.keypoints)[0], found)

        if isinstance(images, list | tuple):
            return [_picture(synthesis) for synthesis in self.map_images(images, rebuilt)]
        return _picture(self.map_images([images], rebuilt)[0])

    def rebuild_from(
        self, image: ImageLike, found: Instances
    ) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
        """Rebuild one image from these instances, and show how (figure 3).

        Args:
            image: see ``detect``.
            found: N instances in it, in its pixels, in square boxes.

        Returns:
            The synthesis as of ``reconstruct``; the patch that is cut out of each instance, and the decoded patch on
            the background of the image, each (N, P, P) float32 in [0, 1], (N, P, P, 3) with colours.

        Raises:
            BoxlessError: the image cannot be read.
        """
        parts: list[Tensor] = []

        original = to_tensor(image, self.config.channels)

        def rebuilt(batch: Tensor) -> Tensor:
            keypoints = _keypoints_of(found, original, batch)
            cropped = self.patches(batch, keypoints)
            decoded = self.autoencoder(cropped)[0]
            parts.extend((cropped, decoded + background_of(batch)))
            pasted = synthesize(decoded.unsqueeze(0), keypoints, (batch.shape[2], batch.shape[3]))
            return background_of(batch) + pasted

        synthesis = _picture(self.map_images([original], rebuilt)[0])
        cropped, decoded = (_pictures(patches.float().cpu()) for patches in parts)
        return synthesis, cropped, decoded


def _keypoints_of(found: Instances, original: Tensor, fitted: Tensor) -> Keypoints:
    """Instances of an image (C, H, W) as keypoints of a batch of it alone, (1, C, H', W')."""
    scale = (fitted.shape[3] / original.shape[2], fitted.shape[2] / original.shape[1])
    centers = centers_to_fitted(torch.from_numpy(found.centers).to(fitted), scale)
    sizes = sizes_to_fitted(torch.from_numpy(found.sizes).to(fitted), scale)
    return Keypoints(centers.unsqueeze(0), sizes.mean(dim=1).unsqueeze(0))


def _picture(synthesis: Tensor) -> NDArray[np.float32]:
    """(C, H, W) to (H, W) in [0, 1], or (H, W, C) where there are colours."""
    return _pictures(synthesis)


def _pictures(images: Tensor) -> NDArray[np.float32]:
    """(…, C, H, W) to (…, H, W) in [0, 1], or (…, H, W, C) where there are colours."""
    pictures: NDArray[np.float32] = images.clamp(0.0, 1.0).movedim(-3, -1).numpy()
    return pictures[..., 0] if pictures.shape[-1] == 1 else pictures


def _highest_first(values: Tensor) -> Tensor:
    """The order of values (B, N), of equal ones the first before the other; (B, N) int64."""
    if torch.compiler.is_exporting():  # ONNX knows no stable sorting, but its top-K is
        return values.topk(values.shape[1], dim=1).indices
    return values.argsort(dim=1, descending=True, stable=True)

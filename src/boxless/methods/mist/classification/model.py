"""MIST classification: what it computes (CVPR 2021, section 4.2).

keypoints {x_k} = E_K(H_η(I)) → patches S → classifier T_τ → a class for each
"""

from dataclasses import dataclass

from torch import Tensor, nn

from boxless.methods.detector import Found, Rows
from boxless.methods.mist.config import MistClassifierConfig
from boxless.methods.mist.model import Keypoints, MistModel
from boxless.nets.residual import PyramidEncoder


@dataclass(frozen=True)
class MistOutput:
    """What a MIST classifier says of a batch of images."""

    heatmap: Tensor  # (B, H, W) float32 in [0, 1], in which peaks are looked for
    centers: Tensor  # (B, K, 2) x and y of the peaks, highest first
    sizes: Tensor  # (B, K, 2) width and height of their boxes
    heights: Tensor  # (B, K) of the heatmap at the peaks, above a flat one
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


class MistClassifier(MistModel):
    """Finds K objects in an image, and names them.

    Args:
        config: see :class:`MistClassifierConfig`.
    """

    method = "mist-classify"
    config_type = MistClassifierConfig
    config: MistClassifierConfig

    def __init__(self, config: MistClassifierConfig) -> None:
        super().__init__(config)
        outputs = len(config.class_names) + int(config.background)
        self.classifier = PatchClassifier(config.channels, config.classifier_channels, outputs)

    def forward(self, images: Tensor, k: int | None = None) -> MistOutput:
        """Find and classify ``k`` patches (``config.instances`` by default) in each image.

        Args:
            images: (B, C, H, W) float32 in [0, 1].
            k: patches an image, from 1 to H·W.
        """
        responses = self.responses(images)
        found = self.extract(responses, k or self.config.instances)
        logits = self.classify(images, found.keypoints)
        keypoints = found.keypoints
        return MistOutput(
            self.pool(responses.soft), keypoints.centers, keypoints.sizes, found.heights, found.valid, logits
        )

    def classify(self, images: Tensor, keypoints: Keypoints) -> Tensor:
        """Logits (B, K, outputs) float32 of the patches at these keypoints."""
        logits: Tensor = self.classifier(self.patches(images, keypoints))[0]
        return logits.float().view(*keypoints.sides.shape, -1)

    def rows(self, images: Tensor, k: int | None, threshold: float | None) -> Rows:
        """Top-K by the heatmap, or all peaks of at least a score; background is left out.

        The score of an instance is the probability of its class, times the height of its peak in proportion to that
        of the peaks taken in training (1 at most).
        """
        keypoints, heights, valid = self.find_peaks(images, k, threshold)
        probabilities = self.of_patches(images, keypoints, self.classify).softmax(dim=-1)
        best, labels = probabilities[..., : len(self.config.class_names)].max(dim=-1)
        scores = best * heights
        keep = valid & (scores >= (threshold or 0.0))
        if self.config.background:
            keep = keep & (best >= probabilities[..., -1])
        return Rows(keep, Found(keypoints.centers, keypoints.sizes, scores, labels))

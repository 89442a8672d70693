"""MIST classification: how it learns, from counts alone (CVPR 2021, section 4.2).

Beside the paper's classification loss a reconstruction of the image from the same patches pins each patch to its
object: both tasks of the paper at once, with no label more. ``reconstruction=0`` is the paper's classification.
"""

from torch import Tensor, nn

from boxless.data.batch import Batch
from boxless.methods.mist.classification.model import MistClassifier
from boxless.methods.mist.config import MistClassifierTrainingConfig
from boxless.methods.mist.losses import count_cross_entropy, count_loss, count_targets, image_loss
from boxless.methods.mist.model import Keypoints
from boxless.methods.mist.training import MistTraining, Task, foreground_of

TASK_LOSSES = {"squares": count_loss, "cross-entropy": count_cross_entropy}


class PatchDecoder(nn.Module):
    """From the classifier's features of a patch to the patch itself, at the resolution of the image.

    Args:
        features: of the classifier.
        channels: of the image.
        side: of the patch, in pixels.
    """

    def __init__(self, features: int, channels: int, side: int, hidden: int = 256) -> None:
        super().__init__()
        self.shape = (channels, side, side)
        self.layers = nn.Sequential(nn.Linear(features, hidden), nn.ReLU(), nn.Linear(hidden, channels * side * side))

    def forward(self, features: Tensor) -> Tensor:
        """(N, F) to (N, C, side, side)."""
        patches: Tensor = self.layers(features)
        return patches.view(-1, *self.shape)


class MistClassifierTraining(MistTraining):
    """Algorithm 1 on eq. 9, with the reconstruction of eq. 8 beside it.

    Args:
        model: to train.
        settings: how.
        steps: of the whole training, for the schedule.
        compile: networks through ``torch.compile``.
    """

    settings_type = MistClassifierTrainingConfig
    model: MistClassifier
    settings: MistClassifierTrainingConfig

    def __init__(
        self, model: MistClassifier, settings: MistClassifierTrainingConfig, steps: int, compile: bool
    ) -> None:
        super().__init__(model, settings, steps, compile, {"classifier": model.classifier})
        config = model.config
        self.decoder = (
            PatchDecoder(model.classifier.encoder.features, config.channels, round(config.largest_object))
            if settings.reconstruction
            else None
        )

    def task_parameters(self) -> list[nn.Parameter]:
        """The classifier's, and the decoder's."""
        return [
            *self.model.classifier.parameters(),
            *(self.decoder.parameters() if self.decoder is not None else ()),
        ]

    def task(self, batch: Batch, keypoints: Keypoints) -> Task:
        """The loss of the classes, and that of the image rebuilt from the same features."""
        config, k = self.model.config, self.model.config.instances
        targets = count_targets(batch.counts(len(config.class_names)), k, config.background)
        logits, features = self._networks["classifier"](self.model.patches(batch.images, keypoints))
        logits = logits.float().unflatten(0, keypoints.sides.shape)
        classification = TASK_LOSSES[self.settings.task_loss](logits[:, :k], targets)
        terms = {"classification": classification}
        if self.decoder is None:
            return Task(classification, classification, terms)
        patches = self.decoder(features).float().unflatten(0, keypoints.sides.shape)
        image_size = (batch.images.shape[2], batch.images.shape[3])
        synthesis = self._synthesize(patches[:, :k], keypoints.first(k), image_size)
        reconstruction = batch.enlargement * image_loss(synthesis, foreground_of(batch))
        total = classification + self.settings.reconstruction * reconstruction
        return Task(total, classification, terms | {"reconstruction": reconstruction}, patches, synthesis)

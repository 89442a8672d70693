"""MIST reconstruction: how it learns, from images and the number of their patches alone (CVPR 2021, section 4.2)."""

from torch import nn

from boxless.data.batch import Batch
from boxless.methods.mist.config import MistReconstructorTrainingConfig
from boxless.methods.mist.losses import image_loss
from boxless.methods.mist.model import Keypoints
from boxless.methods.mist.reconstruction.model import MistReconstructor
from boxless.methods.mist.training import MistTraining, Task, foreground_of


class MistReconstructorTraining(MistTraining):
    """Algorithm 1 on eq. 8.

    Args:
        model: to train.
        settings: how.
        steps: of the whole training, for the schedule.
        compile: networks through ``torch.compile``.
    """

    settings_type = MistReconstructorTrainingConfig
    settings: MistReconstructorTrainingConfig
    model: MistReconstructor

    def __init__(
        self, model: MistReconstructor, settings: MistReconstructorTrainingConfig, steps: int, compile: bool
    ) -> None:
        super().__init__(model, settings, steps, compile, {"autoencoder": model.autoencoder})

    def task_parameters(self) -> list[nn.Parameter]:
        """The auto-encoder's."""
        return list(self.model.autoencoder.parameters())

    def task(self, batch: Batch, keypoints: Keypoints) -> Task:
        """The image rebuilt from its first K patches."""
        k = self.model.config.instances
        patches = self._networks["autoencoder"](self.model.patches(batch.images, keypoints))[0]
        patches = patches.unflatten(0, keypoints.sides.shape)
        image_size = (batch.images.shape[2], batch.images.shape[3])
        synthesis = self._synthesize(patches[:, :k], keypoints.first(k), image_size)
        loss = batch.enlargement * image_loss(synthesis, foreground_of(batch))
        return Task(loss, loss, {"reconstruction": loss}, patches, synthesis)

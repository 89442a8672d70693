"""MIST's networks learned from boxes: the heatmap from the true places, the classifier from the true classes."""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from boxless.data.batch import Batch
from boxless.methods.mist.config import HeatmapTrainingConfig
from boxless.methods.mist.heatmap_training import HeatmapTraining
from boxless.methods.mist.model import Keypoints
from boxless.methods.mist.supervised.model import Supervised

UNSURE = -1  # the class of a patch that shows a part of an object, and of what fills up a row
NEAR, FAR = 0.25, 0.5  # sides of its box off an object, along x or y: within the one it shows it, beyond the other not


class Truth(NamedTuple):
    """The objects of each image."""

    keypoints: Keypoints  # (B, N), N at least K
    labels: Tensor  # (B, N), UNSURE where the image has no more


class SupervisedTraining(HeatmapTraining):
    """One step of each network a batch, towards the truth.

    Args:
        model: to train.
        settings: how.
        steps: of the whole training, for the schedule.
        compile: networks through ``torch.compile``.
    """

    settings_type = HeatmapTrainingConfig
    model: Supervised

    def __init__(self, model: Supervised, settings: HeatmapTrainingConfig, steps: int, compile: bool) -> None:
        super().__init__(model, settings, steps, compile, {"classifier": model.classifier})

    def task_parameters(self) -> list[nn.Parameter]:
        """The classifier's."""
        return list(self.model.classifier.parameters())

    def training_step(self, batch: Batch, batch_idx: int) -> None:
        """One batch."""
        self.begin_step()
        truth, responses = self._truth(batch), self._responses(batch)
        found = self._peaks(responses)
        shown = [Truth(self._jittered(batch, truth.keypoints), truth.labels)]
        if self.model.config.background:  # is what is found where nothing is
            shown.append(Truth(found, self._labels_at(found, truth)))
        loss = self._classification_loss(batch, shown)
        self.note("loss/classification", loss)
        self._step_task_network(loss.mean())
        present = (truth.labels != UNSURE).to(responses.sharp.dtype)
        self._step_heatmap_network(self._heatmap_fit(batch, responses.sharp, truth.keypoints, present).mean())
        self.finish_step()

    def _truth(self, batch: Batch) -> Truth:
        """The true objects; filled up to K, so that as long as no image has more all batches are of one shape."""
        assert batch.centers is not None
        assert batch.sizes is not None
        missing = max(0, self.model.config.instances - batch.labels.shape[1])
        labels = F.pad(batch.labels, (0, missing), value=UNSURE)
        centers, sizes = (F.pad(values, (0, 0, 0, missing)) for values in (batch.centers, batch.sizes))
        scales = self.model.scale_sides(sizes)
        sides = sizes.prod(dim=-1).sqrt().clamp(scales[0], scales[-1])  # of a square as large as the box
        return Truth(Keypoints(centers, sides), labels)

    def _labels_at(self, found: Keypoints, truth: Truth) -> Tensor:
        """(B, N) the class of what a patch shows, background, or UNSURE."""
        off = (found.centers.unsqueeze(2) - truth.keypoints.centers.unsqueeze(1)).abs().amax(dim=-1)
        off = off / truth.keypoints.sides.unsqueeze(1)
        nearest, index = off.masked_fill((truth.labels == UNSURE).unsqueeze(1), torch.inf).min(dim=2)
        labels = truth.labels.gather(1, index)
        labels = labels.masked_fill(nearest > NEAR, UNSURE)
        return labels.masked_fill(nearest > FAR, len(self.model.config.class_names))

    def _classification_loss(self, batch: Batch, shown: list[Truth]) -> Tensor:
        """(B,) cross-entropy of the patches whose class is sure."""
        keypoints = Keypoints(
            *(torch.cat(parts, dim=1) for parts in zip(*(one.keypoints for one in shown), strict=True))
        )
        labels = torch.cat([one.labels for one in shown], dim=1)
        logits = self._networks["classifier"](self.model.patches(batch.images, keypoints))[0].float()
        losses = F.cross_entropy(logits, labels.flatten(), ignore_index=UNSURE, reduction="none").view_as(labels)
        return losses.sum(1) / (labels != UNSURE).sum(1).clamp_min(1)

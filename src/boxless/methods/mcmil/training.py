"""MCMIL: how it learns, from the set of classes that each image holds (2018, sections 2.2 and 5)."""

from dataclasses import replace
from typing import Any, cast

import torch
from torch import Tensor
from torchmetrics import MeanMetric

from boxless.data.batch import Batch
from boxless.engine.averaging import averaged
from boxless.engine.module import TrainingModule
from boxless.engine.optimizers import set_rates
from boxless.engine.ranks import mean_over_ranks
from boxless.methods.mcmil.augmentation import recolored, warped
from boxless.methods.mcmil.config import McmilTrainingConfig
from boxless.methods.mcmil.losses import likelihood_loss, maxima_loss
from boxless.methods.mcmil.model import McmilDetector
from boxless.methods.schedule import warm_cosine
from boxless.ops.padding import inside

BETAS = (0.9, 0.95)
"""Of AdamW. Gradients grow tenfold where the plateau at the start ends. With 0.999, its default, trainings of extended
MNIST stayed there two to three times as long; one, of warped images, blew up as it left and learned nothing more."""


class McmilTraining(TrainingModule):
    """Gradient descent on the negative log-likelihood of the set (eq. 3).

    Args:
        model: to train.
        settings: how.
        steps: of the whole training, for the schedule.
        compile: makes no difference here: nearly all its time is in convolutions, of images that vary in size.
    """

    settings_type = McmilTrainingConfig
    model: McmilDetector

    def __init__(self, model: McmilDetector, settings: McmilTrainingConfig, steps: int, compile: bool) -> None:
        super().__init__(model, steps)
        self.settings = settings
        self.averaged = averaged(model, settings.averaging) if settings.averaging else None
        self._exact = model.config.softmax == "classes"
        self.right_sets = MeanMetric()

    @property
    def trained_model(self) -> McmilDetector:
        """The model to validate, to keep and to use: the averaged one, if there is one."""
        return cast(McmilDetector, self.model if self.averaged is None else self.averaged.module)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """AdamW."""
        settings = self.settings
        return torch.optim.AdamW(
            self.model.parameters(), settings.rate, BETAS, weight_decay=settings.weight_decay, fused=True
        )

    def on_after_batch_transfer(self, batch: Batch, dataloader_idx: int) -> Batch:
        """Padding is, to the first convolution, what it pads with itself."""
        if batch.extents is None or not self.model.config.centered:
            return batch
        padding = ~inside(batch.extents, 0, batch.images).unsqueeze(1)
        return replace(batch, images=batch.images.masked_fill(padding, 0.5))

    def training_step(self, batch: Batch, batch_idx: int) -> None:
        """One batch."""
        optimizer = cast(Any, self.optimizers())
        set_rates([optimizer], warm_cosine(self.steps_done, self.steps, self.settings.warmup, self.settings.decay))
        present = batch.counts(len(self.model.config.class_names)) > 0
        if self.steps_done == 0 and self._exact:
            self._expect_what_is_there(batch, present)
        logits = self.model(self._seen_otherwise(batch.images)).logits
        with torch.autocast(self.device.type, enabled=False):
            loss = (likelihood_loss if self._exact else maxima_loss)(logits, present, self._outside(batch, logits))
        self.note("loss/likelihood" if self._exact else "loss/maxima", loss)
        self.descend([optimizer], loss.mean())
        if self.averaged is not None:
            self.averaged.update_parameters(self.model)
        self.finish_step()

    def _seen_otherwise(self, images: Tensor) -> Tensor:
        """(B, C, H, W): some images warped, and some in other colours."""
        settings, key = self.settings, (int(self.seed), self.steps_done)
        if settings.warped:
            images = warped(images, settings.warped, self.model.config.centered, *key)
        return recolored(images, settings.recolored, *key) if settings.recolored else images

    @torch.no_grad()
    def _expect_what_is_there(self, batch: Batch, present: Tensor) -> None:
        """Begin with maps that emit about as many things as an image has classes, by the bias of the background.

        Else the first steps all go towards the background, hundreds of nats away, and wear the features out.
        """
        logits = self.model(batch.images[:1]).logits
        outside = self._outside(batch, logits)
        shown = present.new_ones(logits[:, 0].shape) if outside is None else ~outside  # (B or 1, M, N)
        places = mean_over_ranks(shown.sum((1, 2)).float().mean())
        things = mean_over_ranks(present.sum(1).float().mean()).clamp_min(0.1).minimum(places / 2)
        bias = self.model.network.last.bias
        assert bias is not None
        bias[-1] = ((logits.shape[1] - 1) * (places / things - 1)).log()

    def _outside(self, batch: Batch, logits: Tensor) -> Tensor | None:
        """(B, M, N) bool: places of the map that an image has only by its padding."""
        if batch.extents is None:
            return None
        rows, columns = (torch.arange(number, device=logits.device) for number in logits.shape[2:])
        within = self.model.places_within(batch.extents, batch.images)
        return (rows >= within[:, :1])[:, :, None] | (columns >= within[:, 1:])[:, None, :]

    def validate(self, batch: Batch) -> None:
        """As for every method, and whether the set of classes of each image is right, which is what was learned.

        A map of one softmax says which classes are likelier, and not how many are there: it is told the number.
        """
        super().validate(batch)
        present = batch.counts(len(self.model.config.class_names)) > 0
        images = batch.unpadded()
        found = (
            self.trained_model.classes_in(images)
            if self._exact
            else self.trained_model.likeliest_in(images, present.sum(1).tolist())
        )
        right = [set(own) == set(row.nonzero().flatten().tolist()) for own, row in zip(found, present, strict=True)]
        self.right_sets.update(torch.tensor(right, dtype=torch.float32, device=self.device))

    def own_measures(self) -> dict[str, Any]:
        """The share of images whose set of classes is right; it chooses the best checkpoint."""
        share = self.right_sets.compute()
        self.right_sets.reset()
        return {"val/exact_sets": share, "val/score": share}

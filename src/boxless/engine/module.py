"""What the training of every method shares: the step counter, averages of losses, validation, a stop at nonsense."""

import math
from collections.abc import Iterable
from typing import Any

import lightning as L
import torch
from torch import Tensor

from boxless.data.batch import Batch
from boxless.engine.truth import of_one_class, the_only_class, truths_for
from boxless.errors import BoxlessError
from boxless.instances import Instances
from boxless.methods.abilities import Reconstructs
from boxless.methods.detector import Detector
from boxless.metrics.modules import CountingMetric, DetectionMetric, ReconstructionMetric

LATER = 1e-6  # what the end of a training adds to the score: of equal ones on few images the latest is kept


class TrainingDiverged(BoxlessError):
    """A loss is not finite; ``batch`` is what it happened on."""

    def __init__(self, name: str, step: int, samples: list[int]) -> None:
        super().__init__(
            f"{name} is not finite at step {step}, in sample {', '.join(map(str, samples))} of the batch; "
            "look at the batch that was saved, or lower the learning rates."
        )
        self.name, self.step = name, step


class TrainingModule(L.LightningModule):
    """Base of the methods' trainings: manual optimization, one :class:`Batch` a step.

    Args:
        model: to train.
        steps: of the whole training.
    """

    settings_type: type[Any]
    model: Any
    places_choose = True  # the best checkpoint, where places are known; of a user's images no box has a part in that

    def __init__(self, model: Detector, steps: int) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.model = model
        self.steps = steps
        self.register_buffer("step_count", torch.zeros((), dtype=torch.int64))
        # drawn from the generator that the run has seeded, kept with the training: a resume draws the same numbers
        self.register_buffer("seed", torch.randint(2**31, ()))
        self._sums: dict[str, tuple[Tensor, int]] = {}
        self.detection = DetectionMetric()
        self.counting = CountingMetric(len(model.config.class_names))
        self.reconstruction = ReconstructionMetric() if isinstance(model, Reconstructs) else None
        self._places_known = self._labels_known = False

    step_count: Tensor
    seed: Tensor

    @property
    def steps_done(self) -> int:
        """Steps taken since the training began, also before a resume."""
        return int(self.step_count)

    @property
    def trained_model(self) -> Detector:
        """The model to validate, to keep and to use."""
        found: Detector = self.model
        return found

    def descend(self, optimizers: Iterable[Any], loss: Tensor) -> None:
        """One step of these optimizers, as :meth:`optimizers` gives them, down a loss ()."""
        optimizers = list(optimizers)
        for optimizer in optimizers:
            optimizer.zero_grad()
        self.manual_backward(loss)
        for optimizer in optimizers:
            optimizer.step()

    def finish_step(self) -> None:
        """Count a step; every ``training_step`` ends with it."""
        self.step_count += 1

    def note(self, name: str, values: Tensor) -> None:
        """Add values, one a sample, to the averages that are logged at the end of the epoch.

        Raises:
            TrainingDiverged: one of them is not finite.
        """
        values = values.detach()
        finite = values.isfinite().flatten(1).all(1) if values.ndim > 1 else values.isfinite()
        if not bool(finite.all()):
            raise TrainingDiverged(name, self.steps_done, (~finite).nonzero().flatten().tolist())
        total, number = self._sums.get(name, (values.new_zeros(()), 0))
        self._sums[name] = (total + values.mean(), number + 1)

    def noted(self) -> dict[str, Tensor]:
        """The averages of this process in the epoch so far."""
        return {name: total / number for name, (total, number) in self._sums.items()}

    def on_train_epoch_end(self) -> None:
        """Log the averages of the epoch, and the steps taken by its end."""
        self.log_dict(self.noted(), sync_dist=True)
        self.log("steps", self.step_count.float())
        self._sums.clear()

    def on_validation_epoch_start(self) -> None:
        """Places count where all images have them, and labels where any has one."""
        self._places_known, self._labels_known = True, False

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Validate the trained model, in eval mode."""
        with self.trained_model.images_shrunk_already():
            self.validate(batch)

    def validate(self, batch: Batch) -> None:
        """Detect and compare."""
        images = batch.unpadded()
        found: list[Instances] = self.trained_model.detect(images)
        names = self.trained_model.config.class_names
        if not self.trained_model.knows_classes:
            names = the_only_class(names)
            found = [of_one_class(one, names) for one in found]
        truth = truths_for(self.trained_model, batch, names)
        self._places_known &= batch.centers is not None
        self._labels_known |= batch.labels.numel() > 0
        self.detection.update(found, truth)
        self.counting.update(found, truth)
        if self.reconstruction is not None:
            assert isinstance(self.trained_model, Reconstructs)
            for rebuilt, image in zip(self.trained_model.reconstruct(images), images, strict=True):
                self.reconstruction.update(torch.from_numpy(rebuilt), image.permute(1, 2, 0).reshape(rebuilt.shape))

    def on_validation_epoch_end(self) -> None:
        """Log the measures; ``val/score`` chooses the best checkpoint."""
        detection, counting = self.detection.compute(), self.counting.compute()
        measures = {"val/exact_counts": counting.exact_multiset} if self._labels_known else {}
        if self._places_known:
            measures["val/localization"] = detection.localization
        if self.trained_model.knows_classes:
            measures["val/classification"] = detection.classification
            measures |= {"val/both": detection.both} if self._places_known else {}
        by_places = self.places_choose and self._places_known and math.isfinite(detection.both)  # nan without an object
        measures["val/score"] = detection.both if by_places else -counting.class_error
        if self.reconstruction is not None:
            measures["val/rmse"] = self.reconstruction.compute()
            measures["val/score"] = -measures["val/rmse"]
            self.reconstruction.reset()
        measures |= self.own_measures()
        measures = {name: value for name, value in measures.items() if math.isfinite(value)}
        if "val/score" not in measures:
            raise BoxlessError(f"What is validated is not finite at step {self.steps_done}; lower the learning rates.")
        measures["val/score"] += LATER * self.steps_done / self.steps
        self.detection.reset()
        self.counting.reset()
        self.log_dict(measures)

    def own_measures(self) -> dict[str, Any]:
        """What a method measures on the validation images beside the rest, by name; its val/score goes before."""
        return {}

    def transfer_batch_to_device(self, batch: Batch, device: torch.device, dataloader_idx: int) -> Batch:
        """A frozen dataclass is moved by itself."""
        return batch.to(device)

"""MIST classification: how it learns, from counts alone (CVPR 2021, algorithm 1).

Beside the paper's classification loss a reconstruction of the image from the same patches pins each patch to its
object: both tasks of the paper at once, with no label more. ``reconstruction=0`` is the paper's classification.
"""

from collections.abc import Callable
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from boxless.data.batch import Batch
from boxless.engine.module import TrainingModule
from boxless.methods.mist.config import MistTrainingConfig
from boxless.methods.mist.losses import count_loss, count_targets, heatmap_loss, image_loss
from boxless.methods.mist.model import MistClassifier, inside
from boxless.methods.mist.registration import register
from boxless.methods.mist.worth import relative_worth, worth
from boxless.ops.heatmap import top_k_peaks
from boxless.ops.lifting import gaussian_heatmap, point_heatmap
from boxless.ops.patches import paste

Tensors = tuple[Tensor, ...] | list[Tensor]

LONGEST_MOVE = 3.0  # pixels along x and along y, in one step


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


class Task(NamedTuple):
    """What the task network makes of a batch."""

    loss: Tensor  # (B,) L_task
    classification: Tensor  # (B,) eq. 9, a part of it
    reconstruction: Tensor | None  # (B,) eq. 8, the other
    patches: Tensor | None  # (B, N, C, P, P) decoded, where there is a reconstruction
    synthesis: Tensor | None  # (B, C, H, W) the first K of them, pasted

    def detached(self) -> "Task":
        """The same without a graph."""
        return Task(*(None if tensor is None else tensor.detach() for tensor in self))  # type: ignore[arg-type]


class MistClassifierTraining(TrainingModule):
    """Algorithm 1 with manual optimization: keypoints, task network, heatmap network, batch by batch.

    Args:
        model: to train.
        settings: how.
        steps: of the whole training, for the schedule.
        compile: networks through ``torch.compile``.
    """

    settings_type = MistTrainingConfig

    def __init__(self, model: MistClassifier, settings: MistTrainingConfig, steps: int, compile: bool) -> None:
        super().__init__(model, steps)
        self.settings = settings
        config = model.config
        self.decoder = (
            PatchDecoder(model.classifier.encoder.features, config.channels, round(config.object_size))
            if settings.reconstruction
            else None
        )
        self.averaged = (
            AveragedModel(model, multi_avg_fn=exponential_average(settings.averaging), use_buffers=True)
            if settings.averaging
            else None
        )
        # not submodules: a compiled network shares its parameters with the model's own
        self._networks = {
            "heatmap": torch.compile(model.heatmap_net) if compile else model.heatmap_net,
            "classifier": torch.compile(model.classifier) if compile else model.classifier,
        }

    @property
    def trained_model(self) -> MistClassifier:
        """The model to validate, to keep and to use: the averaged one, if there is one."""
        return cast(MistClassifier, self.model if self.averaged is None else self.averaged.module)

    def configure_optimizers(self) -> list[torch.optim.Optimizer]:
        """Adam for the task network (with the decoder) and for the heatmap network."""
        task = [*self.model.classifier.parameters(), *(self.decoder.parameters() if self.decoder is not None else ())]
        fused = self.device.type == "cuda"
        return [
            torch.optim.Adam(task, self.settings.classifier_rate, fused=fused),
            torch.optim.Adam(self.model.heatmap_net.parameters(), self.settings.heatmap_rate, fused=fused),
        ]

    def training_step(self, batch: Batch, batch_idx: int) -> None:
        """One batch of algorithm 1."""
        self._set_rates()
        heatmap = self._heatmap(batch)  # H_η(I)
        if self.settings.keypoint_step == "registration":
            candidates = self._detect(batch, heatmap, self.settings.candidates)
            task = self._step_task(batch, candidates)
            self._step_heatmap(heatmap, *self._register(batch, candidates, task), task.classification)
        else:
            keypoints = self._detect(batch, heatmap, 0)  # {x_k} = E_K(H_η(I))
            for _ in range(self.settings.keypoint_steps):
                keypoints = self._step_keypoints(batch, keypoints)
            task = self._step_task(batch, keypoints)
            self._step_heatmap(heatmap, keypoints, None, task.classification)
        if self.averaged is not None:
            self.averaged.update_parameters(self.model)
        self.finish_step()

    def _heatmap(self, batch: Batch) -> Tensor:
        images = batch.images.contiguous(memory_format=torch.channels_last)
        heatmap: Tensor = self.model.sharpen(self._networks["heatmap"](images))
        return heatmap if batch.extents is None else heatmap * inside(batch.extents, 0, heatmap)

    def _detect(self, batch: Batch, heatmap: Tensor, more: int) -> Tensor:
        """E_K, and as many candidates ``more``; also follows how high the peaks are, for the scores of detection."""
        config = self.model.config
        peaks = top_k_peaks(self.model.inner(heatmap, batch.extents), config.instances + more, config.suppression_size)
        chosen = peaks.scores[:, : config.instances].mean()
        self.model.peak_height.lerp_(chosen, 1.0 if self.steps_done == 0 else 0.02)
        centers: Tensor = self.model.refine(heatmap, peaks.centers)
        return centers

    def _task(self, batch: Batch, keypoints: Tensor) -> Task:
        """T_τ on the patches of all keypoints; the losses on those of the first K."""
        config, k = self.model.config, self.model.config.instances
        targets = count_targets(batch.counts(len(config.class_names)), k, config.background)
        logits, features = self._networks["classifier"](self.model.patches(batch.images, keypoints))
        logits = logits.float().unflatten(0, keypoints.shape[:2])
        classification = count_loss(logits[:, :k], targets)
        if self.decoder is None:
            return Task(classification, classification, None, None, None)
        patches = self.decoder(features).float().unflatten(0, keypoints.shape[:2])
        sizes = self.model.sizes(keypoints)
        image_size = (batch.images.shape[2], batch.images.shape[3])
        synthesis = paste(patches[:, :k], keypoints[:, :k], sizes[:, :k], image_size)
        reconstruction = image_loss(synthesis, foreground_of(batch))
        total = classification + self.settings.reconstruction * reconstruction
        return Task(total, classification, reconstruction, patches, synthesis)

    def _step_task(self, batch: Batch, keypoints: Tensor) -> Task:
        """τ ← a step on L_task."""
        task = self._task(batch, keypoints)
        self.note("loss/classification", task.classification)
        if task.reconstruction is not None:
            self.note("loss/reconstruction", task.reconstruction)
        self._step(0, task.loss)
        return task.detached()

    def _step_keypoints(self, batch: Batch, keypoints: Tensor) -> Tensor:
        """{x_k} ← a step on L_task; no gradient of weights is kept."""
        keypoints = keypoints.detach().requires_grad_()
        (gradient,) = torch.autograd.grad(self._task(batch, keypoints).loss.sum(), keypoints)
        return self._within(batch, keypoints.detach(), -self.settings.keypoint_rate * gradient)

    @torch.no_grad()
    def _register(self, batch: Batch, candidates: Tensor, task: Task) -> tuple[Tensor, Tensor]:
        """{x_k} ← where the decoded patches rebuild the image; and what each candidate is worth as a target."""
        assert task.patches is not None
        assert task.synthesis is not None
        settings, k, sizes = self.settings, self.model.config.instances, self.model.sizes(candidates)
        images = foreground_of(batch)
        shares = worth(images, task.synthesis, task.patches, candidates, sizes, k)
        self.note("keypoints/worth", shares[:, :k])
        keypoints = candidates[:, :k]
        moved = register(
            task.patches[:, :k], keypoints, sizes[:, :k], images, settings.keypoint_steps, settings.keypoint_rate
        )
        moved = self._within(batch, keypoints, moved - keypoints)
        return torch.cat((moved, candidates[:, k:]), dim=1), relative_worth(shares, k)

    def _within(self, batch: Batch, keypoints: Tensor, moves: Tensor) -> Tensor:
        """Keypoints (B, K, 2) after their moves, none of them longer than LONGEST_MOVE, kept within the image."""
        moves = moves.clamp(-LONGEST_MOVE, LONGEST_MOVE)
        self.note("keypoints/move", moves.norm(dim=-1))
        height, width = batch.images.shape[2:]
        extents = batch.extents if batch.extents is not None else keypoints.new_tensor([[height, width]])
        return torch.minimum((keypoints + moves).clamp_min(0.0), extents.flip(-1).unsqueeze(1) - 1.0)

    def _step_heatmap(self, heatmap: Tensor, keypoints: Tensor, heights: Tensor | None, loss: Tensor) -> None:
        """η ← a step on ‖G({x_k}) − H_η(I)‖², each sample trusted by its task loss."""
        size = (heatmap.shape[1], heatmap.shape[2])
        sigma = self.settings.target_sigma
        target = gaussian_heatmap(keypoints, size, sigma, heights) if sigma else point_heatmap(keypoints, size, heights)
        fit = heatmap_loss(heatmap, target)
        self.note("loss/heatmap", fit)
        self._step(1, torch.exp(-self.settings.trust * loss) * fit)

    def _both_optimizers(self) -> list[Any]:
        return cast(list[Any], self.optimizers())

    def _step(self, index: int, loss: Tensor) -> None:
        optimizer = self._both_optimizers()[index]
        optimizer.zero_grad()
        self.manual_backward(loss.mean())
        optimizer.step()

    def _set_rates(self) -> None:
        factor = self.settings.rate_factor(self.steps_done, self.steps)
        rates = (self.settings.classifier_rate, self.settings.heatmap_rate)
        for optimizer, rate in zip(self._both_optimizers(), rates, strict=True):
            for group in optimizer.param_groups:
                group["lr"] = rate * factor


def foreground_of(batch: Batch) -> Tensor:
    """Images less their background: the median of each channel, what a canvas without objects looks like.

    Returns:
        (B, C, H, W), zero in what pads an image.
    """
    images = batch.images
    if batch.extents is None:
        return images - images.flatten(2).median(dim=2).values[..., None, None]
    within = inside(batch.extents, 0, images[:, 0]).unsqueeze(1)
    background = images.masked_fill(~within, torch.nan).flatten(2).nanmedian(dim=2).values[..., None, None]
    return (images - background) * within


def exponential_average(decay: float) -> Callable[[Tensors, Tensors, Tensor | int], None]:
    """The update of ``AveragedModel`` for an exponential average that forgets its first, untrained weights sooner."""

    @torch.no_grad()
    def update(averaged: Tensors, current: Tensors, count: Tensor | int) -> None:
        share = min(decay, (1.0 + float(count)) / (10.0 + float(count)))
        for average, value in zip(averaged, current, strict=True):
            if average.is_floating_point():
                average.lerp_(value, 1.0 - share)
            else:
                average.copy_(value)

    return update

"""MIST classification: how it learns, from counts alone (CVPR 2021, algorithm 1).

Beside the paper's classification loss a reconstruction of the image from the same patches pins each patch to its
object: both tasks of the paper at once, with no label more. ``reconstruction=0`` is the paper's classification.
"""

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from boxless.data.batch import Batch
from boxless.engine.module import TrainingModule
from boxless.methods.mist.config import MistTrainingConfig
from boxless.methods.mist.losses import count_loss, count_targets, heatmap_loss, image_loss
from boxless.methods.mist.model import MistClassifier
from boxless.ops.heatmap import top_k_peaks
from boxless.ops.lifting import gaussian_heatmap, point_heatmap
from boxless.ops.patches import paste


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
        return patches.unflatten(1, self.shape)


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
            AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(settings.averaging), use_buffers=True)
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
        return self.averaged.module if self.averaged is not None else self.model

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
        targets = count_targets(batch.counts(len(self.model.config.class_names)), self.model.config.instances,
                                self.model.config.background)
        heatmap = self._heatmap(batch)  # H_η(I)
        keypoints = self._detect(heatmap)  # {x_k} = E_K(H_η(I))
        if self.settings.joint:
            for _ in range(self.settings.keypoint_steps):
                keypoints, loss = self._step_keypoints_and_task(batch, keypoints, targets)
        else:
            for _ in range(self.settings.keypoint_steps):
                keypoints = self._step_keypoints(batch, keypoints, targets)
            loss = self._step_task(batch, keypoints, targets)
        self._step_heatmap(batch, heatmap, keypoints, loss)
        if self.averaged is not None:
            self.averaged.update_parameters(self.model)
        self.finish_step()

    def _heatmap(self, batch: Batch) -> Tensor:
        images = batch.images.contiguous(memory_format=torch.channels_last)
        heatmap = self.model.sharpen(self._networks["heatmap"](images))
        if batch.extents is None:
            return heatmap
        rows = torch.arange(heatmap.shape[1], device=heatmap.device).view(1, -1, 1)
        columns = torch.arange(heatmap.shape[2], device=heatmap.device).view(1, 1, -1)
        height, width = batch.extents[:, 0].view(-1, 1, 1), batch.extents[:, 1].view(-1, 1, 1)
        return heatmap * ((rows < height) & (columns < width))

    def _detect(self, heatmap: Tensor) -> Tensor:
        """E_K; also follows how high the peaks are, for the scores of detection."""
        config = self.model.config
        peaks = top_k_peaks(heatmap, config.instances, config.suppression_size)
        self.model.peak_height.lerp_(peaks.scores.mean(), 1.0 if self.steps_done == 0 else 0.02)
        return self.model.refine(heatmap, peaks.centers)

    def _task_loss(self, batch: Batch, keypoints: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Per sample: what is minimised, and the classification part of it (eq. 9)."""
        logits, features = self._networks["classifier"](self.model.patches(batch.images, keypoints))
        classification = count_loss(logits.float().unflatten(0, keypoints.shape[:2]), targets)
        self.note("loss/classification", classification)
        if self.decoder is None:
            return classification, classification
        patches = self.decoder(features).float().unflatten(0, keypoints.shape[:2])
        image_size = (batch.images.shape[2], batch.images.shape[3])
        synthesis = paste(patches, keypoints, self.model.sizes(keypoints), image_size)
        reconstruction = image_loss(synthesis, batch.images - background_of(batch.images))
        self.note("loss/reconstruction", reconstruction)
        return classification + self.settings.reconstruction * reconstruction, classification

    def _step_keypoints_and_task(self, batch: Batch, keypoints: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """τ and {x_k} by one backward pass."""
        keypoints = keypoints.detach().requires_grad_()
        loss, classification = self._task_loss(batch, keypoints, targets)
        self._step(0, loss)
        assert keypoints.grad is not None
        return self._moved(batch, keypoints.detach(), keypoints.grad * len(loss)), classification.detach()

    def _step_keypoints(self, batch: Batch, keypoints: Tensor, targets: Tensor) -> Tensor:
        """{x_k} ← a step on L_task; no gradient of weights is computed."""
        keypoints = keypoints.detach().requires_grad_()
        loss, _ = self._task_loss(batch, keypoints, targets)
        (gradient,) = torch.autograd.grad(loss.sum(), keypoints)
        return self._moved(batch, keypoints.detach(), gradient)

    def _step_task(self, batch: Batch, keypoints: Tensor, targets: Tensor) -> Tensor:
        """τ ← a step on L_task."""
        loss, classification = self._task_loss(batch, keypoints, targets)
        self._step(0, loss)
        return classification.detach()

    def _step_heatmap(self, batch: Batch, heatmap: Tensor, keypoints: Tensor, loss: Tensor) -> None:
        """η ← a step on ‖G({x_k}) − H_η(I)‖², each sample trusted by its task loss."""
        size = (heatmap.shape[1], heatmap.shape[2])
        sigma = self.settings.target_sigma
        target = gaussian_heatmap(keypoints, size, sigma) if sigma else point_heatmap(keypoints, size)
        fit = heatmap_loss(heatmap, target)
        self.note("loss/heatmap", fit)
        self._step(1, torch.exp(-self.settings.trust * loss) * fit)

    def _moved(self, batch: Batch, keypoints: Tensor, gradient: Tensor) -> Tensor:
        """Keypoints (B, K, 2) after a step against the gradient of each sample's loss, kept within the image."""
        rate = self.settings.keypoint_rate
        if self.settings.keypoint_step == "pixels":
            rate = rate / gradient.square().sum(dim=-1).mean().sqrt().clamp_min(1e-12)
        move = (-rate * gradient).clamp(-LONGEST_MOVE, LONGEST_MOVE)
        self.note("keypoints/move", move.norm(dim=-1))
        height, width = batch.images.shape[2:]
        extents = batch.extents if batch.extents is not None else keypoints.new_tensor([[height, width]])
        return torch.minimum((keypoints + move).clamp_min(0.0), extents.flip(-1).unsqueeze(1) - 1.0)

    def _step(self, index: int, loss: Tensor) -> None:
        optimizer = self.optimizers()[index]
        optimizer.zero_grad()
        self.manual_backward(loss.mean())
        optimizer.step()

    def _set_rates(self) -> None:
        factor = self.settings.rate_factor(self.steps_done, self.steps)
        rates = (self.settings.classifier_rate, self.settings.heatmap_rate)
        for optimizer, rate in zip(self.optimizers(), rates, strict=True):
            for group in optimizer.param_groups:
                group["lr"] = rate * factor


LONGEST_MOVE = 3.0  # pixels along x and along y, in one step


def background_of(images: Tensor) -> Tensor:
    """The median of each channel of each image, (B, C, 1, 1): what a canvas without objects looks like."""
    return images.flatten(2).median(dim=2).values[..., None, None]

"""MIST's algorithm 1 with plain networks, step by step as ours, to measure against: fp32, eager, contiguous.

What is no network (peaks, paste, registration, targets) is ours in both.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from boxless.data.batch import Batch
from boxless.methods.mist.config import (
    MistClassifierConfig,
    MistClassifierTrainingConfig,
    MistConfig,
    MistReconstructorConfig,
    MistTrainingConfig,
)
from boxless.methods.mist.losses import count_loss, count_targets, heatmap_loss, image_loss
from boxless.methods.mist.model import Keypoints
from boxless.methods.mist.registration import register, synthesize
from boxless.methods.mist.training import foreground_of
from boxless.methods.mist.worth import relative_worth, worth
from boxless.ops.heatmap import peak_scales, pool_scales, top_k_peaks
from boxless.ops.lifting import lift
from plain_mist import crop, decoder, encoder, heatmap_net, responses
from plain_optimizer import PlainOptimizer


class Done(NamedTuple):
    loss: Tensor  # (B,)
    patches: Tensor  # (B, N, C, P, P) decoded; the input where nothing is
    synthesis: Tensor  # (B, C, H, W)


class PlainClassification(nn.Module):
    """The classifier, and the decoder of its features where there is a reconstruction."""

    def __init__(self, config: MistClassifierConfig, settings: MistClassifierTrainingConfig) -> None:
        super().__init__()
        self.config, self.weight, self.side = config, settings.reconstruction, round(config.largest_object)
        features, outputs = config.classifier_channels[-1], len(config.class_names) + config.background
        self.encoder = encoder(config.channels, config.classifier_channels)
        self.classify = nn.Linear(features, outputs)
        self.decode = nn.Sequential(nn.Linear(features, 256), nn.ReLU(), nn.Linear(256, config.channels * self.side**2))

    def forward(self, batch: Batch, keypoints: Keypoints) -> Done:
        config, k = self.config, self.config.instances
        targets = count_targets(batch.counts(len(config.class_names)), k, config.background)
        features = self.encoder(crop(batch.images, keypoints, config.patch_size)).flatten(1)
        logits = self.classify(features).unflatten(0, keypoints.sides.shape)
        loss = count_loss(logits[:, :k], targets)
        if not self.weight:
            return Done(loss, batch.images, batch.images)
        patches = self.decode(features).view(*keypoints.sides.shape, config.channels, self.side, self.side)
        synthesis = synthesized(patches, keypoints, batch, k)
        return Done(loss + self.weight * image_loss(synthesis, foreground_of(batch)), patches, synthesis)


class PlainReconstruction(nn.Module):
    """The auto-encoder of patches."""

    def __init__(self, config: MistReconstructorConfig) -> None:
        super().__init__()
        self.config = config
        channels = config.encoder_channels
        self.layers = nn.Sequential(encoder(config.channels, channels), decoder(config.channels, channels))

    def forward(self, batch: Batch, keypoints: Keypoints) -> Done:
        decoded = self.layers(crop(batch.images, keypoints, self.config.patch_size))
        patches = (decoded.tanh() if self.config.signed else decoded.sigmoid()).unflatten(0, keypoints.sides.shape)
        synthesis = synthesized(patches, keypoints, batch, self.config.instances)
        return Done(image_loss(synthesis, foreground_of(batch)), patches, synthesis)


class PlainTraining:
    """One step of it after another."""

    def __init__(self, config: MistConfig, settings: MistTrainingConfig) -> None:
        self.config, self.settings = config, settings
        self.heatmap_net = heatmap_net(config)
        if isinstance(config, MistReconstructorConfig):
            self.task: nn.Module = PlainReconstruction(config)
        else:
            assert isinstance(config, MistClassifierConfig)
            assert isinstance(settings, MistClassifierTrainingConfig)
            self.task = PlainClassification(config, settings)
        name, rates = settings.optimizer, (settings.task_rate, settings.heatmap_rate)
        self.task_optimizer = PlainOptimizer(self.task.parameters(), name, rates[0])
        self.heatmap_optimizer = PlainOptimizer(self.heatmap_net.parameters(), name, rates[1])

    def step(self, batch: Batch) -> None:
        k, settings = self.config.instances, self.settings
        found = responses(self.heatmap_net, batch.images, self.config)
        heights = None
        if settings.keypoint_step == "registration":
            keypoints = self._keypoints(found, k + settings.candidates)
            done = self._step_task(batch, keypoints)
            keypoints, heights = self._register(batch, keypoints, done)
        else:
            keypoints = self._keypoints(found, k)
            for _ in range(settings.keypoint_steps):
                keypoints = self._step_keypoints(batch, keypoints)
            self._step_task(batch, keypoints)
        self._step_heatmap(found, keypoints, heights)

    def detect(self, images: Tensor) -> Tensor:
        """The codes of the K patches of each image."""
        keypoints = self._keypoints(responses(self.heatmap_net, images, self.config), self.config.instances)
        assert isinstance(self.task, PlainClassification)
        features = self.task.encoder(crop(images, keypoints, self.config.patch_size)).flatten(1)
        logits: Tensor = self.task.classify(features)
        return logits.softmax(-1)

    def _keypoints(self, found: Tensor, n: int) -> Keypoints:
        with torch.no_grad():
            centers = top_k_peaks(pool_scales(found), n, self.config.suppression_size).centers
            return Keypoints(centers, peak_scales(found, centers, self._sides(found)).float())

    def _sides(self, like: Tensor) -> Tensor:
        return self.config.object_size * like.new_tensor(self.config.scales)

    def _step_task(self, batch: Batch, keypoints: Keypoints) -> Done:
        done: Done = self.task(batch, keypoints)
        self.task_optimizer.zero_grad()
        done.loss.mean().backward()
        self.task_optimizer.step()
        return Done(*(part.detach() for part in done))

    def _step_keypoints(self, batch: Batch, keypoints: Keypoints) -> Keypoints:
        centers = keypoints.centers.detach().requires_grad_()
        loss = self.task(batch, Keypoints(centers, keypoints.sides)).loss.sum()
        (slope,) = torch.autograd.grad(loss, centers)
        return Keypoints(centers.detach() - self.settings.keypoint_rate * slope, keypoints.sides)

    def _register(self, batch: Batch, candidates: Keypoints, done: Done) -> tuple[Keypoints, Tensor]:
        k, settings = self.config.instances, self.settings
        images = foreground_of(batch)
        with torch.no_grad():
            shares = worth(images, done.synthesis, done.patches, candidates, k)
            heights = relative_worth(shares, shares[:, :k].mean())
        patches, steps = done.patches[:, :k], settings.keypoint_steps
        moved = register(patches, candidates.first(k), images, steps, settings.keypoint_rate)
        merged = [torch.cat((new, old[:, k:]), dim=1) for new, old in zip(moved, candidates, strict=True)]
        return Keypoints(*merged), heights

    def _step_heatmap(self, found: Tensor, keypoints: Keypoints, heights: Tensor | None) -> None:
        several, size = len(self.config.scales) > 1, (found.shape[2], found.shape[3])
        sides, scales = (keypoints.sides, self._sides(found)) if several else (None, None)
        sigma = self.settings.target_sigma * found.new_tensor(self.config.scales)
        target = lift(keypoints.centers, sides, scales, size, sigma, heights)
        self.heatmap_optimizer.zero_grad()
        heatmap_loss(found, target).mean().backward()
        self.heatmap_optimizer.step()


def synthesized(patches: Tensor, keypoints: Keypoints, batch: Batch, k: int) -> Tensor:
    """The first K patches, pasted."""
    return synthesize(patches[:, :k], keypoints.first(k), (batch.images.shape[2], batch.images.shape[3]))

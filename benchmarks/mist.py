"""MIST classification at mnist-hard size: one training step, and detection, against a plain fp32 eager version.

Prints images a second, their ratio, and the peak memory of each in a process of its own.
`python benchmarks/mist.py` takes some minutes, of which torch.compile takes most.
"""

import argparse
import time
from collections.abc import Callable
from typing import Any

import lightning as L
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from boxless.data.batch import Batch
from boxless.data.glyphs import load_glyphs
from boxless.data.scenes import LAYOUTS, SceneGenerator
from boxless.engine.module import TrainingModule
from boxless.hardware import can_compile, has_bf16, machine
from boxless.methods.mist.classification.model import MistClassifier
from boxless.methods.mist.classification.training import MistClassifierTraining
from boxless.methods.mist.config import MistClassifierConfig, MistClassifierTrainingConfig
from boxless.methods.mist.losses import count_loss, count_targets
from boxless.methods.mist.model import Keypoints
from boxless.methods.mist.registration import register
from boxless.methods.mist.worth import relative_worth, worth
from boxless.ops.heatmap import top_k_peaks
from boxless.ops.lifting import gaussian_heatmap, point_heatmap
from boxless.ops.patches import paste
from memory import memory_of, peak_memory
from plain_mist import classifier, crop, heatmap_net, local_softmax

BATCH, STEPS, ROUNDS = 32, 4, 3
MODEL = MistClassifierConfig(class_names=tuple("0123456789"))
OURS = MistClassifierTrainingConfig()
PAPER = MistClassifierTrainingConfig(
    keypoint_step="gradient", keypoint_rate=312.5, keypoint_steps=2, target_sigma=0.0, reconstruction=0.0
)


class PlainTraining:
    """The same algorithm with plain networks: fp32, eager, contiguous."""

    def __init__(self, settings: MistClassifierTrainingConfig) -> None:
        self.settings = settings
        self.heatmap_net, self.encoder = heatmap_net(MODEL), classifier(MODEL)
        self.classify, self.decode = (
            nn.Linear(128, 10),
            nn.Sequential(nn.Linear(128, 256), nn.ReLU(), nn.Linear(256, 400)),
        )
        task = [*self.encoder.parameters(), *self.classify.parameters(), *self.decode.parameters()]
        self.task_optimizer = torch.optim.Adam(task, 1e-3)
        self.heatmap_optimizer = torch.optim.Adam(self.heatmap_net.parameters(), 1e-3)

    def step(self, batch: Batch) -> None:
        images, targets = batch.images, count_targets(batch.counts(10), 9, False)
        heatmap = local_softmax(self.heatmap_net(images), MODEL.softmax_size, MODEL.softmax_strength)[:, 0]
        more = OURS.candidates if self.settings.keypoint_step == "registration" else 0
        keypoints = top_k_peaks(heatmap, 9 + more, MODEL.suppression_size).centers
        heights = None
        if self.settings.keypoint_step == "registration":
            patches, synthesis = self._step_task(images, keypoints, targets)
            candidates = Keypoints(keypoints, torch.full_like(keypoints[..., 0], 20.0))
            with torch.no_grad():
                heights = relative_worth(worth(images, synthesis, patches, candidates, 9), 9)
            moved = register(patches[:, :9], candidates.first(9), images, 1, 0.7).centers
            keypoints = torch.cat((moved, keypoints[:, 9:]), dim=1)
        else:
            for _ in range(self.settings.keypoint_steps):
                keypoints = keypoints.detach().requires_grad_()
                features = self.encoder(crop(images, keypoints, 20.0, 32))
                loss = count_loss(self.classify(features).unflatten(0, keypoints.shape[:2]), targets)
                (gradient,) = torch.autograd.grad(loss.sum(), keypoints)
                keypoints = keypoints.detach() - self.settings.keypoint_rate * gradient
            self._step_task(images, keypoints, targets)
        sigma, size = self.settings.target_sigma, (80, 80)
        target = gaussian_heatmap(keypoints, size, sigma, heights) if sigma else point_heatmap(keypoints, size)
        self.heatmap_optimizer.zero_grad()
        F.mse_loss(heatmap, target).backward()
        self.heatmap_optimizer.step()

    def _step_task(self, images: Tensor, keypoints: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        features = self.encoder(crop(images, keypoints, 20.0, 32))
        shape = keypoints.shape[:2]
        loss = count_loss(self.classify(features).unflatten(0, shape)[:, :9], targets)
        patches, synthesis = images, images
        if self.settings.reconstruction:
            patches = self.decode(features).view(*shape, 1, 20, 20)
            synthesis = paste(patches[:, :9], keypoints[:, :9], torch.full_like(keypoints[:, :9], 20.0), (80, 80))
            loss = loss + (synthesis - images).square().mean((1, 2, 3))
        self.task_optimizer.zero_grad()
        loss.mean().backward()
        self.task_optimizer.step()
        return patches.detach(), synthesis.detach()


class PlainDetector:
    """Detection with plain networks."""

    def __init__(self) -> None:
        self.heatmap_net, self.encoder, self.classify = heatmap_net(MODEL).eval(), classifier(MODEL), nn.Linear(128, 10)

    @torch.no_grad()
    def detect(self, images: Tensor) -> Tensor:
        heatmap = local_softmax(self.heatmap_net(images), MODEL.softmax_size, MODEL.softmax_strength)[:, 0]
        keypoints = top_k_peaks(heatmap, 9, MODEL.suppression_size).centers
        logits: Tensor = self.classify(self.encoder(crop(images, keypoints, 20.0, 32)))
        return logits.softmax(-1)


def our_training(settings: MistClassifierTrainingConfig) -> Callable[[Batch], None]:
    """One step of the real training module, with its real precision, outside of the loop around it."""
    model = MistClassifier(MODEL).channels_last()
    module: TrainingModule = MistClassifierTraining(model, settings, 10_000, compile=can_compile("cpu"))
    optimizers = module.configure_optimizers()
    stand_ins: Any = module  # for what a trainer gives
    stand_ins.optimizers = lambda: optimizers
    stand_ins.manual_backward = torch.Tensor.backward
    precision = torch.autocast("cpu", torch.bfloat16, enabled=has_bf16())

    def step(batch: Batch) -> None:
        with precision:
            module.training_step(batch, 0)

    return step


def fastest(function: Callable[[], object], images: int) -> float:
    """Images a second, the best of some rounds after a warm-up."""
    function()
    function()
    seconds = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        for _ in range(STEPS):
            function()
        seconds.append((time.perf_counter() - began) / STEPS)
    return images / min(seconds)


def variants(batch: Batch) -> dict[str, tuple[Callable[[], object], Callable[[], object]]]:
    """Name to (ours, plain)."""
    detector, plain_detector = MistClassifier(MODEL).channels_last().eval(), PlainDetector()
    images = list(batch.images)

    def training(settings: MistClassifierTrainingConfig) -> tuple[Callable[[], object], Callable[[], object]]:
        ours, plain = our_training(settings), PlainTraining(settings)
        return lambda: ours(batch), lambda: plain.step(batch)

    return {
        "training step": training(OURS),
        "training step, the paper's": training(PAPER),
        "detection": (lambda: detector.detect(images), lambda: plain_detector.detect(batch.images)),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--memory-of", nargs=2, metavar=("VARIANT", "WHOSE"), help="used by the benchmark itself")
    arguments = parser.parse_args()
    L.seed_everything(0, verbose=False)
    batch = SceneGenerator(load_glyphs("digits", "train"), LAYOUTS["mnist-hard"]).compose(torch.arange(BATCH))
    if arguments.memory_of:
        name, whose = arguments.memory_of
        variants(batch)[name][0 if whose == "ours" else 1]()
        print(peak_memory())
        return
    print(machine())
    print(f"{'':28}{'ours':>12}{'plain':>12}{'ratio':>8}{'ours':>12}{'plain':>12}")
    for name, (ours, plain) in variants(batch).items():
        speeds = fastest(ours, BATCH), fastest(plain, BATCH)
        memory = [memory_of(__file__, name, whose) for whose in ("ours", "plain")]
        print(
            f"{name:28}{speeds[0]:8.1f} im/s{speeds[1]:8.1f} im/s{speeds[0] / speeds[1]:7.2f}x"
            f"{memory[0]:8d} MiB{memory[1]:8d} MiB",
            flush=True,
        )


if __name__ == "__main__":
    main()

"""TUSK at mnist-hard size: a full training step, and detection, against a plain fp32 eager version.

A step is one of the auto-encoder and five of the prototypes; the plain version runs the encoder anew for each of these.
Prints images a second, their ratio, and the peak memory of each in a process of its own.
`python benchmarks/tusk.py` takes some minutes, of which torch.compile takes most; --eager leaves it out.
"""

import argparse
from collections.abc import Callable
from typing import Any

import lightning as L
import torch
import torch.nn.functional as F
from torch import Tensor

from boxless.data.batch import Batch
from boxless.data.glyphs import load_glyphs
from boxless.data.scenes import LAYOUTS, SceneGenerator
from boxless.engine.module import TrainingModule
from boxless.engine.tables.tusk import AS_IN_THE_PAPER
from boxless.hardware import can_compile, has_bf16, machine
from boxless.methods.tusk.config import TuskConfig, TuskTrainingConfig
from boxless.methods.tusk.model import Tusk
from boxless.methods.tusk.training import WEAK_WARP, TuskTraining
from boxless.ops.clustering import (
    kmeans_loss,
    l2_distances,
    mixture_weights,
    random_projections,
    sample_prototypes,
    sliced_wasserstein,
)
from boxless.ops.equivariance import equivariance_loss
from boxless.ops.heatmap import top_k_peaks
from boxless.ops.keypoints import refine, sample_at
from boxless.ops.warp import WarpRange, random_warp, warp_images
from boxless.plain import from_plain
from memory import memory_of, peak_memory
from plain_tusk import decoder, draw, encoder
from speeds import speeds

SIDE = 80
MODEL = TuskConfig(class_names=tuple("0123456789"), varying=False)
SETTINGS = from_plain(TuskTrainingConfig, AS_IN_THE_PAPER | {"prototype_steps": 5}, "training")
STRONG_WARP = WarpRange(0.95, 0.05, 0.25, 0.01, 0.1)


class Plain:
    """The same algorithm with plain networks: fp32, eager, contiguous."""

    def __init__(self) -> None:
        self.encoder, self.decoder = encoder(MODEL), decoder(MODEL)
        self.prototypes = F.normalize(torch.randn(MODEL.prototypes, MODEL.descriptor_size)).requires_grad_()
        networks = [*self.encoder.parameters(), *self.decoder.parameters()]
        self.optimizer = torch.optim.Adam(networks, 1e-3)
        self.prototype_optimizer = torch.optim.Adam([self.prototypes], 0.1, betas=(0.5, 0.999))
        self.random = torch.Generator().manual_seed(0)

    def step(self, batch: Batch) -> None:
        draws = [torch.rand(len(batch.images), 36, generator=self.random) for _ in range(2)]
        images = warp_images(batch.images, random_warp(draws[0], WEAK_WARP, (SIDE, SIDE)))
        warp = random_warp(draws[1], STRONG_WARP, (SIDE, SIDE))
        scores, features = self.encode(images)
        warped_scores, warped_features = self.encode(warp_images(images, warp))
        centers, heights, descriptors = self.keypoints(scores, features)
        rebuilt = torch.sigmoid(self.decoder(draw(centers, descriptors, heights, SIDE, MODEL.variance)))
        loss = F.mse_loss(rebuilt, images)
        loss = loss + 0.01 * kmeans_loss(l2_distances(descriptors, self.prototypes.detach())).mean()
        loss = loss + 0.01 * equivariance_loss(warped_scores[:, None], scores[:, None], warp).mean()
        loss = loss + 100 * equivariance_loss(F.normalize(warped_features), F.normalize(features), warp).mean()
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        for _ in range(SETTINGS.prototype_steps):
            self.step_prototypes(images)

    def encode(self, images: Tensor) -> tuple[Tensor, Tensor]:
        maps = self.encoder(images)
        return torch.sigmoid(maps[:, 0]), maps[:, 1:]

    def keypoints(self, scores: Tensor, features: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        peaks = top_k_peaks(scores, MODEL.instances, MODEL.kernel_size)
        centers = refine(scores, peaks.centers, MODEL.kernel_size, MODEL.temperature)
        return centers, sample_at(scores[:, None], centers)[..., 0], F.normalize(sample_at(features, centers), dim=-1)

    def step_prototypes(self, images: Tensor) -> None:
        with torch.no_grad():
            descriptors = self.keypoints(*self.encode(images))[2].flatten(0, 1)
        weights = mixture_weights(descriptors, self.prototypes)
        samples = sample_prototypes(self.prototypes, weights, len(descriptors), self.random)
        directions = random_projections(SETTINGS.projections, MODEL.descriptor_size, self.random)
        self.prototype_optimizer.zero_grad()
        sliced_wasserstein(descriptors, samples, directions).mean().backward()
        self.prototype_optimizer.step()
        with torch.no_grad():
            self.prototypes.copy_(F.normalize(self.prototypes))

    @torch.no_grad()
    def detect(self, images: Tensor) -> Tensor:
        descriptors = self.keypoints(*self.encode(images))[2]
        return l2_distances(descriptors, self.prototypes).argmin(-1)


def our_training(compile: bool) -> Callable[[Batch], None]:
    """One step of the real training module, with its real precision, outside of the loop around it."""
    model = Tusk(MODEL).channels_last()
    module: TrainingModule = TuskTraining(model, SETTINGS, 10_000, compile=compile)
    optimizers = module.configure_optimizers()
    stand_ins: Any = module  # for what a trainer gives
    stand_ins.optimizers = lambda: optimizers
    stand_ins.manual_backward = torch.Tensor.backward
    precision = torch.autocast("cpu", torch.bfloat16, enabled=has_bf16())

    def step(batch: Batch) -> None:
        with precision:
            module.training_step(batch, 0)

    return step


def variants(batch: Batch, compile: bool) -> dict[str, tuple[Callable[[], object], Callable[[], object]]]:
    """Name to (ours, plain)."""
    detector, plain = Tusk(MODEL).channels_last().eval(), Plain()
    images, step = list(batch.images), our_training(compile)
    return {
        "training step": (lambda: step(batch), lambda: plain.step(batch)),
        "detection": (lambda: detector.detect(images), lambda: plain.detect(batch.images)),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--batch", type=int, default=40, help="images a step (TUSK, table 7)")
    parser.add_argument("--rounds", type=int, default=5, help="the best of so many counts")
    parser.add_argument("--eager", action="store_true", help="without torch.compile")
    parser.add_argument("--memory-of", nargs=2, metavar=("VARIANT", "WHOSE"), help="used by the benchmark itself")
    arguments = parser.parse_args()
    L.seed_everything(0, verbose=False)
    batch = SceneGenerator(load_glyphs("digits", "train"), LAYOUTS["mnist-hard"]).compose(torch.arange(arguments.batch))
    if arguments.memory_of:
        name, whose = arguments.memory_of
        variants(batch, compile=can_compile("cpu"))[name][0 if whose == "ours" else 1]()
        print(peak_memory())
        return
    print(machine())
    print(f"{'':28}{'ours':>12}{'plain':>12}{'ratio':>8}{'ours':>12}{'plain':>12}")
    for name, (ours, plain) in variants(batch, can_compile("cpu") and not arguments.eager).items():
        our, other = speeds(ours, plain, arguments.batch, 1, arguments.rounds)
        memory = [] if arguments.eager else [memory_of(__file__, name, whose) for whose in ("ours", "plain")]
        told = "".join(f"{one:8d} MiB" for one in memory)
        print(f"{name:28}{our:8.1f} im/s{other:8.1f} im/s{our / other:7.2f}x{told}", flush=True)


if __name__ == "__main__":
    main()

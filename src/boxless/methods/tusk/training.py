"""TUSK: how it learns, from images and the number of their objects alone (section 3.3, iterative training)."""

import logging
from dataclasses import replace
from typing import Any, cast

import torch
from torch import Tensor, nn
from torchmetrics import MeanMetric

from boxless.data.batch import Batch
from boxless.data.hashing import generator, uniforms
from boxless.engine.averaging import averaged
from boxless.engine.module import TrainingModule
from boxless.engine.optimizers import set_rates
from boxless.engine.ranks import gathered, mean_over_ranks, places
from boxless.methods.tusk.calibration import calibrate, seen_of
from boxless.methods.tusk.config import TuskTrainingConfig
from boxless.methods.tusk.losses import PerceptualLoss, squared_error
from boxless.methods.tusk.model import Tusk
from boxless.methods.tusk.networks import Maps, unit
from boxless.methods.tusk.prototype_losses import SHARPNESS, information_of, squares_of, wasserstein_of
from boxless.methods.tusk.prototypes import (
    clusters_of,
    complaint,
    dimensions,
    first_prototypes,
    shares_of,
    spread,
    telling_clusters_of,
    used,
)
from boxless.methods.tusk.views import Pair, Views, adversary_of, axes_of, views_of
from boxless.ops.clustering import kmeans_loss, l2_distances, mean_square_distances
from boxless.ops.equivariance import equivariance_loss
from boxless.ops.information import mutual_information
from boxless.ops.padding import repeat_edges
from boxless.ops.warp import Warp, WarpRange, random_warp, warp_images

WEAK, STRONG, FIRST, SAMPLES = 1, 2, 3, 4  # keep their random numbers apart
WEAK_WARP = WarpRange(scale=0.98, scale_spread=0.02, rotation=0.05, shift=0.02, jitter=0.03)  # PROTOCOL 4
AUTOENCODER, PROTOTYPES = 0, 1  # optimizers
KEPT_VALUES = 2**26  # of images to calibrate by: 256 MB
RECENT, RECENT_OF_EACH = 4096, 64  # descriptors that the clustering starts from: in all, and of a prototype, at least
KIND_SHARPNESS = 10.0  # of the softmax over the kinds, whose logits are cosines
CENTER_RATE = 0.1  # by which the model's middle of the features follows that of each batch


class TuskTraining(TrainingModule):
    """Iterative training with manual optimization: the auto-encoder by one step, then the prototypes by several.

    Args:
        model: to train.
        settings: how.
        steps: of the whole training, for the schedule.
        compile: networks through ``torch.compile``.

    Raises:
        BoxlessError: the weights of the perceptual loss are not there.
    """

    settings_type = TuskTrainingConfig
    model: Tusk

    def __init__(self, model: Tusk, settings: TuskTrainingConfig, steps: int, compile: bool) -> None:
        super().__init__(model, steps)
        self.settings = settings
        self.averaged = averaged(model, settings.averaging) if settings.averaging else None
        # not submodules: a compiled network shares its parameters with the model's own
        self._networks: dict[str, Any] = {
            name: torch.compile(network, dynamic=False) if compile else network
            for name, network in {"encoder": model.encoder, "decoder": model.decoder}.items()
        }
        self._described: Any = torch.compile(_described, dynamic=False) if compile else _described
        squares = settings.reconstruction_loss == "squares"
        self._difference = squared_error if squares else PerceptualLoss.by(settings.perceptual_network)
        self._weak_warp = replace(WEAK_WARP, shift=settings.weak_shift)
        self._strong_warp = WarpRange(
            settings.warp_scale,
            settings.warp_scale_spread,
            settings.warp_rotation,
            settings.warp_shift,
            settings.warp_jitter,
        )
        kept = max(RECENT, RECENT_OF_EACH * model.config.prototypes)
        self.register_buffer("recent", torch.zeros(kept, 2, model.config.descriptor_size))  # of I and T(I), newest last
        self.kinds = nn.Parameter(unit(torch.randn(settings.information_kinds, model.config.descriptor_size)))
        self.objective = MeanMetric()
        self._held: Tensor | None = None  # (M,) descriptors that each prototype has held in this epoch
        self._kept: list[Batch] = []  # the first images of this epoch

    recent: Tensor

    @property
    def trained_model(self) -> Tusk:
        """The model to validate, to keep and to use: the averaged one, if there is one."""
        return cast(Tusk, self.model if self.averaged is None else self.averaged.module)

    def on_after_batch_transfer(self, batch: Batch, dataloader_idx: int) -> Batch:
        """Padding goes on as the images end: to normalisation, and at an edge, it is nothing that they do not show."""
        return batch if batch.extents is None else replace(batch, images=repeat_edges(batch.images, batch.extents))

    def configure_optimizers(self) -> list[torch.optim.Optimizer]:
        """Adam for encoder and decoder, with the kinds that inform of each other, and for the prototypes."""
        autoencoder = [*self.model.encoder.parameters(), *self.model.decoder.parameters(), self.kinds]
        return [
            torch.optim.Adam(autoencoder, self.settings.rate, fused=True),
            torch.optim.Adam([self.model.prototypes], self.settings.prototype_rate, betas=(0.5, 0.999), fused=True),
        ]

    def training_step(self, batch: Batch, batch_idx: int) -> None:
        """One batch: E and D ← λ_recon L_recon + λ_km L_km + λ_eqv L_eqv − λ_inf I, then P ← L_sw several times."""
        set_rates(cast(list[Any], self.optimizers()), self.settings.rate_factor(self.steps_done, self.steps))
        views = gathered(self._step_autoencoder(self._pair(batch))).flatten(0, 1)
        self.recent.copy_(torch.cat((self.recent, views))[-len(self.recent) :])
        descriptors = views[:, 0]
        if self._starts_to_cluster:
            self._find_clusters()
        for number in range(self.settings.prototype_steps):
            self._step_prototypes(descriptors, number)
        self._watch(descriptors)
        if self.averaged is not None:
            self.averaged.update_parameters(self.model)
        self.finish_step()

    def _pair(self, batch: Batch) -> Pair:
        """I, which is the image itself but for a weak warp, and T(I), warped strongly."""
        images, seen = batch.images, seen_of(batch)
        if self.settings.weak_warp:
            weak = self._warp(WEAK, self._weak_warp, images)
            images, seen = warp_images(images, weak), warp_images(seen.float(), weak) > 0.99
        strong = self._warp(STRONG, self._strong_warp, images)
        return Pair(images, warp_images(images, strong), strong, seen[:, 0])

    def _warp(self, purpose: int, ranges: WarpRange, images: Tensor) -> Warp:
        """Random numbers keyed by the step and by the place of each sample in the batch of all processes."""
        own = places(len(images)).to(images.device)
        draws = uniforms((purpose, int(self.seed), self.steps_done), own, ranges.draws)
        return random_warp(draws, ranges, (images.shape[2], images.shape[3]))

    def _step_autoencoder(self, pair: Pair) -> Tensor:
        """E and D ← a step; returns descriptors (B, K, 2, C) of I and T(I), through which the encoder runs together."""
        model, settings, size = self.model, self.settings, (pair.images.shape[2], pair.images.shape[3])
        number = len(pair.images)
        if self._informs and settings.adversary:
            added = adversary_of(model, pair.warped, [*self._kinds.values()], settings.adversary)
            pair = pair._replace(warped=pair.warped + added)
        maps = model.encode(torch.cat((pair.images, pair.warped)), self._networks["encoder"])
        of_image, of_warped = maps.part(0, number), maps.part(number, 2 * number)
        found = model.extract(of_image, model.config.instances, pair.seen)
        center = self._center(found.features)
        descriptors = model.described(found.features, center)
        if self.steps_done == 0:
            self._begin_prototypes(descriptors)
        drawn = model.decode(found, descriptors, size, self._networks["decoder"])
        prototypes = model.prototypes.detach() if settings.prototype_steps else model.prototypes
        losses = {
            "reconstruction": (1.0, self._difference(drawn.image, pair.images, pair.seen)),
            "kmeans": (self._cluster_weight, self._kmeans(descriptors, prototypes)),
            "heatmap": (settings.heatmap_weight, _equivariance(of_warped.scores, of_image.scores, pair.warp)),
            "features": (settings.feature_weight, self._feature_equivariance(of_warped, of_image, center, pair.warp)),
        }
        views = views_of(model, found, descriptors, of_warped, center, pair.warp)
        if self._informs:
            losses |= {
                name: (settings.information_weight, -self._information(views, axes))
                for name, axes in self._kinds.items()
            }
        joint = settings.prototype_steps == 0
        if joint:
            loss = self._prototype_loss(descriptors.flatten(0, 1), 0)
            losses[settings.prototype_loss] = (settings.cluster_weight, loss)
        for name, (_, loss) in losses.items():
            self.note(f"loss/{name}", loss)
        self.note("keypoints/score", found.scores)
        optimizers = [self._optimizer(index) for index in ((AUTOENCODER, PROTOTYPES) if joint else (AUTOENCODER,))]
        self.descend(optimizers, torch.stack([weight * loss.mean() for weight, loss in losses.values()]).sum())
        if joint:
            self._normalise_prototypes()
        return views.stacked()

    @property
    def _kinds(self) -> dict[str, Tensor]:
        """The axes of what is to tell of T(I), by the name of the loss: the kinds, and the prototypes once sought."""
        axes = {"information": axes_of(self.kinds, KIND_SHARPNESS)}
        if self.settings.prototype_loss == "mutual-information" and self._past(self.settings.cluster_start):
            axes["prototypes"] = axes_of(self.model.prototypes.detach(), SHARPNESS)
        return axes

    def _center(self, features: Tensor) -> Tensor:
        """The middle (C,) of the features (B, K, C) of the whole batch, with a gradient; the model follows it.

        So nothing that all descriptors would have in common is ever learned. Off a middle that follows the features
        without a gradient they run away, and are parallel within ten steps.
        """
        if not self.settings.centering:
            return self.model.center
        center = mean_over_ranks(features.mean(dim=(0, 1)))
        self.model.center.lerp_(center.detach(), 1.0 if self.steps_done == 0 else CENTER_RATE)
        return center

    @property
    def _starts_to_cluster(self) -> bool:
        """Whether this is the first step whose k-means loss counts, of a training in which k-means has its say."""
        first = self._past(self.settings.cluster_start) and not self._sought
        return self.settings.prototype_loss != "wasserstein" and first

    @property
    def _sought(self) -> bool:
        """Whether a step at which the k-means loss counts has been taken."""
        return self._past(self.settings.cluster_start, self.steps_done - 1)

    def _past(self, share: float, step: int | None = None) -> bool:
        """Whether a step, by default the present one, is not before this share of the training."""
        return (self.steps_done if step is None else step) >= share * self.steps

    @torch.no_grad()
    def _find_clusters(self) -> None:
        """P ← the clusters of the newest descriptors; all processes have the same.

        So are those of the averaged model: a mean of prototypes of before and after would stand for nothing.
        """
        number, seed = self.model.config.prototypes, int(self.seed)
        first, second = self.recent[self.recent[:, 0].any(dim=1)].unbind(1)
        if not len(first):  # one keypoint an image, one image a step: less its own mean each is nothing
            return
        if self.settings.prototype_loss == "mutual-information":
            found = telling_clusters_of(first, second, number, seed)
        else:
            found = clusters_of(first, number, seed)
        for model in (self.model, self.trained_model):
            model.prototypes.copy_(found)

    @torch.no_grad()
    def _begin_prototypes(self, descriptors: Tensor) -> None:
        draws, among = generator((FIRST, int(self.seed))), gathered(descriptors).flatten(0, 1)
        self.model.prototypes.copy_(first_prototypes(among, self.model.config.prototypes, draws))

    @property
    def _cluster_weight(self) -> float:
        """That of the k-means loss at this step."""
        return self.settings.cluster_weight if self._past(self.settings.cluster_start) else 0.0

    def _kmeans(self, descriptors: Tensor, prototypes: Tensor) -> Tensor:
        """L_km (eq. 3): (B, K, C) to (B,)."""
        measure = l2_distances if self.settings.cluster_measure == "distance" else mean_square_distances
        distances = measure(descriptors, prototypes)
        return kmeans_loss(self.settings.cluster_strength * distances).mean(dim=1)

    @property
    def _informs(self) -> bool:
        """Whether the mutual information counts at this step."""
        return self.settings.information_weight > 0 and self._past(self.settings.information_start)

    def _information(self, views: Views, axes: Tensor) -> Tensor:
        """I(kind in I; kind in T(I)) of the keypoints that both show, of the whole batch; (1,)."""
        return mutual_information(mean_over_ranks(views.joint(axes))).view(1)

    def _feature_equivariance(self, of_warped: Maps, of_image: Maps, center: Tensor, warp: Warp) -> Tensor:
        """L_eqv of what would be the descriptor of each pixel, so that short features are no way out; (B,)."""
        described = [self._described(maps.features, center) for maps in (of_warped, of_image)]
        return equivariance_loss(described[0], described[1], warp)

    def _step_prototypes(self, descriptors: Tensor, number: int) -> None:
        """P ← a step on its loss. All processes do the same with the same numbers, so no gradient has to be shared."""
        prototypes, loss = self.model.prototypes, self._prototype_loss(descriptors, number)
        self.note(f"loss/{self.settings.prototype_loss}", loss)
        (prototypes.grad,) = torch.autograd.grad(loss.mean(), prototypes)
        self._optimizer(PROTOTYPES).step()
        self._normalise_prototypes()

    def _prototype_loss(self, descriptors: Tensor, number: int) -> Tensor:
        """Of the descriptors (N, C) of I; the information is that of the newest keypoints, in both views."""
        settings, prototypes = self.settings, self.model.prototypes
        if settings.prototype_loss == "wasserstein":
            draws = generator((SAMPLES, int(self.seed), self.steps_done, number))
            return wasserstein_of(descriptors, prototypes, settings, draws)
        if settings.prototype_loss == "mutual-information":
            return -information_of(self.recent[:, 0], self.recent[:, 1], prototypes).view(1)
        return squares_of(descriptors, prototypes)

    @torch.no_grad()
    def _normalise_prototypes(self) -> None:
        self.model.prototypes.copy_(unit(self.model.prototypes))

    @torch.no_grad()
    def _watch(self, descriptors: Tensor) -> None:
        """Follow how many descriptors each prototype holds, and how far both lie apart."""
        model = self.model
        held = torch.bincount(model.nearest(descriptors), minlength=model.config.prototypes).float()
        self._held = held if self._held is None else self._held + held
        self.note("descriptors/spread", spread(descriptors).view(1))
        self.note("descriptors/dimensions", dimensions(descriptors).view(1))
        self.note("prototypes/spread", spread(model.prototypes).view(1))

    def on_train_epoch_start(self) -> None:
        """What an epoch keeps begins anew, so that a resumed one keeps the same."""
        self._held, self._kept = None, []

    def on_train_batch_start(self, batch: Batch, batch_idx: int) -> None:
        """Keep the first images for :meth:`on_validation_epoch_start`."""
        if sum(len(kept.images) for kept in self._kept) >= self.settings.naming_images:
            return
        values = torch.tensor([sum(kept.images.numel() for kept in self._kept)], device=self.device)
        if int(gathered(values).max()) < KEPT_VALUES:  # as many in all processes, whose images may differ in size
            self._kept.append(batch)

    def on_train_epoch_end(self) -> None:
        """Log what became of the clusters, and warn where they collapse."""
        if self._held is not None:
            shares = shares_of(self._held)
            total, number = self._sums["descriptors/spread"]
            wrong = complaint(shares if self._sought else None, float(total / number))
            if wrong is not None and self.global_rank == 0:
                logging.getLogger("boxless").warning("step %d: %s", self.steps_done, wrong)
            shown = {"used": used(shares), "largest_share": shares.max(), "smallest_share": shares.min()}
            shown |= {f"share_{number}": share for number, share in enumerate(shares)}
            self.log_dict({f"prototypes/{name}": value for name, value in shown.items()}, sync_dist=True)
        super().on_train_epoch_end()

    def on_validation_epoch_start(self) -> None:
        """Calibrate the model that is kept on the training images that this epoch began with."""
        super().on_validation_epoch_start()
        if self._kept:
            calibrate(self.trained_model, self._kept, self.settings)
            self.model.class_of.copy_(self.trained_model.class_of)
            self.model.offset_of.copy_(self.trained_model.offset_of)

    def validate(self, batch: Batch) -> None:
        """As for every method, and what encoder and decoder minimise on an image by itself."""
        super().validate(batch)
        model, images, seen = self.trained_model, batch.images, seen_of(batch)[:, 0]
        found = model.extract(model.encode(images), model.config.instances, seen)
        descriptors = model.described(found.features)
        drawn = model.decode(found, descriptors, (images.shape[2], images.shape[3]))
        difference = self._difference(drawn.image, images, seen)
        clustered = self._kmeans(descriptors, model.prototypes)
        self.objective.update(difference + self.settings.cluster_weight * clustered)

    def own_measures(self) -> dict[str, Any]:
        """That chooses the best checkpoint: of those whose clusters are sought for already, the best objective."""
        objective = self.objective.compute()
        self.objective.reset()
        return {"val/objective": objective, "val/score": -objective - float(not self._sought)}

    def _optimizer(self, index: int) -> Any:
        return cast(list[Any], self.optimizers())[index]


def _described(features: Tensor, center: Tensor) -> Tensor:
    """What would be the descriptor of each pixel, (B, C, H, W); compiled it takes a third of the time."""
    return unit(features - center[:, None, None], dim=1)


def _equivariance(of_warped: Tensor, of_image: Tensor, warp: Warp) -> Tensor:
    """L_eqv of heatmaps (B, H, W), (B,)."""
    return equivariance_loss(of_warped.unsqueeze(1), of_image.unsqueeze(1), warp)

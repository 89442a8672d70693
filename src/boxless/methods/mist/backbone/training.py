"""MIST on natural images: how it learns, from image-level labels alone (algorithm 1 on a frozen backbone)."""

from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor

from boxless.data.batch import Batch
from boxless.data.resize import pad_batch
from boxless.engine.module import TrainingModule
from boxless.methods.mist.backbone.augmentation import augmented
from boxless.methods.mist.backbone.config import MistBackboneTrainingConfig
from boxless.methods.mist.backbone.model import ANCHORS, Boxes, Maps, MistBackbone, at_cells, whole
from boxless.methods.mist.losses import count_loss, count_targets
from boxless.ops.lifting import gaussian_heatmap

LONGEST_MOVE = 0.5  # cells along x, along y, of the width and of the height, in one step
SIGMA_IN_PATCHES = 1 / 8  # standard deviation of the targets, in sides of a patch (release)


class MistBackboneTraining(TrainingModule):
    """Algorithm 1 with manual optimization; the backbone computes its features once a step, and never learns.

    Args:
        model: to train; gets the backbone's published weights, unless ``settings.pretrained`` is false.
        settings: how.
        steps: of the whole training.
        compile: the classifier through ``torch.compile``.

    Raises:
        BoxlessError: the backbone's weights cannot be had.
    """

    settings_type = MistBackboneTrainingConfig
    model: MistBackbone

    def __init__(self, model: MistBackbone, settings: MistBackboneTrainingConfig, steps: int, compile: bool) -> None:
        super().__init__(model, steps)
        self.settings = settings
        if settings.pretrained:
            model.backbone.read_pretrained()
        if compile:
            model.classifier.compile(dynamic=False)

    def configure_optimizers(self) -> list[torch.optim.Optimizer]:
        """Adam for the classifier and for the heatmap head."""
        return [
            torch.optim.Adam(self.model.classifier.parameters(), self.settings.task_rate),
            torch.optim.Adam(self.model.head.parameters(), self.settings.heatmap_rate),
        ]

    def training_step(self, batch: Batch, batch_idx: int) -> None:
        """One batch of algorithm 1."""
        images, extents = self._prepared(batch)
        features = self.model.features(images, extents)
        maps = self.model.maps(features)  # H_η(I)
        boxes = self.model.extract(maps, self.model.config.instances, extents).boxes  # {x_k} = E_K(H_η(I))
        targets = self._targets(batch)
        for _ in range(self.settings.keypoint_steps):
            boxes = self._step_keypoints(features, boxes, targets, extents)
        doubt = self._step_task(features, boxes, targets)
        self._step_heatmap(maps, boxes, doubt, extents)
        self.finish_step()

    def _prepared(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Each image with its own shorter edge resized, padded again, augmented; and the new extents (B, 2)."""
        extents = whole(batch.images) if batch.extents is None else batch.extents
        parts = zip(batch.images, extents.tolist(), strict=True)
        resized = [self.model.resized(image[None, :, :height, :width])[0] for image, (height, width) in parts]
        images, sizes = pad_batch(resized)
        extents = torch.tensor(sizes, device=images.device)
        if self.settings.augmentation:
            images = augmented(images, extents, int(self.seed), self.steps_done)
        return images, extents

    def _targets(self, batch: Batch) -> Tensor:
        """(B, C + 1) the shares of the classes among K patches; those left over are background."""
        config = self.model.config
        return count_targets(batch.counts(len(config.class_names)), config.instances, background=True)

    def _step_keypoints(self, features: Tensor, boxes: Boxes, targets: Tensor, extents: Tensor) -> Boxes:
        """{x_k} ← a step on L_task through the crop; with anchors the sizes too. No gradient of weights is kept."""
        resizes = self.model.config.anchors
        centers = boxes.centers.detach().requires_grad_()
        sizes = boxes.sizes.detach().requires_grad_(resizes)
        loss = count_loss(self.model.classify(features, Boxes(centers, sizes)), targets).sum()
        with torch.autocast(centers.device.type, enabled=False):  # the way back through the crop stays in float32
            slopes = torch.autograd.grad(loss, (centers, sizes) if resizes else (centers,))
        longest = LONGEST_MOVE * self.model.backbone.stride
        moves = [(-self.settings.keypoint_rate * slope).clamp(-longest, longest) for slope in slopes]
        self.note("keypoints/move", moves[0].norm(dim=-1))
        centers = self._inside(centers.detach() + moves[0], self.model.cells_in(extents, features))
        if not resizes:
            return Boxes(centers, boxes.sizes)
        shares = sizes.new_tensor(ANCHORS)
        edge = self.model.config.shorter_edge
        return Boxes(centers, (sizes.detach() + moves[1]).clamp(edge * shares.min(), edge * shares.max()))

    def _inside(self, centers: Tensor, number: Tensor) -> Tensor:
        """Points (B, K, 2), those outside of the cells of their image, (B, 2) of them, moved to the border."""
        backbone = self.model.backbone
        last = number.flip(-1).unsqueeze(1) - 0.5
        return backbone.to_pixels(torch.minimum(backbone.to_cells(centers).clamp_min(-0.5), last))

    def _step_task(self, features: Tensor, boxes: Boxes, targets: Tensor) -> Tensor:
        """τ ← a step on L_task; returns it, (B,)."""
        loss = count_loss(self.model.classify(features, boxes), targets)
        self.note("loss/classification", loss)
        self._step(0, loss)
        return loss.detach()

    def _step_heatmap(self, maps: Maps, boxes: Boxes, doubt: Tensor, extents: Tensor) -> None:
        """η ← a step on ‖G({x_k}) − H_η(I)‖² and the Huber losses, each sample trusted by its task loss."""
        config, backbone = self.model.config, self.model.backbone
        within = self.model.cells_beyond(extents, maps.response) == 0
        cells = nearest_cells(backbone.to_cells(boxes.centers), self.model.cells_in(extents, maps.response))
        sigma = SIGMA_IN_PATCHES * config.box_share * config.shorter_edge / backbone.stride
        fit = response_loss(maps.response, cells, sigma, within)
        offset = keypoint_loss(maps.offsets, cells, backbone.to_cells(boxes.centers) - cells)
        self.note("loss/heatmap", fit)
        self.note("loss/offset", offset)
        if config.anchors:
            size = keypoint_loss(maps.sizes / backbone.stride, cells, boxes.sizes / backbone.stride)
            self.note("loss/size", size)
            offset = offset + size
        self._step(1, torch.exp(-self.settings.trust * doubt) * (fit + self.settings.offset_weight * offset))

    def _step(self, index: int, loss: Tensor) -> None:
        self.descend([cast(list[Any], self.optimizers())[index]], loss.mean())


def nearest_cells(places: Tensor, number: Tensor) -> Tensor:
    """The cell that each keypoint lies in: ⌊x⌋ of supplement B.

    Args:
        places: (B, K, 2) x and y, in cells.
        number: (B, 2) rows and columns of cells in the extent of each image.

    Returns:
        (B, K, 2) whole numbers, x and y.
    """
    return torch.minimum(places.round().clamp_min(0.0), number.flip(-1).unsqueeze(1) - 1.0)


def response_loss(response: Tensor, cells: Tensor, sigma: float, within: Tensor) -> Tensor:
    """Squared distance from Gaussians around the keypoints' cells, as a mean over the cells of each image.

    Where Gaussians meet the higher one counts, not their sum, so that targets stay in [0, 1].

    Args:
        response: (B, h, w).
        cells: (B, K, 2) x and y, whole numbers.
        sigma: standard deviation, in cells.
        within: (B, h, w) bool, false in padding.

    Returns:
        (B,).
    """
    target = gaussian_heatmap(cells, (response.shape[1], response.shape[2]), sigma)
    return ((response - target).square() * within).sum(dim=(1, 2)) / within.sum(dim=(1, 2))


def keypoint_loss(maps: Tensor, cells: Tensor, targets: Tensor) -> Tensor:
    """Huber's loss (eq. 11) at the keypoints' cells alone, summed over x and y, as a mean over keypoints.

    Args:
        maps: (B, 2, h, w).
        cells: (B, K, 2) x and y, whole numbers.
        targets: (B, K, 2).

    Returns:
        (B,).
    """
    return F.smooth_l1_loss(at_cells(maps, cells), targets, reduction="none").sum(dim=2).mean(dim=1)

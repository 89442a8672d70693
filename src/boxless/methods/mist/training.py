"""MIST: how all its tasks learn alike (CVPR 2021, algorithm 1): keypoints, task network, heatmap network."""

from dataclasses import dataclass, field
from typing import Any, cast

import torch
from torch import Tensor, nn

from boxless.data.batch import Batch
from boxless.data.hashing import normals
from boxless.engine.averaging import averaged
from boxless.engine.module import TrainingModule
from boxless.engine.optimizers import optimizers_for, set_rates
from boxless.engine.ranks import places
from boxless.methods.mist.candidates import most_overlooked
from boxless.methods.mist.config import MistTrainingConfig
from boxless.methods.mist.contents import content_centers, fit_to_contents
from boxless.methods.mist.losses import heatmap_loss
from boxless.methods.mist.model import LOWEST_PEAK, Keypoints, MistModel, Responses, background_of
from boxless.methods.mist.registration import register
from boxless.methods.mist.worth import relative_worth, worth
from boxless.ops.lifting import lift
from boxless.ops.padding import inside

JITTER, SIZE_JITTER = 7, 8  # keep their random numbers apart from others
PEAKS_A_CANDIDATE = 4  # of which one becomes a candidate
CENTERING = 0.2  # of the way to the middle of what a patch shows: in a crowd that is drawn towards neighbours
LONGEST_MOVE = 3.0  # pixels along x, along y, and of the side, in one step
LONGEST_FIT = 6.0  # the same, of a box fitted to what it shows


@dataclass(frozen=True)
class Task:
    """What the task network makes of a batch.

    Attributes:
        loss: (B,) L_task.
        doubt: (B,) the part of it by which the sample's heatmap loss is weighted.
        terms: name to (B,), for the log.
        patches: (B, N, C, P, P) decoded, where there is a reconstruction.
        synthesis: (B, C, H, W) the first K of them, pasted.
    """

    loss: Tensor
    doubt: Tensor
    terms: dict[str, Tensor] = field(default_factory=dict)
    patches: Tensor | None = None
    synthesis: Tensor | None = None


class MistTraining(TrainingModule):
    """Algorithm 1 with manual optimization. A task says what its network is and what its loss.

    Args:
        model: to train.
        settings: how.
        steps: of the whole training, for the schedule.
        compile: networks through ``torch.compile``.
        task: modules that the task's optimizer trains.
    """

    model: Any
    settings: MistTrainingConfig

    def __init__(
        self, model: MistModel, settings: MistTrainingConfig, steps: int, compile: bool, task: dict[str, nn.Module]
    ) -> None:
        super().__init__(model, steps)
        self.settings = settings
        self.averaged = averaged(model, settings.averaging) if settings.averaging else None
        # not submodules: a compiled network shares its parameters with the model's own
        networks: dict[str, nn.Module] = {"heatmap": model.heatmap_net, **task}
        self._networks = {
            name: torch.compile(network, dynamic=False) if compile else network for name, network in networks.items()
        }
        self._several_scales = len(model.config.scales) > 1

    @property
    def trained_model(self) -> MistModel:
        """The model to validate, to keep and to use: the averaged one, if there is one."""
        return cast(MistModel, self.model if self.averaged is None else self.averaged.module)

    def task_parameters(self) -> list[nn.Parameter]:
        """What the task's optimizer trains."""
        raise NotImplementedError

    def task(self, batch: Batch, keypoints: Keypoints) -> Task:
        """T_τ on the patches of all keypoints; the losses on those of the first K."""
        raise NotImplementedError

    def configure_optimizers(self) -> list[torch.optim.Optimizer]:
        """Those of the task network, and then those of the heatmap network."""
        settings = self.settings
        of_task = optimizers_for(self.task_parameters(), settings.optimizer, settings.task_rate)
        of_heatmap = optimizers_for(self.model.heatmap_net.parameters(), settings.optimizer, settings.heatmap_rate)
        self._number_of_task = len(of_task)
        return of_task + of_heatmap

    def training_step(self, batch: Batch, batch_idx: int) -> None:
        """One batch of algorithm 1."""
        set_rates(self._all_optimizers(), self.settings.rate_factor(self.steps_done, self.steps))
        responses = self._responses(batch)  # H_η(I)
        if self.settings.keypoint_step == "registration":
            candidates = self._jittered(batch, self._detect(batch, responses, self.settings.candidates))
            task = self._step_task(batch, candidates)
            keypoints, heights = self._register(batch, candidates, task)
        else:
            keypoints, heights = self._detect(batch, responses, 0), None  # {x_k} = E_K(H_η(I))
            if self.settings.task_first:  # 2018
                task = self._step_task(batch, keypoints)
            for _ in range(self.settings.keypoint_steps):
                keypoints = self._step_keypoints(batch, keypoints)
            if not self.settings.task_first:
                task = self._step_task(batch, keypoints)
        self._step_heatmap(responses.sharp, keypoints, heights, task.doubt.detach())
        if self.averaged is not None:
            self.averaged.update_parameters(self.model)
        self.finish_step()

    def _responses(self, batch: Batch) -> Responses:
        responses: Responses = self.model.responses(batch.images, self._networks["heatmap"], batch.extents)
        return responses

    def _detect(self, batch: Batch, responses: Responses, more: int) -> Keypoints:
        """E_K of what is learned, and as many candidates ``more``; also follows how high peaks are for detection."""
        k = self.model.config.instances
        found = self.model.learned_peaks(responses, min(k + PEAKS_A_CANDIDATE * more, responses.sharp[0, 0].numel()))
        heights = self.model.heights_at(responses, found.keypoints.centers[:, :k]).clamp_min(LOWEST_PEAK)
        self.model.peak_height.lerp_(heights.mean(), 1.0 if self.steps_done == 0 else 0.02)
        keypoints = Keypoints(found.keypoints.centers.detach(), found.keypoints.sides.detach())
        return most_overlooked(foreground_of(batch), keypoints, k, more) if more else keypoints

    def _jittered(self, batch: Batch, keypoints: Keypoints) -> Keypoints:
        """Keypoints shifted and resized at random, keyed by seed, step and place in the batch of all processes."""
        number, k = keypoints.sides.shape
        own = (places(number).unsqueeze(1) * k + torch.arange(k)).flatten().to(keypoints.sides.device)
        normal = normals((JITTER, int(self.seed), self.steps_done), own, 2).to(keypoints.centers.dtype)
        shifts = self.settings.jitter * keypoints.sizes * normal.view_as(keypoints.centers)
        return Keypoints(_inside(batch, keypoints.centers + shifts), self._resized(keypoints.sides, own))

    def _resized(self, sides: Tensor, own: Tensor) -> Tensor:
        """Sides (B, N) made larger or smaller at random, within the scales; ``own`` says where in the batch each is."""
        if not self._several_scales:
            return sides
        normal = normals((SIZE_JITTER, int(self.seed), self.steps_done), own, 1).to(sides.dtype).view_as(sides)
        limits = self.model.scale_sides(sides)
        return (sides * torch.exp(self.settings.size_jitter * normal)).clamp(limits[0], limits[-1])

    def _step_task(self, batch: Batch, keypoints: Keypoints) -> Task:
        """τ ← a step on L_task."""
        task = self.task(batch, keypoints)
        for name, values in task.terms.items():
            self.note(f"loss/{name}", values)
        self.descend(self._all_optimizers()[: self._number_of_task], task.loss.mean())
        return task

    def _step_keypoints(self, batch: Batch, keypoints: Keypoints) -> Keypoints:
        """{x_k} ← a step on L_task; no gradient of weights is kept."""
        centers = keypoints.centers.detach().requires_grad_()
        sides = keypoints.sides.detach().requires_grad_(self._several_scales)
        loss = self.task(batch, Keypoints(centers, sides)).loss.sum()
        with torch.autocast(centers.device.type, enabled=False):  # the way back through the crop stays in float32
            slopes = torch.autograd.grad(loss, (centers, sides) if self._several_scales else (centers,))
        moves = [-self.settings.keypoint_rate * slope for slope in slopes]
        moved = Keypoints(centers.detach() + moves[0], sides.detach() + (moves[1] if self._several_scales else 0.0))
        return self._within(batch, keypoints, moved)

    @torch.no_grad()
    def _register(self, batch: Batch, candidates: Keypoints, task: Task) -> tuple[Keypoints, Tensor]:
        """{x_k} ← where the decoded patches rebuild the image, and towards the middle of what they show.

        With several scales the boxes are fitted to what they show. And what each candidate is worth as a target.
        """
        assert task.patches is not None
        assert task.synthesis is not None
        settings, k = self.settings, self.model.config.instances
        images, synthesis, patches = foreground_of(batch), task.synthesis.detach(), task.patches.detach()
        shares = worth(images, synthesis, patches, candidates, k)
        self.note("keypoints/worth", shares[:, :k])
        chosen, patches = candidates.first(k), patches[:, :k]
        moves = register(patches, chosen, images, settings.keypoint_steps, settings.keypoint_rate).centers
        moves = moves - chosen.centers
        fitted, longest = candidates, LONGEST_MOVE
        if self._several_scales:
            fitted, longest = fit_to_contents(images, synthesis, patches, candidates), LONGEST_FIT
        else:
            offsets = content_centers(patches, chosen) - chosen.centers
            self.note("keypoints/offset", offsets.norm(dim=-1))
            moves = moves + CENTERING * offsets
        others = moves.new_zeros(len(moves), fitted.sides.shape[1] - k, 2)
        moved = Keypoints(fitted.centers + torch.cat((moves, others), dim=1), fitted.sides)
        return self._within(batch, candidates, moved, longest), relative_worth(shares, k)

    def _within(self, batch: Batch, before: Keypoints, after: Keypoints, longest: float = LONGEST_MOVE) -> Keypoints:
        """Keypoints moved, and made larger or smaller, by so many pixels at most; within the image and the scales."""
        moves = (after.centers - before.centers).clamp(-longest, longest)
        self.note("keypoints/move", moves.norm(dim=-1))
        centers = _inside(batch, before.centers + moves)
        if not self._several_scales:
            return Keypoints(centers, before.sides)
        limits = self.model.scale_sides(moves)
        growth = (after.sides - before.sides).clamp(-longest, longest)
        self.note("keypoints/growth", growth.abs())
        return Keypoints(centers, (before.sides + growth).clamp(limits[0], limits[-1]))

    def _step_heatmap(self, responses: Tensor, keypoints: Keypoints, heights: Tensor | None, doubt: Tensor) -> None:
        """η ← a step on ‖G({x_k}) − H_η(I)‖², each sample trusted by its task loss."""
        scales = self.model.scale_sides(responses) if self._several_scales else None
        sides = keypoints.sides if self._several_scales else None
        size = (responses.shape[2], responses.shape[3])
        target = lift(keypoints.centers, sides, scales, size, self._target_sigma(responses), heights)
        fit = heatmap_loss(responses, target)
        self.note("loss/heatmap", fit)
        trusted = torch.exp(-self.settings.trust * doubt) * fit
        self.descend(self._all_optimizers()[self._number_of_task :], trusted.mean())

    def _target_sigma(self, like: Tensor) -> Tensor | None:
        """(S,) as wide in the image of each scale; None for points."""
        if not self.settings.target_sigma:
            return None
        return self.settings.target_sigma * like.new_tensor(self.model.config.scales)

    def _all_optimizers(self) -> list[Any]:
        return cast(list[Any], self.optimizers())


def _inside(batch: Batch, centers: Tensor) -> Tensor:
    """Points (B, K, 2), those outside of their image moved to its border."""
    height, width = batch.images.shape[2:]
    extents = batch.extents if batch.extents is not None else centers.new_tensor([[height, width]])
    return torch.minimum(centers.clamp_min(0.0), extents.flip(-1).unsqueeze(1) - 1.0)


def foreground_of(batch: Batch) -> Tensor:
    """Images less their background, see :func:`background_of`.

    Returns:
        (B, C, H, W), zero in what pads an image.
    """
    foreground = batch.images - background_of(batch.images, batch.extents)
    return foreground if batch.extents is None else foreground * inside(batch.extents, 0, foreground).unsqueeze(1)

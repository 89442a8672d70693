"""MIST: how all its tasks learn alike (CVPR 2021, algorithm 1): task network, keypoints, heatmap network.

The penalty λ‖{x_k} − E_K(H_η(I))‖² of eq. 6 is left out: keypoints begin each batch where it is zero, and move little.
"""

from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from boxless.data.batch import Batch
from boxless.engine.ranks import mean_over_ranks
from boxless.methods.mist.candidates import faint_peaks, most_overlooked
from boxless.methods.mist.config import MistTrainingConfig
from boxless.methods.mist.contents import content_centers, fit_to_contents
from boxless.methods.mist.heatmap_training import HeatmapTraining, compiled, moved_inside
from boxless.methods.mist.model import Keypoints, MistModel, Responses, background_of
from boxless.methods.mist.registration import register, registration_loss, synthesize
from boxless.methods.mist.worth import relative_worth, worth
from boxless.ops.padding import inside

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


class MistTraining(HeatmapTraining):
    """Algorithm 1 with manual optimization. A task says what its network is and what its loss."""

    settings: MistTrainingConfig

    def __init__(
        self, model: MistModel, settings: MistTrainingConfig, steps: int, compile: bool, task: dict[str, nn.Module]
    ) -> None:
        super().__init__(model, settings, steps, compile, task)
        self._synthesize = compiled(synthesize, compile)
        self._registration_loss = compiled(registration_loss, compile)
        self._worth = compiled(worth, compile)

    def task(self, batch: Batch, keypoints: Keypoints) -> Task:
        """T_τ on the patches of all keypoints; the losses on those of the first K."""
        raise NotImplementedError

    def training_step(self, batch: Batch, batch_idx: int) -> None:
        """One batch of algorithm 1."""
        self.begin_step()
        responses = self._responses(batch)  # H_η(I)
        if self.settings.keypoint_step == "registration":
            candidates = self._jittered(batch, self._detect(batch, responses, self.settings.candidates))
            task = self._step_task(batch, candidates)
            keypoints, heights = self._register(batch, candidates, task)
        else:
            keypoints, heights = self._detect(batch, responses, 0), None  # {x_k} = E_K(H_η(I))
            if self.settings.task_first:  # as algorithm 1 is printed
                task = self._step_task(batch, keypoints)
            for _ in range(self.settings.keypoint_steps):
                keypoints = self._step_keypoints(batch, keypoints)
            if not self.settings.task_first:
                task = self._step_task(batch, keypoints)
        self._step_heatmap(batch, responses.sharp, keypoints, heights, task.doubt.detach())
        self.finish_step()

    def _detect(self, batch: Batch, responses: Responses, more: int) -> Keypoints:
        """E_K of what is learned, and as many candidates ``more``."""
        chosen = self._peaks(responses)
        if not more:
            return chosen
        others = faint_peaks(self.model, responses, self.model.config.instances, more).keypoints
        return chosen.and_then(others.taken(most_overlooked(foreground_of(batch), chosen, others, more)))

    def _step_task(self, batch: Batch, keypoints: Keypoints) -> Task:
        """τ ← a step on L_task."""
        task = self.task(batch, keypoints)
        for name, values in task.terms.items():
            self.note(f"loss/{name}", values)
        self._step_task_network(task.loss.mean())
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
        shares = self._worth(images, synthesis, patches, candidates, k)
        self.note("keypoints/worth", shares[:, :k])
        chosen, patches = candidates.first(k), patches[:, :k]
        steps, length = settings.keypoint_steps, settings.keypoint_rate
        moves = register(patches, chosen, images, steps, length, self._registration_loss).centers - chosen.centers
        fitted, longest = candidates, LONGEST_MOVE
        if self._several_scales:
            fitted, longest = fit_to_contents(images, synthesis, patches, candidates), LONGEST_FIT
        else:
            offsets = content_centers(patches, chosen) - chosen.centers
            self.note("keypoints/offset", offsets.norm(dim=-1))
            moves = moves + CENTERING * offsets
        others = moves.new_zeros(len(moves), fitted.sides.shape[1] - k, 2)
        moved = Keypoints(fitted.centers + torch.cat((moves, others), dim=1), fitted.sides)
        mean = mean_over_ranks(shares[:, :k].mean())
        return self._within(batch, candidates, moved, longest), relative_worth(shares, mean)

    def _within(self, batch: Batch, before: Keypoints, after: Keypoints, longest: float = LONGEST_MOVE) -> Keypoints:
        """Keypoints moved, and made larger or smaller, by so many pixels at most; within the image and the scales."""
        moves = (after.centers - before.centers).clamp(-longest, longest)
        self.note("keypoints/move", moves.norm(dim=-1))
        centers = moved_inside(batch, before.centers + moves)
        if not self._several_scales:
            return Keypoints(centers, before.sides)
        limits = self.model.scale_sides(moves)
        growth = (after.sides - before.sides).clamp(-longest, longest)
        self.note("keypoints/growth", growth.abs())
        return Keypoints(centers, (before.sides + growth).clamp(limits[0], limits[-1]))

    def _step_heatmap(
        self, batch: Batch, responses: Tensor, keypoints: Keypoints, heights: Tensor | None, doubt: Tensor
    ) -> None:
        """η ← a step on ‖G({x_k}) − H_η(I)‖², each sample trusted by its task loss."""
        trusted = torch.exp(-self.settings.trust * doubt) * self._heatmap_fit(batch, responses, keypoints, heights)
        self._step_heatmap_network(trusted.mean())


def foreground_of(batch: Batch) -> Tensor:
    """Images less their background, see :func:`background_of`.

    Returns:
        (B, C, H, W), zero in what pads an image.
    """
    foreground = batch.images - background_of(batch.images, batch.extents)
    return foreground if batch.extents is None else foreground * inside(batch.extents, 0, foreground).unsqueeze(1)

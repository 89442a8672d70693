"""What trainings of a heatmap network and a task network share: MIST's algorithm 1, and the one with boxes."""

from collections.abc import Callable
from typing import Any, TypeVar, cast

import torch
from torch import Tensor, nn

from boxless.data.batch import Batch
from boxless.data.hashing import normals
from boxless.engine.averaging import averaged
from boxless.engine.module import TrainingModule
from boxless.engine.optimizers import optimizers_for, set_rates
from boxless.engine.ranks import mean_over_ranks, places
from boxless.methods.mist.config import HeatmapTrainingConfig
from boxless.methods.mist.losses import heatmap_loss
from boxless.methods.mist.model import LOWEST_PEAK, Keypoints, MistModel, Responses
from boxless.ops.lifting import lift

Function = TypeVar("Function", bound=Callable[..., Any])
JITTER, SIZE_JITTER = 7, 8  # keep their random numbers apart from others


class HeatmapTraining(TrainingModule):
    """A heatmap network and a task network, each with its optimizers, and the average of both that is kept.

    Args:
        model: to train.
        settings: how.
        steps: of the whole training, for the schedule.
        compile: networks through ``torch.compile``.
        task: modules that the task's optimizer trains.
    """

    model: Any
    settings: HeatmapTrainingConfig

    def __init__(
        self, model: MistModel, settings: HeatmapTrainingConfig, steps: int, compile: bool, task: dict[str, nn.Module]
    ) -> None:
        super().__init__(model, steps)
        self.settings = settings
        self.averaged = averaged(model, settings.averaging) if settings.averaging else None
        # not submodules: a compiled network shares its parameters with the model's own
        networks: dict[str, nn.Module] = {"heatmap": model.heatmap_net, **task}
        self._networks = {name: compiled(network, compile) for name, network in networks.items()}
        self._several_scales = len(model.config.scales) > 1

    @property
    def trained_model(self) -> MistModel:
        """The model to validate, to keep and to use: the averaged one, if there is one."""
        return cast(MistModel, self.model if self.averaged is None else self.averaged.module)

    def task_parameters(self) -> list[nn.Parameter]:
        """What the task's optimizer trains."""
        raise NotImplementedError

    def configure_optimizers(self) -> list[torch.optim.Optimizer]:
        """Those of the task network, and then those of the heatmap network."""
        settings = self.settings
        of_task = optimizers_for(self.task_parameters(), settings.optimizer, settings.task_rate)
        of_heatmap = optimizers_for(self.model.heatmap_net.parameters(), settings.optimizer, settings.heatmap_rate)
        self._number_of_task = len(of_task)
        return of_task + of_heatmap

    def begin_step(self) -> None:
        """The learning rates of this step; every ``training_step`` begins with it."""
        set_rates(self._all_optimizers(), self.settings.rate_factor(self.steps_done, self.steps))

    def finish_step(self) -> None:
        """Take the weights into their average, and count the step."""
        if self.averaged is not None:
            self.averaged.update_parameters(self.model)
        super().finish_step()

    def _responses(self, batch: Batch) -> Responses:
        responses: Responses = self.model.responses(batch.images, self._networks["heatmap"], batch.extents)
        return responses

    def _peaks(self, responses: Responses) -> Keypoints:
        """E_K of what is learned; also follows how high peaks are for detection."""
        number = min(self.model.config.instances, responses.sharp[0, 0].numel())
        found = self.model.learned_peaks(responses, number)
        heights = self.model.heights_at(responses, found.keypoints.centers).clamp_min(LOWEST_PEAK)
        self.model.peak_height.lerp_(mean_over_ranks(heights.detach().mean()), 1.0 if self.steps_done == 0 else 0.02)
        return Keypoints(found.keypoints.centers.detach(), found.keypoints.sides.detach())

    def _jittered(self, batch: Batch, keypoints: Keypoints) -> Keypoints:
        """Keypoints shifted and resized at random, keyed by seed, step and place in the batch of all processes."""
        number, k = keypoints.sides.shape
        own = (places(number).unsqueeze(1) * k + torch.arange(k)).flatten().to(keypoints.sides.device)
        normal = normals((JITTER, int(self.seed), self.steps_done), own, 2).to(keypoints.centers.dtype)
        shifts = self.settings.jitter * keypoints.sizes * normal.view_as(keypoints.centers)
        return Keypoints(moved_inside(batch, keypoints.centers + shifts), self._resized(keypoints.sides, own))

    def _resized(self, sides: Tensor, own: Tensor) -> Tensor:
        """Sides (B, N) made larger or smaller at random, within the scales; ``own`` says where in the batch each is."""
        if not self._several_scales:
            return sides
        normal = normals((SIZE_JITTER, int(self.seed), self.steps_done), own, 1).to(sides.dtype).view_as(sides)
        limits = self.model.scale_sides(sides)
        return (sides * torch.exp(self.settings.size_jitter * normal)).clamp(limits[0], limits[-1])

    def _step_task_network(self, loss: Tensor) -> None:
        """τ ← a step down a loss ()."""
        self.descend(self._all_optimizers()[: self._number_of_task], loss)

    def _step_heatmap_network(self, loss: Tensor) -> None:
        """η ← a step down a loss ()."""
        self.descend(self._all_optimizers()[self._number_of_task :], loss)

    def _heatmap_fit(self, batch: Batch, responses: Tensor, keypoints: Keypoints, heights: Tensor | None) -> Tensor:
        """‖G({x_k}) − H_η(I)‖² of each sample, (B,)."""
        scales = self.model.scale_sides(responses) if self._several_scales else None
        sides = keypoints.sides if self._several_scales else None
        size = (responses.shape[2], responses.shape[3])
        target = lift(keypoints.centers, sides, scales, size, self._target_sigma(responses), heights)
        fit = batch.enlargement * heatmap_loss(responses, target)
        self.note("loss/heatmap", fit)
        return fit

    def _target_sigma(self, like: Tensor) -> Tensor | None:
        """(S,) as wide in the image of each scale; None for points."""
        if not self.settings.target_sigma:
            return None
        return self.settings.target_sigma * like.new_tensor(self.model.config.scales)

    def _all_optimizers(self) -> list[Any]:
        return cast(list[Any], self.optimizers())


def compiled(function: Function, compile: bool) -> Function:
    """A network or function through ``torch.compile``, anew for each size of image, if it is to be."""
    return cast(Function, torch.compile(function, dynamic=False)) if compile else function


def moved_inside(batch: Batch, centers: Tensor) -> Tensor:
    """Points (B, K, 2), those outside of their image moved to its border."""
    height, width = batch.images.shape[2:]
    extents = batch.extents if batch.extents is not None else centers.new_tensor([[height, width]])
    return torch.minimum(centers.clamp_min(0.0), extents.flip(-1).unsqueeze(1) - 1.0)

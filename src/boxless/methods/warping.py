"""Random warps of the images of a training step, which several methods learn from."""

from torch import Tensor

from boxless.data.hashing import uniforms
from boxless.engine.module import TrainingModule
from boxless.engine.ranks import places
from boxless.ops.warp import Warp, WarpRange, random_warp


def warp_of_step(training: TrainingModule, purpose: int, ranges: WarpRange, images: Tensor) -> Warp:
    """Warps drawn anew at each step, for each image (B, C, H, W) its own; another purpose, other warps.

    The numbers are keyed by the step and by the place of each sample in the batch of all processes.
    """
    own = places(len(images)).to(images.device)
    draws = uniforms((purpose, int(training.seed), training.steps_done), own, ranges.draws)
    return random_warp(draws, ranges, (images.shape[2], images.shape[3]))

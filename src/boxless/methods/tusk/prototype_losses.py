"""What the prototypes minimise, by ``prototype_loss``: each a function of descriptors and prototypes."""

from torch import Generator, Tensor

from boxless.methods.tusk.config import TuskTrainingConfig
from boxless.methods.tusk.views import axes_of, joint_of
from boxless.ops.clustering import (
    l2_distances,
    mixture_weights,
    random_projections,
    sample_prototypes,
    sliced_wasserstein,
)
from boxless.ops.information import mutual_information

SHARPNESS = 20.0  # of the softmax over the prototypes, whose logits are cosines


def squares_of(descriptors: Tensor, prototypes: Tensor) -> Tensor:
    """Of each descriptor (N, C) the squared distance to its nearest prototype (M, C), (N,): k-means' objective."""
    return l2_distances(descriptors, prototypes).amin(dim=-1).square()


def wasserstein_of(descriptors: Tensor, prototypes: Tensor, settings: TuskTrainingConfig, draws: Generator) -> Tensor:
    """L_sw (eq. 2) between the descriptors and as many samples of the mixture (eq. 6 to 8), by projection."""
    weights = mixture_weights(descriptors, prototypes, settings.mixture_floor)
    samples = sample_prototypes(prototypes, weights, len(descriptors), draws, settings.mixture_variance)
    directions = random_projections(settings.projections, prototypes.shape[1], draws)
    return sliced_wasserstein(descriptors, samples, directions)


def information_of(first: Tensor, second: Tensor, prototypes: Tensor) -> Tensor:
    """What the nearest prototype of a keypoint in one view tells of that in the other, in nats: to be maximised.

    Args:
        first: (N, C) of length 1, descriptors in one view.
        second: (N, C) in the other; zeros of those that it does not show, which count for nothing.
        prototypes: (..., M, C).

    Returns:
        (...), not negative.
    """
    both = second.any(dim=1)
    return mutual_information(joint_of(first[both], second[both], axes_of(prototypes, SHARPNESS)))

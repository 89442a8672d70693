"""Clusters of descriptors around learned prototypes (TUSK, section 3.3 and supplement A.2).

Conventions
    Descriptors are (..., D), prototypes (M, D). All is computed in float32 at least, whatever autocast says: distances
    between neighbours are small differences.
"""

import math

import torch
from torch import Generator, Tensor

from boxless.ops.precision import at_least_float32


def l2_distances(descriptors: Tensor, prototypes: Tensor) -> Tensor:
    """‖D_i − P_j‖, (..., M): the logits, but for their sign, of the k-means loss (TUSK, eq. 3)."""
    descriptors, prototypes = at_least_float32(descriptors), at_least_float32(prototypes)
    with torch.autocast(descriptors.device.type, enabled=False):
        if torch.compiler.is_exporting():  # ONNX knows no cdist
            apart: Tensor = torch.linalg.vector_norm(descriptors.unsqueeze(-2) - prototypes, dim=-1)
            return apart
        flat = descriptors.reshape(-1, descriptors.shape[-1])
        distances = torch.cdist(flat, prototypes, compute_mode="donot_use_mm_for_euclid_dist")
    return distances.view(*descriptors.shape[:-1], len(prototypes))


def mean_square_distances(descriptors: Tensor, prototypes: Tensor) -> Tensor:
    """Mean over the D dimensions of the squared difference, (..., M), as TUSK's release measures."""
    return l2_distances(descriptors, prototypes).square() / descriptors.shape[-1]


def soft_assignment(descriptors: Tensor, prototypes: Tensor, strength: float = 20.0) -> Tensor:
    """How much each descriptor belongs to each prototype: softmin of strength · mean squared distance (TUSK, release).

    Args:
        descriptors: (..., D).
        prototypes: (M, D).
        strength: the larger, the closer to the nearest alone.

    Returns:
        (..., M) in [0, 1], of sum 1; the highest is the nearest prototype's.
    """
    return torch.softmax(-strength * mean_square_distances(descriptors, prototypes), dim=-1)


def kmeans_loss(distances: Tensor) -> Tensor:
    """Negative log of the highest softmin: how much farther the other prototypes are than the nearest (TUSK, eq. 3).

    −log max_j ( exp(−d_j) / Σ_k exp(−d_k) ) = log Σ_k exp(−d_k) + min_j d_j, which neither over- nor underflows.

    Args:
        distances: (..., M): :func:`l2_distances` as in the paper, or 20 · :func:`mean_square_distances` for the
            measure of :func:`soft_assignment`.

    Returns:
        (...) in [0, log M], one for each descriptor. The paper's loss is its mean.
    """
    distances = at_least_float32(distances)
    return torch.logsumexp(-distances, dim=-1) + distances.amin(dim=-1)


def mixture_weights(descriptors: Tensor, prototypes: Tensor, floor: float = 0.01) -> Tensor:
    """π of eq. 8: how often each prototype is to be sampled.

    α_m = r_m + Var({σ_i}) + floor and π = α / Σ α (TUSK, eq. 7 and 8). r_m is the share of descriptors whose nearest
    prototype is m, σ_m their variance: the mean squared distance to their mean, at most 1 for descriptors of length 1;
    1 for a prototype without any. So unequal clusters, and dead ones, lead to exploration.

    Args:
        descriptors: (N, D), at least one.
        prototypes: (M, D).
        floor: what the release adds for each prototype; 0 is the paper's.

    Returns:
        (M,) not negative, of sum 1, without a gradient.
    """
    with torch.no_grad(), torch.autocast(descriptors.device.type, enabled=False):
        nearest = l2_distances(descriptors, prototypes).argmin(dim=-1)
        points = at_least_float32(descriptors)
        members = torch.nn.functional.one_hot(nearest, len(prototypes)).to(points.dtype)  # (N, M)
        counts = members.sum(0)
        means = members.T @ points / counts.clamp_min(1).unsqueeze(-1)
        spread = members.T @ (points - means[nearest]).square().sum(-1) / counts.clamp_min(1)
        variances = torch.where(counts > 0, spread, 1.0)
        alpha = counts / len(points) + variances.var(correction=0) + floor
        return alpha / alpha.sum()


def sample_prototypes(
    prototypes: Tensor, weights: Tensor, count: int, generator: Generator, variance: float = 4e-4
) -> Tensor:
    """Draw from the Gaussian mixture around the prototypes, Σ_m π_m N(P_m, variance · 1) (TUSK, eq. 6).

    Args:
        prototypes: (M, D).
        weights: (M,) π, not negative; their sum does not matter.
        count: how many samples.
        generator: of the draws; one on the CPU gives the same samples for tensors on any device.
        variance: of each dimension; 4e-4 is a standard deviation of 1/50 (TUSK, table 7).

    Returns:
        (count, D), with a gradient to the prototypes.
    """
    there = generator.device
    chosen = torch.multinomial(weights.detach().to(there), count, replacement=True, generator=generator)
    noise = torch.randn(count, prototypes.shape[1], generator=generator, device=there)
    centers = at_least_float32(prototypes)[chosen.to(prototypes.device)]
    return centers + math.sqrt(variance) * noise.to(centers)


def random_projections(count: int, dimensions: int, generator: Generator) -> Tensor:
    """Directions uniform on the unit sphere, (count, dimensions) float32 on the generator's device."""
    directions = torch.randn(count, dimensions, generator=generator, device=generator.device)
    return torch.nn.functional.normalize(directions, dim=1)


def sliced_wasserstein(first: Tensor, second: Tensor, projections: Tensor) -> Tensor:
    """Squared 2-Wasserstein distance between two sets of samples, seen along each direction (TUSK, eq. 2).

    Args:
        first: (N, D).
        second: (M, D); of as many samples or not.
        projections: (P, D) of length 1, as :func:`random_projections` gives them.

    Returns:
        (P,) not negative, one for each direction, with a gradient to the samples. The paper's loss is its mean.

    Raises:
        ValueError: if samples and directions differ in D, or a set is empty.
    """
    dimensions = {first.shape[-1], second.shape[-1], projections.shape[-1]}
    if len(dimensions) > 1 or not len(first) or not len(second):
        raise ValueError(
            f"samples (N, D), (M, D) and directions (P, D) share D and are not empty, not {tuple(first.shape)}, "
            f"{tuple(second.shape)} and {tuple(projections.shape)}."
        )
    first, second = at_least_float32(first), at_least_float32(second)
    with torch.autocast(first.device.type, enabled=False):
        directions = projections.to(first)
        return wasserstein_1d(directions @ first.T, directions @ second.T)


def wasserstein_1d(first: Tensor, second: Tensor) -> Tensor:
    """∫ (F⁻¹(t) − G⁻¹(t))² dt of the quantile functions F⁻¹ and G⁻¹ of two sets of numbers, exact for any N and M.

    With N = M it is the mean squared difference of the sorted numbers. Else both quantile functions are constant
    between the multiples of 1/N and of 1/M, and the integral is a sum over at most N + M − 1 pieces.

    Args:
        first: (..., N).
        second: (..., M).

    Returns:
        (...) not negative.
    """
    first, second = first.sort(dim=-1).values, second.sort(dim=-1).values
    n, m = first.shape[-1], second.shape[-1]
    if n == m:
        return (first - second).square().mean(dim=-1)
    ends = torch.cat((torch.arange(1, n + 1) * m, torch.arange(1, m + 1) * n)).unique()  # in units of 1/(N·M)
    starts = torch.nn.functional.pad(ends[:-1], (1, 0))
    width = ((ends - starts).double() / (n * m)).to(first)
    gap = first[..., (starts // m).to(first.device)] - second[..., (starts // n).to(first.device)]
    cost: Tensor = gap.square() * width
    return cost.sum(dim=-1)

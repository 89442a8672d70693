"""The state of the prototypes: where they begin, how far apart vectors lie, and whether the clusters collapse."""

import torch
from torch import Generator, Tensor

from boxless.methods.tusk.networks import unit
from boxless.methods.tusk.prototype_losses import information_of

LEAST_SPREAD = 0.1  # of descriptors; below it they point one way: 26° from each other on average
BEGINNINGS = 10  # of k-means, which finds the nearest optimum alone
TELLING_BEGINNINGS, TELLING_STEPS, TELLING_RATE = 20, 150, 0.05  # of Adam
LEAST_USED = 0.5  # of the prototypes; below it most of them hold next to nothing


def first_prototypes(descriptors: Tensor, number: int, generator: Generator) -> Tensor:
    """Prototypes to begin with: descriptors drawn at random, so that they lie where descriptors are.

    Args:
        descriptors: (N, C) of length 1, at least one.
        number: M. Where it is more than N some come twice, told apart by a little noise.
        generator: of the draws, on the CPU.

    Returns:
        (M, C) of length 1.
    """
    order = torch.randperm(len(descriptors), generator=generator).repeat(-(-number // len(descriptors)))[:number]
    noise = 0.02 * torch.randn(number, descriptors.shape[1], generator=generator)
    return unit(descriptors[order.to(descriptors.device)] + noise.to(descriptors))


def clusters_of(descriptors: Tensor, number: int, seed: int) -> Tensor:
    """Prototypes in the middle of clusters: k-means from several beginnings by k-means++, the best of them.

    Args:
        descriptors: (N, C) of length 1.
        number: M. Where there are fewer than M descriptors, some prototypes come twice.
        seed: of the beginnings.

    Returns:
        (M, C) of length 1.
    """
    few = min(number, len(descriptors))
    return _kmeans(descriptors, few, BEGINNINGS, seed).repeat(-(-number // few), 1)[:number]


def _kmeans(descriptors: Tensor, number: int, beginnings: int, seed: int) -> Tensor:
    from sklearn.cluster import KMeans

    found = KMeans(number, n_init=beginnings, random_state=seed % 2**32).fit(descriptors.cpu().double().numpy())
    return unit(torch.from_numpy(found.cluster_centers_).to(descriptors))


@torch.enable_grad()
def telling_clusters_of(first: Tensor, second: Tensor, number: int, seed: int) -> Tensor:
    """Prototypes whose kind of a keypoint in one view tells the most of its kind in the other.

    Where the k-means of several beginnings ends, each set of prototypes ascends this information; the best is taken.
    Of those that k-means finds, many split one class by what a warp changes, and this tells which do.

    Args:
        first: (N, C) of length 1, descriptors in one view.
        second: (N, C) of the same keypoints in the other; zeros of those that it does not show.
        number: M. Where fewer than M keypoints are in both, by k-means alone.
        seed: of the beginnings.

    Returns:
        (M, C) of length 1.
    """
    both = second.any(dim=1)
    if int(both.sum()) < number:
        return clusters_of(first, number, seed)
    first, second = first[both], second[both]
    begun = [_kmeans(first, number, 1, seed + turn) for turn in range(TELLING_BEGINNINGS)]
    prototypes = torch.stack(begun).requires_grad_()
    optimizer = torch.optim.Adam([prototypes], TELLING_RATE)
    for _ in range(TELLING_STEPS):
        told = information_of(first, second, prototypes)
        (prototypes.grad,) = torch.autograd.grad(-told.sum(), prototypes)
        optimizer.step()
    return unit(prototypes[information_of(first, second, prototypes).argmax()].detach())


def spread(vectors: Tensor) -> Tensor:
    """How far vectors of length 1 point apart: 1 − |their mean|², which is the mean of 1 − cos over all pairs.

    Args:
        vectors: (N, C).

    Returns:
        () in [0, 1]: 0 where all are parallel, near 1 where they point everywhere.
    """
    return 1.0 - vectors.mean(dim=0).square().sum()


def dimensions(vectors: Tensor) -> Tensor:
    """In how many dimensions vectors (N, C) vary: (Σλ)² / Σλ² of the variances λ along the axes; () in [1, C].

    1 where all lie on a line, which :func:`spread` alone does not tell; M − 1 for M clusters as far apart as can be.
    """
    centered = vectors - vectors.mean(dim=0)
    covariance = centered.T @ centered
    return covariance.trace().square() / covariance.square().sum().clamp_min(1e-12)


def shares_of(counts: Tensor) -> Tensor:
    """Counts (M,) of descriptors as shares of all."""
    return counts / counts.sum().clamp_min(1)


def used(shares: Tensor) -> Tensor:
    """What share of the prototypes is in use: exp of the entropy of their shares (M,), over M; () in [1/M, 1]."""
    entropy: Tensor = torch.special.entr(shares).sum()
    return entropy.exp() / len(shares)


def complaint(shares: Tensor | None, descriptor_spread: float) -> str | None:
    """What is wrong with the clusters, in a sentence, if anything is.

    Args:
        shares: (M,) of the descriptors that each prototype holds; None while clusters are not sought yet.
        descriptor_spread: of :func:`spread`.
    """
    if descriptor_spread < LEAST_SPREAD:
        return (
            f"the descriptors are nearly parallel (spread {descriptor_spread:.3f} of 1), and there is nothing to "
            "cluster: set training.centering to true, or lower training.feature_weight."
        )
    if shares is not None and float(used(shares)) < LEAST_USED:
        held = shares.sort(descending=True).values.cumsum(0)
        most = int((held < 0.9).sum()) + 1
        return (
            f"the prototypes collapse: {most} of {len(shares)} hold {float(held[most - 1]):.0%} of the descriptors; "
            "if it stays so, take fewer (model.prototypes), or raise training.mixture_floor."
        )
    return None

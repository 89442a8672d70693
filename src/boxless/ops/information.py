"""How much two views of the same things tell of each other (Ji, Henriques, Vedaldi: Invariant Information Clustering).

Conventions
    All is computed in float32 at least, whatever autocast says.
"""

import torch
from torch import Tensor


def joint_assignments(first: Tensor, second: Tensor) -> Tensor:
    """How often a thing is of kind i in one view and of kind j in the other: Σ_n (p_n q_nᵀ + q_n p_nᵀ) / 2.

    Args:
        first: (..., N, M) probabilities of the M kinds in one view.
        second: (..., N, M) in the other.

    Returns:
        (..., M, M) symmetric, of sum N, with a gradient to both; zeros where N is 0.

    Raises:
        ValueError: if the two are not of one shape (..., N, M).
    """
    if first.ndim < 2 or first.shape != second.shape:
        raise ValueError(f"both are (..., N, M) probabilities, not {tuple(first.shape)} and {tuple(second.shape)}.")
    with torch.autocast(first.device.type, enabled=False):
        joint = first.float().mT @ second.float() if first.dtype != torch.float64 else first.mT @ second
    return (joint + joint.mT) / 2


def mutual_information(joint: Tensor) -> Tensor:
    """Σ_ij J_ij log(J_ij / (J_i· J_·j)), in nats.

    Greatest, log M, where both views always agree and each kind is as frequent: so neither a thing of no certain kind
    nor a single kind for all is worth anything.

    Args:
        joint: (..., M, M) not negative, of any sum.

    Returns:
        (...) in [0, log M], with a finite gradient also at zeros; 0 where the joint is zero.
    """
    share = joint / joint.sum((-2, -1), keepdim=True).clamp_min(torch.finfo(joint.dtype).tiny)
    one, other = (_plogp(share.sum(axis)).sum(-1) for axis in (-2, -1))
    return _plogp(share).sum((-2, -1)) - one - other


def _plogp(shares: Tensor) -> Tensor:
    return shares * shares.clamp_min(1e-12).log()

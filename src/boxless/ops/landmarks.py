"""Landmarks that people have named, by a linear map from keypoints that nobody has (TUSK, section 4.3).

The map has no bias: the paper speaks of a linear layer, and so does the evaluation that it follows. Coordinates
therefore count from the corner of the image, where they are above zero, and stand for a constant themselves.
"""

import torch
from torch import Tensor


def keypoint_inputs(centers: Tensor, prototypes: Tensor, valid: Tensor, number: int) -> Tensor:
    """The K × M × 2 numbers of each image that the map sees: keypoint i of prototype m stands at [i, m].

    Args:
        centers: (B, K, 2) x and y, the keypoint of the highest score first.
        prototypes: (B, K) int64, from 0 to M − 1.
        valid: (B, K) bool: false where an image has fewer than K keypoints.
        number: M.

    Returns:
        (B, K · M · 2) float64, zero at all but the K entries that are taken.

    Raises:
        ValueError: the shapes do not fit.
    """
    if centers.shape != (*prototypes.shape, 2) or valid.shape != prototypes.shape:
        raise ValueError(
            f"centers (B, K, 2), prototypes (B, K) and valid (B, K) do not fit: {tuple(centers.shape)}, "
            f"{tuple(prototypes.shape)} and {tuple(valid.shape)}."
        )
    taken = torch.nn.functional.one_hot(prototypes, number) * valid.unsqueeze(-1)  # (B, K, M)
    return (taken.double().unsqueeze(-1) * centers.double().unsqueeze(2)).flatten(1)


def ridge_map(inputs: Tensor, targets: Tensor, ridge: float) -> Tensor:
    """The W of least |X W − Y|² + ridge · |W|², in closed form.

    Args:
        inputs: X, (N, D).
        targets: Y, (N, T).
        ridge: above zero, so that inputs which no image has take no part.

    Returns:
        (D, T) float64; of new inputs X the answer is X W.

    Raises:
        ValueError: the shapes do not fit, or the ridge is not above zero.
    """
    if inputs.ndim != 2 or targets.ndim != 2 or len(inputs) != len(targets) or not ridge > 0:
        raise ValueError(
            f"inputs (N, D) and targets (N, T) with a ridge above zero, not {tuple(inputs.shape)}, "
            f"{tuple(targets.shape)} and {ridge}."
        )
    x, y = inputs.double(), targets.double()
    square = x.T @ x + ridge * torch.eye(x.shape[1], dtype=x.dtype, device=x.device)
    return torch.cholesky_solve(x.T @ y, torch.linalg.cholesky(square))

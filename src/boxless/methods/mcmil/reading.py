"""The order in which instances are read, and the paper's own rule, which knows no instances (MCMIL, section 5.3)."""

import torch
from torch import Tensor


def reading_order(places: Tensor) -> Tensor:
    """The order of points along their own line: left to right, or top to bottom where the line is steeper than 45°.

    The line is the one of least squared distance from all points, so that a slanted or a vertical number is read right.

    Args:
        places: (N, 2) x and y.

    Returns:
        (N,) indices.
    """
    if len(places) < 2:
        return torch.arange(len(places), device=places.device)
    centered = (places - places.mean(0)).double()
    direction = torch.linalg.eigh(centered.T @ centered).eigenvectors[:, -1]  # of the largest spread
    direction = direction * direction[direction.abs().argmax()].sign()
    order: Tensor = (centered @ direction).argsort(stable=True)
    return order


def columns_read(probabilities: Tensor) -> list[tuple[int, ...]]:
    """The paper's rule for horizontal numbers: runs of one class along the columns are one character each.

    A column says the class that is surest in it, where any is as sure as the background; "11111 55 22222" is read as
    1, 5, 2, and a column of background lets a class come again.

    Args:
        probabilities: (B, C + 1, M, N), the background last.

    Returns:
        For each image its class ids.
    """
    nothing = probabilities.shape[1] - 1
    emitted = probabilities[:, :-1] * (probabilities[:, :-1] >= probabilities.amax(1, keepdim=True))
    strength, label = emitted.amax(2).max(1)  # over rows, then over classes: (B, N)
    columns = torch.where(strength > 0, label, nothing)
    return [
        tuple(int(own) for own, before in zip(line, [nothing, *line], strict=False) if own not in (before, nothing))
        for line in columns.tolist()
    ]

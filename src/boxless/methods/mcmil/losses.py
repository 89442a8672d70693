"""Losses of a map against the set of classes that its image holds (MCMIL); each (B,)."""

import torch
from torch import Tensor

from boxless.ops.likelihood import label_set_log_likelihood


def likelihood_loss(logits: Tensor, present: Tensor, outside: Tensor | None = None) -> Tensor:
    """−log Prb(L | P) over the number of places of the map (eq. 3, PROTOCOL §4).

    Args:
        logits: (B, C + 1, M, N), the background last.
        present: (B, C) bool: L of each image.
        outside: (B, M, N) bool: places that look at what pads an image, where nothing is.

    Returns:
        (B,) float64. With a map of one place and one class it is the cross-entropy.
    """
    log_probs = logits.double().log_softmax(1)
    places = log_probs.new_full((len(logits),), float(logits.shape[2] * logits.shape[3]))
    if outside is not None:
        nothing = log_probs.new_full((log_probs.shape[1],), -torch.inf)
        nothing[-1] = 0.0
        log_probs = torch.where(outside.unsqueeze(1), nothing.view(1, -1, 1, 1), log_probs)
        places = (~outside).sum((1, 2)).clamp_min(1).to(places)
    return -label_set_log_likelihood(log_probs, present) / places


def maxima_loss(logits: Tensor, present: Tensor, outside: Tensor | None = None) -> Tensor:
    """Traditional multiple instance learning: −1/|L| Σ_ℓ log max p_ℓ, one softmax over all classes and places (eq. 16).

    Args:
        logits, present, outside: as for :func:`likelihood_loss`.

    Returns:
        (B,) float64; zero for the empty set, of which the loss says nothing.
    """
    logits = logits.double()
    if outside is not None:
        logits = logits.masked_fill(outside.unsqueeze(1), -torch.inf)
    log_probs = logits.flatten(1).log_softmax(1).view_as(logits)
    highest = log_probs[:, :-1].amax((2, 3))
    number = present.sum(1)
    return -torch.where(present, highest, 0.0).sum(1) / number.clamp_min(1)

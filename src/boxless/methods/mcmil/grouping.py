"""From a dense map of class probabilities to instances.

The paper reads its map by columns and names the errors of that (MCMIL, section 5.3): one cluster read as two, two of a
kind read as one, lines that are not horizontal. Here an instance is a maximum of the probability of its class, blurred;
what it consists of is the window around it. Of a large thing there are several such windows: maxima with no dip between
them are one instance.

Conventions
    Places are (x, y) = (column, row) of the map, from 0.
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from boxless.ops.blur import gaussian_blur
from boxless.ops.heatmap import suppress_non_maxima

ALMOST_ONE = 1 - 1e-7
SURE = 0.5  # score of what may be a part of something large; what is likely nothing may be all around it
POINTS_AT_ONCE = 2**22  # of lines between maxima
DIP = 0.7  # two maxima are two things where the mass on the way between them falls below this share of the lower one


class Groups(NamedTuple):
    """The instances of one image, surest first."""

    places: Tensor  # (N, 2) x and y, the mean over the window, weighted by the probability of the class
    extents: Tensor  # (N, 2) from the first to the last place in x and in y where the class is more likely than not
    labels: Tensor  # (N,)
    scores: Tensor  # (N,) the probability that the class is emitted at any place of the window


def group(probabilities: Tensor, half: int, lowest: float) -> list[Groups]:
    """The instances that a map shows.

    Two of one class are kept apart from a distance of more than 2·``half`` places along x or y on, if the mass of the
    class dips on the straight line between them; of two different classes within ``half`` places the one with less mass
    is left out: an object that looks like both.

    Args:
        probabilities: (B, C + 1, M, N), the background last.
        half: places from the middle of a window to its edge.
        lowest: score of an instance, at least.
    """
    classes = probabilities[:, :-1].float()
    side = 2 * half + 1
    mass = gaussian_blur(classes, half / 2)  # a box would be flat where a class is emitted at one place alone
    own = suppress_non_maxima(mass.flatten(0, 1), 4 * half + 1).view_as(mass)
    any_class = F.max_pool2d(mass.amax(1, keepdim=True), side, stride=1, padding=half)
    log_absent = torch.log1p(-classes.clamp(max=ALMOST_ONE))
    scores = -torch.expm1(F.avg_pool2d(log_absent, side, stride=1, padding=half, divisor_override=1))
    batch, label, row, column = (own & (mass >= any_class) & (scores >= lowest) & (mass > 0)).nonzero(as_tuple=True)
    score = scores[batch, label, row, column]
    order = score.argsort(descending=True, stable=True)
    order = order[batch[order].argsort(stable=True)]
    batch, label, row, column, score = (values[order] for values in (batch, label, row, column, score))
    places, extents = _windows(classes, half, (batch, label, row, column))
    numbers = batch.bincount(minlength=len(probabilities)).tolist()
    peaks = torch.stack((label, row, column), dim=1)
    parts = zip(mass, *(values.split(numbers) for values in (peaks, places, extents, label, score)), strict=True)
    return [_without_dips(own_mass, own_peaks, Groups(*part)) for own_mass, own_peaks, *part in parts]


def _without_dips(mass: Tensor, peaks: Tensor, groups: Groups) -> Groups:
    """The instances of one image, sure ones with no dip between them as one, which has the score of the surest.

    Args:
        mass: (C, M, N).
        peaks: (N, 3) class, row and column of each instance.
        groups: of them, surest first.
    """
    sure = int((groups.scores >= SURE).sum())  # the first of them
    of_one_class = peaks[:sure, None, 0] == peaks[None, :sure, 0]
    pairs = torch.triu(of_one_class, diagonal=1).nonzero()
    if len(pairs) == 0:
        return groups
    parts = pairs.split(max(1, POINTS_AT_ONCE // max(mass.shape[1:])))
    lowest = torch.cat([_lowest_between(mass, *peaks[part].unbind(1)) for part in parts])
    heights = mass[tuple(peaks.T)]
    leader = torch.tensor(_joined(heights, pairs, lowest), device=mass.device)
    kept, member = leader.unique(return_inverse=True)
    weights = heights.unsqueeze(1)
    ends = torch.cat((groups.places + groups.extents / 2, groups.extents / 2 - groups.places), dim=1)  # high, −low
    index = member.unsqueeze(1)
    sums = ends.new_zeros(len(kept), 3).index_add_(0, member, torch.cat((groups.places * weights, weights), dim=1))
    reach = ends.new_full((len(kept), 4), -torch.inf).scatter_reduce_(0, index.expand(-1, 4), ends, "amax")
    return Groups(sums[:, :2] / sums[:, 2:], reach[:, :2] + reach[:, 2:], groups.labels[kept], groups.scores[kept])


def _joined(heights: Tensor, pairs: Tensor, lowest: Tensor) -> list[int]:
    """For each maximum the first of those that it is one thing with.

    From the highest way between two on, what it joins is one unless the way dips below its share of the lower of the
    two highest maxima there. So a way may lead over other maxima, as around a corner, but not over one that is itself a
    dip between two; and the order of the maxima does not count.

    Args:
        heights: (N,) the mass at each maximum.
        pairs: (P, 2) of them.
        lowest: (P,) mass on the way between the two.
    """
    near = lowest >= DIP * heights[pairs].amin(1)
    order = lowest[near].argsort(descending=True, stable=True)
    leader, highest = list(range(len(heights))), heights.tolist()

    def first_of(one: int) -> int:
        while leader[one] != one:
            one = leader[one]
        return one

    for (one, other), low in zip(pairs[near][order].tolist(), lowest[near][order].tolist(), strict=True):
        first, second = sorted((first_of(one), first_of(other)))
        if low >= DIP * min(highest[first], highest[second]):
            leader[second] = first
            highest[first] = max(highest[first], highest[second])
    return [first_of(one) for one in leader]


def _lowest_between(mass: Tensor, first: Tensor, second: Tensor) -> Tensor:
    """The least mass (C, M, N) on the line between two peaks (P, 3), class, row, column: (P,)."""
    along = torch.linspace(0, 1, max(mass.shape[1:]), device=mass.device)[:, None]
    start, end = first[:, None, 1:], second[:, None, 1:]
    rows, columns = (start + along * (end - start)).round().long().unbind(-1)  # (pairs, points)
    return mass[first[:, None, 0], rows, columns].amin(1)


def _windows(classes: Tensor, half: int, peaks: tuple[Tensor, ...]) -> tuple[Tensor, Tensor]:
    """Middle and extent, in x and y, of the class of each peak within its window."""
    batch, label, row, column = (index[:, None, None] for index in peaks)
    step = torch.arange(-half, half + 1, device=classes.device)
    rows, columns = row + step[:, None] + half, column + step + half
    windows = F.pad(classes, (half, half, half, half))[batch, label, rows, columns]  # (N, side, side)
    total = windows.sum((1, 2)).clamp_min(1e-12)
    means = [(windows.sum(other) * step).sum(1) / total for other in (1, 2)]  # of x, of y
    likely = windows > 0.5
    spans = [_span(likely.any(other), step) for other in (1, 2)]
    corner = torch.stack((peaks[3], peaks[2]), dim=1)
    return corner + torch.stack(means, dim=1), torch.stack(spans, dim=1)


def _span(present: Tensor, step: Tensor) -> Tensor:
    """From the first to the last: (N, side) bool to (N,); 0 where there is none."""
    last = torch.where(present, step, step[0]).amax(1)
    first = torch.where(present, step, step[-1]).amin(1)
    return (last - first).clamp_min(0)

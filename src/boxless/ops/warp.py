"""Random thin plate splines with an affine part, applied to images, feature maps and points (TUSK, section 3.3).

Conventions
    Points are (x, y) in pixels, x right, y down, the centre of the top-left pixel at (0, 0); a grid is normalised with
    ``align_corners=True``. A warp φ goes *backwards*, from the warped image to its source: the warped image shows at q
    what the source shows at φ(q). So an image is warped by looking up φ at every pixel, and a point by solving
    φ(q) = p: it lands where the warped image shows it.

φ(q) = a₀ + A·q + Σ_j w_j·U(‖q − c_j‖) with U(r) = r² log r, Σ_j w_j = 0 and Σ_j w_j c_jᵀ = 0, computed in a frame whose
unit is half of the image's shorter side and whose origin is the image's middle: a square image is [−1, 1]² there, and a
rotation of a rectangle stays a rotation. The control points c_j are one grid over the image, the same for the whole
batch. So the kernels are evaluated once for all warps, and a batch of them is one matrix product, where
``kornia.geometry.transform.warp_image_tps``, whose control points differ from image to image, evaluates all kernels
anew for each.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from boxless.ops.precision import at_least_float32

STEPS = 12  # of Newton's method, which doubles the right digits with each
TOLERANCE = 0.01  # pixels by which a point may be missed, or a pixel lie outside


@dataclass(frozen=True)
class WarpRange:
    """What random warps are drawn from. Lengths are in units of half of the image's shorter side.

    TUSK's weak warp is ``WarpRange(0.98, 0.02, 0.05, 0.02, 0.03)``, its strong one on MNIST
    ``WarpRange(0.95, 0.05, 0.25, 0.01, 0.1)`` (release). Of 4,000 warps of a square by jitter alone, with
    four control points a side, none shrank a neighbourhood below 0.45 of its area at 0.1, nor folded at 0.2; with five,
    0.15 folds.

    Attributes:
        scale: the share of the source's frame that the warped image shows: below 1 it looks closer.
        scale_spread: the scale is uniform in scale ± this.
        rotation: radians; the angle is uniform in ± this.
        shift: uniform in ± this, in x and in y.
        jitter: of each control point, uniform in ± this, in x and in y.
        grid: control points along each side, at least 2.
    """

    scale: float = 1.0
    scale_spread: float = 0.0
    rotation: float = 0.0
    shift: float = 0.0
    jitter: float = 0.0
    grid: int = 4

    @property
    def draws(self) -> int:
        """How many uniform numbers a warp takes."""
        return 4 + 2 * self.grid**2


@dataclass(frozen=True, eq=False)
class Warp:
    """A batch of warps of images of one size."""

    controls: Tensor  # (N, 2) in units of half the shorter side, from the middle
    coefficients: Tensor  # (B, N + 3, 2) of the N kernels, of 1, of x and of y
    image_size: tuple[int, int]  # height and width, in pixels

    @cached_property
    def source_places(self) -> Tensor:
        """φ at every pixel of the warped image: where in the source it looks, (B, H, W, 2) x and y in pixels."""
        height, width = self.image_size
        device = self.controls.device
        y, x = torch.meshgrid(torch.arange(height, device=device), torch.arange(width, device=device), indexing="ij")
        pixels = torch.stack((x, y), dim=-1).view(-1, 2).float()
        return unwarp_points(pixels, self).view(-1, height, width, 2)


def random_warp(draws: Tensor, ranges: WarpRange, image_size: tuple[int, int]) -> Warp:
    """Warps from uniform numbers: scale, angle, shift in x and y, then the jitter of each control point.

    Args:
        draws: (B, ``ranges.draws``) in [0, 1), keyed by seed and step, or from a generator. 0.5 is the middle.
        ranges: what they are drawn from.
        image_size: height and width.

    Raises:
        ValueError: if there are not as many draws as a warp takes, or an image side is below 2 pixels.
    """
    if draws.ndim != 2 or draws.shape[1] != ranges.draws:
        raise ValueError(f"a warp takes {ranges.draws} draws, so they are (B, {ranges.draws}), not {draws.shape}.")
    signed = 2 * draws.double() - 1
    scale = ranges.scale + ranges.scale_spread * signed[:, 0]
    angle = ranges.rotation * signed[:, 1]
    cosine, sine = scale * angle.cos(), scale * angle.sin()
    linear = torch.stack((torch.stack((cosine, -sine), -1), torch.stack((sine, cosine), -1)), -2)  # (B, 2, 2)
    controls = _controls(ranges.grid, image_size).to(draws.device)
    moved = controls @ linear.mT + ranges.shift * signed[:, None, 2:4]
    moved = moved + ranges.jitter * signed[:, 4:].unflatten(1, (-1, 2))
    middle, unit = _frame(image_size, moved)
    return fit_warp(moved * unit + middle, image_size)


def fit_warp(sources: Tensor, image_size: tuple[int, int]) -> Warp:
    """The thin plate spline that sends each control point to a place of the source image.

    Args:
        sources: (B, N, 2) x and y in pixels, of the n×n = N control points in reading order: a grid over the image from
            corner to corner.
        image_size: height and width.

    Raises:
        ValueError: if N is not n² of at least 2 points a side, or an image side is below 2 pixels.
    """
    grid = round(sources.shape[1] ** 0.5)
    if sources.ndim != 3 or sources.shape[2] != 2 or grid < 2 or grid**2 != sources.shape[1]:
        raise ValueError(f"control points are (B, n², 2) with n of at least 2, not {tuple(sources.shape)}.")
    controls = _controls(grid, image_size)
    number = len(controls)
    rows = _kernels(controls, controls)
    system = torch.cat((rows, F.pad(rows[:, number:].T, (0, 3))))
    inverse = torch.linalg.inv(system)[:, :number].to(sources.device)
    middle, unit = _frame(image_size, sources.double())
    with torch.autocast(sources.device.type, enabled=False):
        coefficients = inverse @ ((sources.double() - middle) / unit)
    return Warp(controls.float().to(sources.device), coefficients.float(), image_size)


def warp_images(images: Tensor, warp: Warp, outside: Literal["zeros", "border"] = "zeros") -> Tensor:
    """T of eq. 4: the warped images or maps, bilinear.

    Args:
        images: (B, C, H, W) of the warp's size.
        outside: what lies outside of the source: zero, or what its border shows at the nearest place.

    Returns:
        (B, C, H, W), float32 at least, with a gradient to the images.

    Raises:
        ValueError: if number or size of the images are not the warp's.
    """
    expected = (len(warp.coefficients), *warp.image_size)
    if images.ndim != 4 or (images.shape[0], *images.shape[2:]) != expected:
        batch, height, width = expected
        raise ValueError(f"the warp is for ({batch}, C, {height}, {width}), not images of {tuple(images.shape)}.")
    images = at_least_float32(images)
    height, width = warp.image_size
    places = warp.source_places
    grid = 2 * places / places.new_tensor([width - 1, height - 1]) - 1
    return F.grid_sample(images, grid.to(images.dtype), mode="bilinear", padding_mode=outside, align_corners=True)


def valid_pixels(warp: Warp) -> Tensor:
    """Where a warped image shows what lies within its source, (B, H, W) bool; elsewhere it comes from outside."""
    height, width = warp.image_size
    places = warp.source_places
    last = places.new_tensor([width - 1, height - 1])
    return ((places >= -TOLERANCE) & (places <= last + TOLERANCE)).all(dim=-1)


def unwarp_points(points: Tensor, warp: Warp) -> Tensor:
    """φ: from places in the warped image to the places in the source that it shows there.

    Args:
        points: (B, P, 2), or (P, 2) for the same places in all images; x and y in pixels.

    Returns:
        (B, P, 2), with a gradient to the points.
    """
    middle, unit = _frame(warp.image_size, points)
    with torch.autocast(points.device.type, enabled=False):
        kernels = _kernels((points - middle) / unit, warp.controls.to(points.dtype))
        return kernels @ warp.coefficients.to(points.dtype) * unit + middle


def warp_points(points: Tensor, warp: Warp) -> Tensor:
    """φ⁻¹: where the warped image shows what the source shows at these places, by Newton's method.

    Args:
        points: (B, P, 2) x and y in pixels, in or near the image.

    Returns:
        (B, P, 2) to 0.01 pixels, with a gradient to the points; NaN where there is no such place, as may be
        where a warp folds, or far outside.

    Raises:
        ValueError: if the points are not as many sets as warps.
    """
    if points.ndim != 3 or points.shape[0] != len(warp.coefficients) or points.shape[2] != 2:
        raise ValueError(f"points are ({len(warp.coefficients)}, P, 2) for this warp, not {tuple(points.shape)}.")
    middle, unit = _frame(warp.image_size, points)
    controls, coefficients = warp.controls.to(points.dtype), warp.coefficients.to(points.dtype)
    with torch.autocast(points.device.type, enabled=False):
        goal = (points - middle) / unit
        with torch.no_grad():
            found = _solve(goal - coefficients[:, None, -3], coefficients[:, None, -2:].mT)  # as if affine
            for _ in range(STEPS):
                missed = _kernels(found, controls) @ coefficients - goal
                # a step as long as the image's half has left the neighbourhood that its slope is good for
                found = found - _solve(missed, _slopes(found, controls, coefficients)).clamp(-0.5, 0.5)
            missed = _kernels(found, controls) @ coefficients - goal
            slopes = _slopes(found, controls, coefficients)
            found = torch.where(missed.norm(dim=-1, keepdim=True) * unit < TOLERANCE, found, torch.nan)
        return (found - _solve(_kernels(found, controls) @ coefficients - goal, slopes)) * unit + middle


def _frame(image_size: tuple[int, int], like: Tensor) -> tuple[Tensor, float]:
    """Middle of the image, x and y, and half of its shorter side, in pixels."""
    height, width = image_size
    if min(image_size) < 2:
        raise ValueError(f"a warp needs an image of at least 2×2 pixels, not {height}×{width}.")
    return like.new_tensor([(width - 1) / 2, (height - 1) / 2]), (min(image_size) - 1) / 2


def _controls(grid: int, image_size: tuple[int, int]) -> Tensor:
    """(N, 2) float64: a grid from corner to corner, in reading order."""
    middle, unit = _frame(image_size, torch.empty(0, dtype=torch.float64))
    line = torch.linspace(-1, 1, grid, dtype=torch.float64)
    y, x = torch.meshgrid(line, line, indexing="ij")
    return torch.stack((x, y), dim=-1).view(-1, 2) * middle / unit


def _kernels(points: Tensor, controls: Tensor) -> Tensor:
    """U of the distance to each control point, then 1, x and y: (..., N + 3)."""
    squared = (points.unsqueeze(-2) - controls).square().sum(-1)
    kernels = 0.5 * squared * squared.clamp_min(1e-24).log()  # the slope at 0 is 0, not NaN
    return torch.cat((kernels, torch.ones_like(points[..., :1]), points), dim=-1)


def _slopes(points: Tensor, controls: Tensor, coefficients: Tensor) -> Tensor:
    """∂φ_i/∂q_j, (B, P, 2, 2): the slope of U is (log r² + 1)·(q − c)."""
    offsets = points.unsqueeze(-2) - controls  # (B, P, N, 2)
    slopes = offsets * (offsets.square().sum(-1, keepdim=True).clamp_min(1e-24).log() + 1)
    bend = coefficients[:, None, :-3].mT @ slopes  # (B, 1, 2, N) @ (B, P, N, 2)
    return bend + coefficients[:, None, -2:].mT


def _solve(right: Tensor, matrix: Tensor) -> Tensor:
    """The solution of 2×2 systems, (..., 2) of (..., 2, 2), by Cramer's rule."""
    a, b, c, d = matrix.flatten(-2).unbind(-1)
    x, y = right.unbind(-1)
    return torch.stack((d * x - b * y, a * y - c * x), dim=-1) / (a * d - b * c).unsqueeze(-1)

"""Sparse Gabor convolution noise, composed in batch as a pure function of (noise, seed, stream, index).

The paper says no more than "convolving oriented Gabor wavelets with a Poisson impulse process", citing Lagae et al.,
*Procedural Noise using Sparse Gabor Convolution* (2009), whose kernel is
K · exp(−π a² r²) · cos(2π F₀ (x cos ω + y sin ω)). What it leaves open is fixed here; the proportion of wavelength to
envelope, F₀ / a ≈ 1.25, is that of Lagae's own sample (a = 0.05, F₀ = 0.0625).

Conventions
    Places are (x, y) in pixels, x right, y down, the centre of the top-left pixel at (0, 0), and not rounded. A kernel
    is as large as its envelope is above 5 %, where Lagae cuts it; here it goes on, so that nothing has an edge.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from boxless.data.batch import Batch
from boxless.data.hashing import uniforms
from boxless.errors import BoxlessError

GREY = 0.5
EDGE = 0.05  # of the envelope, at half a kernel's size from its centre


@dataclass(frozen=True)
class GaborNoise:
    """Kernels at the points of a Poisson process of which the number is known: each lies anywhere, alone of the others.

    Attributes:
        counts: how many kernels; one of these, each as likely.
        side: of the square canvas, in pixels.
        size: of a kernel: the diameter, in pixels, at which its envelope is down to 5 %.
        wavelength: of its stripes, in pixels.
        amplitude: least and greatest height of a kernel over the grey of 0.5; more than 0.5 is clipped.
        margin: least distance of a centre from the border, in pixels.
    """

    counts: tuple[int, ...] = (16,)
    side: int = 80
    size: float = 24.0
    wavelength: float = 10.0
    amplitude: tuple[float, float] = (0.25, 0.5)
    margin: float = 12.0


class GaborGenerator:
    """Composes noise by index; the same index is the same image, in whatever batch.

    Args:
        noise: what it is made of.
        seed: another seed, other images.
        stream: keeps uses apart (training, validation, test).

    Raises:
        BoxlessError: the margin leaves no place for a centre.
    """

    class_names: tuple[str, ...] = ("kernel",)

    def __init__(self, noise: GaborNoise, seed: int = 0, stream: int = 0) -> None:
        if noise.side <= 2 * noise.margin:
            raise BoxlessError(
                f"A margin of {noise.margin} leaves no place on {noise.side} pixels; take a smaller one."
            )
        self.noise = noise
        self.key = (seed, stream)

    def compose(self, indices: Tensor) -> Batch:
        """The images of these indices, (B,) int64: grey, with kernels that add up, clipped to [0, 1].

        Orientations are uniform over half a turn, amplitudes over their range.
        """
        noise, most = self.noise, max(self.noise.counts)
        draws = uniforms((*self.key, 0), indices, 1 + 4 * most)
        number = torch.tensor(noise.counts)[(draws[:, 0] * len(noise.counts)).long()]
        present = torch.arange(most) < number.unsqueeze(1)
        kernels = draws[:, 1:].view(len(indices), most, 4)
        centers = noise.margin - 0.5 + kernels[..., :2] * (noise.side - 2 * noise.margin)
        low, high = noise.amplitude
        amplitudes = (low + kernels[..., 3] * (high - low)) * present
        return Batch(
            images=self._draw(centers, kernels[..., 2] * math.pi, amplitudes),
            labels=torch.where(present, 0, -1),
            centers=centers.float(),
            sizes=torch.full_like(centers, noise.size, dtype=torch.float32),
        )

    def _draw(self, centers: Tensor, orientations: Tensor, amplitudes: Tensor) -> Tensor:
        """cos(u + v) = cos u cos v − sin u sin v parts each kernel into two products of a row and a column.

        Rows and columns are rounded to 20 binary places: so float64 holds their products and sums without error,
        and these do not depend on the order, thus not on the batch.
        """
        noise = self.noise
        away = torch.arange(noise.side) - centers.unsqueeze(-1)  # (B, K, 2, side)
        envelope = torch.exp(math.log(EDGE) * (2 * away / noise.size).square())
        wave = torch.stack((orientations.cos(), orientations.sin()), dim=-1) * (2 * math.pi / noise.wavelength)
        phase = away * wave.unsqueeze(-1)
        even, odd = envelope * phase.cos(), envelope * phase.sin()
        scale = amplitudes[..., None]
        columns = torch.cat((even[:, :, 0] * scale, -odd[:, :, 0] * scale), dim=1)  # (B, 2K, W)
        rows = torch.cat((even[:, :, 1], odd[:, :, 1]), dim=1)  # (B, 2K, H)
        total = torch.matmul(_rounded(rows).transpose(1, 2), _rounded(columns))
        return (GREY + total).clamp(0, 1).float().unsqueeze(1)


def _rounded(x: Tensor) -> Tensor:
    return (x * 2**20).round() / 2**20

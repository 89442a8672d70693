"""Crop and paste, forward and backward, for more and more patches: memory and time, which should grow linearly.

For K patches of each of 16 images of 80×80 it prints MiB and milliseconds, in all and for each patch of an image. The
memory is the peak of a process of its own, less that of one with the same inputs and a single patch of a single image.
`python benchmarks/patches.py` takes a minute.
"""

import argparse
import time
from collections.abc import Callable

import torch
from torch import Tensor

from boxless.hardware import machine
from boxless.ops.patches import crop, paste
from memory import memory_of, peak_memory

BATCH, CHANNELS, SIDE, PATCH = 16, 1, 80, 32
NUMBERS = (1, 4, 16, 64, 256)
ROUNDS, LEAST_SECONDS = 3, 0.1
SMALLEST, LARGEST = 14.0, 36.0  # sides of the boxes, in pixels


def inputs(k: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Images, centres, sizes and patches, all with a gradient."""
    generator = torch.Generator().manual_seed(0)
    images = torch.rand(BATCH, CHANNELS, SIDE, SIDE, generator=generator)
    centers = (SIDE - 1) * torch.rand(BATCH, k, 2, generator=generator)
    sizes = SMALLEST + (LARGEST - SMALLEST) * torch.rand(BATCH, k, 2, generator=generator)
    patches = torch.rand(BATCH, k, CHANNELS, PATCH, PATCH, generator=generator)
    return images.requires_grad_(), centers.requires_grad_(), sizes.requires_grad_(), patches.requires_grad_()


def cropped(images: Tensor, centers: Tensor, sizes: Tensor, patches: Tensor) -> None:
    torch.autograd.grad(crop(images, centers, sizes, PATCH), (images, centers, sizes), patches.detach())


def pasted(images: Tensor, centers: Tensor, sizes: Tensor, patches: Tensor) -> None:
    canvas = paste(patches, centers, sizes, (SIDE, SIDE))
    torch.autograd.grad(canvas, (patches, centers, sizes), images.detach())


def nothing(images: Tensor, centers: Tensor, sizes: Tensor, patches: Tensor) -> None:
    """What a process has before: the inputs, and the libraries, which one patch of one image loads."""
    one = images[:1], centers[:1, :1], sizes[:1, :1], patches[:1, :1]
    cropped(*one)
    pasted(*one)


FUNCTIONS: dict[str, Callable[[Tensor, Tensor, Tensor, Tensor], None]] = {
    "crop": cropped,
    "paste": pasted,
    "nothing": nothing,
}


def fastest(name: str, k: int) -> float:
    """Seconds, the best of some rounds after a warm-up, each long enough to be measured."""
    given, seconds = inputs(k), []
    FUNCTIONS[name](*given)
    for _ in range(ROUNDS):
        began, times = time.perf_counter(), 0
        while time.perf_counter() - began < LEAST_SECONDS:
            FUNCTIONS[name](*given)
            times += 1
        seconds.append((time.perf_counter() - began) / times)
    return min(seconds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--numbers", type=int, nargs="+", default=NUMBERS, help="of patches of an image")
    parser.add_argument("--memory-of", nargs=2, metavar=("K", "WHAT"), help="used by the benchmark itself")
    arguments = parser.parse_args()
    if arguments.memory_of:
        k, what = arguments.memory_of
        FUNCTIONS[what](*inputs(int(k)))
        print(peak_memory())
        return
    print(machine())
    print(f"{'':8}{'K':>5}{'memory':>12}{'per patch':>14}{'time':>12}{'per patch':>14}")
    for name in ("crop", "paste"):
        for k in arguments.numbers:
            used = memory_of(__file__, str(k), name, exact=True)
            used -= memory_of(__file__, str(k), "nothing", exact=True)
            seconds = fastest(name, k)
            print(
                f"{name:8}{k:5d}{used:8d} MiB{used / k:10.2f} MiB{1000 * seconds:9.2f} ms{1000 * seconds / k:11.3f} ms",
                flush=True,
            )


if __name__ == "__main__":
    main()

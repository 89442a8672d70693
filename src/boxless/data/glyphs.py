"""Real handwritten digits as square tiles: MNIST, and the small set that scikit-learn ships."""

import os
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import interpolate, pad

from boxless.data.idx import read_idx
from boxless.errors import BoxlessError

Split = Literal["train", "test"]

TILE = 28
BOX = 20
DIGIT_NAMES = tuple("0123456789")

MNIST_URL = "https://ossci-datasets.s3.amazonaws.com/mnist/"
MNIST_CHECKSUMS = {
    "train-images-idx3-ubyte.gz": "md5:f68b3c2dcbeaaa9fbdd348bbdeb94873",
    "train-labels-idx1-ubyte.gz": "md5:d53e105ee54ea40749a09fcbcd1e9432",
    "t10k-images-idx3-ubyte.gz": "md5:9fb629c4189551a2d022fa330f9573f3",
    "t10k-labels-idx1-ubyte.gz": "md5:ec29112dd5afa0611ce80d1b7f02629c",
}

# scikit-learn's digits are split here once and for all: another seed would mix train and test between versions.
DIGITS_SPLIT_SEED = 20210621
DIGITS_TEST_SHARE = 0.2


@dataclass(frozen=True, eq=False)
class Glyphs:
    """Tiles of one object each. They are shared between callers: never write into them.

    Attributes:
        images: (N, S, S) uint8, white on black.
        labels: (N,) int64 class ids, contiguous from 0.
        box: side in pixels of the square, at the centre of the tile, that the object fills.
        class_names: the name of each class id.
    """

    images: Tensor
    labels: Tensor
    box: float
    class_names: tuple[str, ...]


def load_glyphs(source: str, split: str) -> Glyphs:
    """Handwritten digits, 28×28 with the digit in the central 20×20; train and test share no digit.

    Args:
        source: "mnist" (70,000 digits; read from ``$BOXLESS_DATA/mnist`` where its gzipped IDX files are there, else
            downloaded once, with a checksum, to the user's cache) or "digits" (the 1,797 that scikit-learn ships,
            8×8 enlarged to 20×20; always there).
        split: "train" or "test". MNIST's own; of the digits a fixed fifth of each class is the test.

    Raises:
        BoxlessError: another source or split; MNIST is broken, or cannot be had.
    """
    if split not in ("train", "test"):
        raise BoxlessError(f'The glyphs come as "train" or "test", not {split!r}.')
    if source == "mnist":
        return _mnist(os.environ.get("BOXLESS_DATA", ""), cast(Split, split))
    if source == "digits":
        return _digits(cast(Split, split))
    raise BoxlessError(f'The sources of glyphs are "mnist" and "digits", not {source!r}.')


@lru_cache(maxsize=4)
def _mnist(data: str, split: Split) -> Glyphs:
    prefix = "train" if split == "train" else "t10k"
    images_path = _mnist_file(data, f"{prefix}-images-idx3-ubyte.gz")
    labels_path = _mnist_file(data, f"{prefix}-labels-idx1-ubyte.gz")
    images, labels = read_idx(images_path, dimensions=3), read_idx(labels_path, dimensions=1)
    if images.shape[1:] != (TILE, TILE) or not len(images):
        raise BoxlessError(f"{images_path} holds {images.shape}, where images of {TILE}×{TILE} are MNIST; replace it.")
    if len(images) != len(labels) or labels.max() >= len(DIGIT_NAMES):
        raise BoxlessError(f"{labels_path} does not hold a digit for each of {len(images)} images; replace it.")
    return Glyphs(torch.from_numpy(images), torch.from_numpy(labels.astype(np.int64)), float(BOX), DIGIT_NAMES)


def _mnist_file(data: str, name: str) -> Path:
    if data and (path := Path(data, "mnist", name)).is_file():
        return path
    import pooch

    downloads = pooch.create(path=pooch.os_cache("boxless"), base_url=MNIST_URL, registry=MNIST_CHECKSUMS)
    try:
        return Path(downloads.fetch(name))
    except (OSError, ValueError) as error:  # no network; a wrong checksum
        raise BoxlessError(
            f"MNIST's {name} cannot be downloaded ({type(error).__name__}); put it into the folder mnist of "
            'the folder that the variable BOXLESS_DATA names, or take the source "digits", which needs no network.'
        ) from error


@lru_cache(maxsize=2)
def _digits(split: Split) -> Glyphs:
    from sklearn.datasets import load_digits

    pixels, classes = load_digits(return_X_y=True)
    chosen = _digits_of_split(classes, split)
    small = torch.from_numpy(pixels[chosen].reshape(-1, 1, 8, 8) / 16)
    large = interpolate(small, size=(BOX, BOX), mode="bicubic", align_corners=False, antialias=True).clamp(0, 1)
    tiles = pad(large, [(TILE - BOX) // 2] * 4)
    images = (tiles.squeeze(1) * 255).round().to(torch.uint8)
    return Glyphs(images, torch.from_numpy(classes[chosen].astype(np.int64)), float(BOX), DIGIT_NAMES)


def _digits_of_split(classes: NDArray[np.int64], split: Split) -> list[int]:
    """Sorted places of the split's digits: of each class a fixed random fifth is the test."""
    random = np.random.RandomState(DIGITS_SPLIT_SEED)  # its stream is frozen, unlike that of numpy's Generator
    chosen: list[int] = []
    for name in range(len(DIGIT_NAMES)):
        members = random.permutation(np.flatnonzero(classes == name))
        cut = round(len(members) * DIGITS_TEST_SHARE)
        chosen += (members[:cut] if split == "test" else members[cut:]).tolist()
    return sorted(chosen)

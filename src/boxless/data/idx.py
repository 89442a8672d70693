"""The IDX format of MNIST: a big-endian head (0, 0, type, number of dimensions, the dimensions), then the values."""

import gzip
import math
import struct
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from boxless.errors import BoxlessError

UNSIGNED_BYTE = 0x08
MOST_VALUES = 1 << 30


def read_idx(path: Path, dimensions: int) -> NDArray[np.uint8]:
    """Read a gzipped IDX file of unsigned bytes.

    Args:
        path: the file.
        dimensions: how many the file must have: 3 for images (N, H, W), 1 for labels (N,).

    Raises:
        BoxlessError: the file is missing, cut off, corrupt, longer than its head says, or of another kind.
    """
    try:
        with gzip.open(path, "rb") as file:
            head = file.read(4 + 4 * dimensions)
            if head[:4] != bytes([0, 0, UNSIGNED_BYTE, dimensions]) or len(head) != 4 + 4 * dimensions:
                raise _broken(path, f"its head is not that of an IDX file of bytes with {dimensions} dimension(s)")
            shape = struct.unpack(f">{dimensions}I", head[4:])
            if math.prod(shape) > MOST_VALUES:
                raise _broken(path, f"its head says {shape}, which no such file holds")
            body = file.read(math.prod(shape) + 1)
    except FileNotFoundError as error:
        raise BoxlessError(f"There is no file {path}; check the folder.") from error
    except (OSError, EOFError, zlib.error) as error:
        raise _broken(path, f"gzip says: {error}") from error
    if len(body) != math.prod(shape):
        raise _broken(path, f"its head says {shape}, and it holds {'more' if len(body) > math.prod(shape) else 'less'}")
    return np.frombuffer(body, np.uint8).reshape(shape).copy()


def _broken(path: Path, reason: str) -> BoxlessError:
    return BoxlessError(f"{path} is broken ({reason.rstrip('.')}); delete it and copy or download it again.")

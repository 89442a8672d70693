"""TFRecord files as TensorFlow writes them, by hand: framing, checksums, and the protocol buffer of an Example."""

import gzip
import struct
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from boxless.data.crc32c import crc32c

Value = bytes | list[bytes] | list[float] | list[int] | NDArray[np.uint8]
SMALL = 2**15  # bytes; the checksums of more take long bit by bit


def slow_crc32c(data: bytes) -> int:
    """Bit by bit."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def masked(data: bytes) -> bytes:
    crc = slow_crc32c(data) if len(data) < SMALL else crc32c(data)
    turned = (crc >> 15 | crc << 17) & 0xFFFFFFFF
    return struct.pack("<I", (turned + 0xA282EAD8) % 2**32)


def record(data: bytes) -> bytes:
    length = struct.pack("<Q", len(data))
    return length + masked(length) + data + masked(data)


def varint(value: int) -> bytes:
    low = value & 0x7F
    return bytes([low]) if value < 0x80 else bytes([low | 0x80]) + varint(value >> 7)


def chunk(number: int, data: bytes) -> bytes:
    return varint(number << 3 | 2) + varint(len(data)) + data


def feature(value: Value) -> bytes:
    """A list of byte strings (bytes are one, an array is one of each byte), of floats, packed, or of whole numbers."""
    if isinstance(value, np.ndarray):
        ones = np.tile(np.array([1 << 3 | 2, 1, 0], np.uint8), (value.size, 1))
        ones[:, 2] = value.reshape(-1)
        return chunk(1, ones.tobytes())
    if isinstance(value, bytes):
        return chunk(1, chunk(1, value))
    if isinstance(value[0], bytes):
        return chunk(1, b"".join(chunk(1, each) for each in value))
    if isinstance(value[0], float):
        return chunk(2, chunk(1, np.array(value, "<f4").tobytes()))
    return chunk(3, chunk(1, b"".join(varint(each) for each in value)))  # type: ignore[arg-type]


def example(features: Mapping[str, Value]) -> bytes:
    entries = (chunk(1, chunk(1, name.encode()) + chunk(2, feature(value))) for name, value in features.items())
    return chunk(1, b"".join(entries))


def write_tfrecord(path: Path, examples: Sequence[Mapping[str, Value]]) -> Path:
    path.write_bytes(gzip.compress(b"".join(record(example(each)) for each in examples), compresslevel=1))
    return path

"""TFRecord files of ``tf.train.Example``, read without TensorFlow.

A file is a gzip stream of records: the length in 8 bytes, its checksum in 4, the data, their checksum in 4. The data
are a protocol buffer: an Example holds Features, these a map from a name to a list of byte strings, of floats, or of
whole numbers (which no set that is read here has).
"""

import gzip
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from boxless.data.crc32c import masked_crc32c
from boxless.errors import BoxlessError

LARGEST = 2**26  # bytes of a record; one of CLEVR has 3 MB
BYTES, FLOATS = 1, 2  # numbers of the lists in a Feature
VARINT, FIXED64, CHUNK, FIXED32 = 0, 1, 2, 5  # wire types

Features = dict[str, NDArray[Any]]


def read_examples(path: Path) -> Iterator[Features]:
    """The features of each record in turn, with one record in memory.

    Lists of byte strings are joined to (n,) uint8, lists of floats come as (n,) float32.

    Raises:
        BoxlessError: there is no such file, it is no gzip, is cut off, a checksum is wrong, or a record is no Example.
    """
    number = 0
    try:
        with gzip.open(path, "rb") as file:
            while (record := _record(file)) is not None:
                features = example_of(record)
                number += 1
                yield features
    except FileNotFoundError as error:
        raise BoxlessError(f"There is no file {path}; check the name.") from error
    except (ValueError, EOFError, zlib.error, OSError) as error:
        reason = "it is cut off" if isinstance(error, EOFError) else str(error).rstrip(".")
        raise BoxlessError(f"{path} is broken after {number} whole records ({reason}); download it again.") from error


def _record(file: gzip.GzipFile) -> bytes | None:
    """The data of the next record; None at the end."""
    head = file.read(12)
    if not head:
        return None
    if len(head) < 12:
        raise EOFError
    length, of_length = struct.unpack("<QI", head)
    if masked_crc32c(head[:8]) != of_length:
        raise ValueError("the checksum of a length is wrong")
    if length > LARGEST:
        raise ValueError(f"a record is said to have {length:,} bytes")
    data = file.read(length + 4)
    if len(data) < length + 4:
        raise EOFError
    record = data[:length]
    if masked_crc32c(record) != int.from_bytes(data[length:], "little"):
        raise ValueError("the checksum of a record is wrong")
    return record


def example_of(record: bytes) -> Features:
    """The lists of bytes and of floats in a serialized Example, by name.

    Raises:
        ValueError: it is none; the message is the reason.
    """
    found: Features = {}
    for features in _chunks(memoryview(record), 1):
        for entry in _chunks(features, 1):
            name = b"".join(_chunks(entry, 1)).decode("utf-8", errors="replace")
            for feature in _chunks(entry, 2):
                for values in _chunks(feature, BYTES):
                    found[name] = _strings(values)
                for values in _chunks(feature, FLOATS):
                    found[name] = _floats(values)
    return found


def _strings(values: memoryview) -> NDArray[np.uint8]:
    """The byte strings of a BytesList in a row; images come as one string for each byte, of three bytes on the wire."""
    wire = np.frombuffer(values, np.uint8)
    if len(wire) % 3 == 0 and (wire[0::3] == 8 * 1 + CHUNK).all() and (wire[1::3] == 1).all():
        return wire[2::3]
    return np.frombuffer(b"".join(_chunks(values, 1)), np.uint8)


def _floats(values: memoryview) -> NDArray[np.float32]:
    """The floats of a FloatList, be they packed or one by one."""
    data = b"".join(_chunks(values, 1))
    if len(data) % 4:
        raise ValueError("a list of floats has a part of one")
    return np.frombuffer(data, "<f4")


def _chunks(message: memoryview, wanted: int) -> Iterator[memoryview]:
    """The bytes of each field of that number which has bytes: of a length that is given, or four."""
    place = 0
    while place < len(message):
        key, place = _varint(message, place)
        kind, begin = key & 7, place
        if kind == VARINT:
            _, place = _varint(message, place)
        elif kind == CHUNK:
            length, begin = _varint(message, place)
            place = begin + length
        elif kind in (FIXED32, FIXED64):
            place += 4 if kind == FIXED32 else 8
        else:
            raise ValueError(f"a field has the unknown type {kind}")
        if place > len(message):
            raise ValueError("a field is longer than its record")
        if key >> 3 == wanted and kind in (CHUNK, FIXED32):
            yield message[begin:place]


def _varint(message: memoryview, place: int) -> tuple[int, int]:
    """A whole number of 7 bits a byte, and the place behind it."""
    value = 0
    for shift in range(0, 70, 7):
        if place + shift // 7 >= len(message):
            break
        byte = message[place + shift // 7]
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, place + shift // 7 + 1
    raise ValueError("a whole number has no end")

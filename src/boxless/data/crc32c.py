"""CRC-32C (Castagnoli), the checksum of TFRecord files; no package that computes it is needed.

The checksum is linear over bits. To be fast in numpy, data are cut into lanes that are stepped together, four bytes a
step, and neighbours are then joined: crc(a b) is crc(a) brought over as many zero bytes as b has, xor crc(b).
"""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

POLYNOMIAL = 0x82F63B78  # its bits reversed
LANE = 2048  # bytes of a lane, about

Words = NDArray[np.uint32]


def crc32c(data: bytes | memoryview) -> int:
    """The CRC-32C of bytes: 0xE3069283 of b"123456789"."""
    values = np.frombuffer(data, np.uint8)
    lanes = 1 << (len(values) // LANE).bit_length()
    words = -(-len(values) // (4 * lanes))
    padded = np.zeros(4 * lanes * words, np.uint8)  # zeros in front change nothing of a checksum that starts at 0
    padded[len(padded) - len(values) :] = values
    from_zero = _joined(padded.view("<u4").reshape(lanes, words))
    start = _brought(np.array([0xFFFFFFFF], np.uint32), _over_zeros(len(values)))[0]
    return int(from_zero ^ start) ^ 0xFFFFFFFF


def masked_crc32c(data: bytes | memoryview) -> int:
    """The checksum as TFRecord files hold it, turned and shifted, so that none is taken of another."""
    crc = crc32c(data)
    return (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF


def _joined(lanes: Words) -> np.uint32:
    """The checksum, from 0, of the rows of (L, S) words after each other; L is a power of two."""
    low, high = _tables()
    crcs = np.zeros(len(lanes), np.uint32)
    for column in np.ascontiguousarray(lanes.T):
        crcs ^= column
        crcs = low[crcs & 0xFFFF] ^ high[crcs >> 16]
    over = _over_zeros(4 * lanes.shape[1])
    while len(crcs) > 1:
        crcs = _brought(crcs[0::2], over) ^ crcs[1::2]
        over = _brought(over, over)
    return np.uint32(crcs[0])


@lru_cache(maxsize=1)
def _tables() -> tuple[Words, Words]:
    """(65536,) twice: what the low and the high half of a checksum become over four zero bytes."""
    halves = np.arange(2**16, dtype=np.uint32)
    return _brought(halves, _over_zeros(4)), _brought(halves << np.uint32(16), _over_zeros(4))


@lru_cache(maxsize=64)
def _over_zeros(count: int) -> Words:
    """(32,) what a checksum of each single bit becomes over so many zero bytes."""
    power = np.uint32(1) << np.arange(32, dtype=np.uint32)
    over = power
    for _ in range(8):  # over one byte, bit by bit
        power = np.where(power & 1, (power >> 1) ^ np.uint32(POLYNOMIAL), power >> 1)
    while count:
        if count & 1:
            over = _brought(over, power)
        power = _brought(power, power)
        count >>= 1
    return over


def _brought(crcs: Words, over: Words) -> Words:
    """Each checksum as the sum of what its bits become."""
    bits = (crcs[:, None] >> np.arange(32, dtype=np.uint32)) & 1
    brought: Words = np.bitwise_xor.reduce(np.where(bits, over, np.uint32(0)), axis=1)
    return brought

import numpy as np
import pytest
from tests.data.tfrecord_files import masked, slow_crc32c

from boxless.data.crc32c import crc32c, masked_crc32c


@pytest.mark.parametrize(
    ("data", "crc"),
    [
        (b"123456789", 0xE3069283),
        (bytes(32), 0x8A9136AA),
        (b"\xff" * 32, 0x62A8AB43),
        (bytes(range(32)), 0x46DD794E),
        (bytes(range(31, -1, -1)), 0x113FDB5C),
        (b"", 0),
    ],
)
def test_the_checksums_of_rfc_3720(data: bytes, crc: int) -> None:
    assert crc32c(data) == crc


@pytest.mark.parametrize("length", [1, 2, 3, 4, 5, 2047, 2048, 2049, 4096, 9001])
def test_lanes_and_their_rests_are_joined_to_what_bit_by_bit_gives(length: int) -> None:
    data = np.random.default_rng(length).integers(0, 256, length, np.uint8).tobytes()
    assert crc32c(data) == slow_crc32c(data)
    assert masked_crc32c(data) == int.from_bytes(masked(data), "little")

import gzip
import struct
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.data.tfrecord_files import chunk, example, masked, record, varint, write_tfrecord

from boxless.data import tfrecord
from boxless.data.tfrecord import example_of, read_examples
from boxless.errors import BoxlessError

NUMBERS = {"x": [1.5, -2.0], "label": [3, 300]}


def test_records_come_in_their_order_with_bytes_and_floats(tmp_path: Path) -> None:
    path = write_tfrecord(tmp_path / "a.tfrecords", [{"image": b"abc", **NUMBERS}, {"image": b"", "x": [7.0]}])
    first, second = read_examples(path)
    assert bytes(first["image"]) == b"abc"
    assert first["x"].tolist() == [1.5, -2.0]
    assert "label" not in first  # whole numbers, which no set has
    assert (bytes(second["image"]), second["x"].tolist()) == (b"", [7.0])
    assert first["x"].dtype == np.float32


@given(st.binary(min_size=1, max_size=300), st.integers(1, 4))
def test_a_list_of_byte_strings_is_joined_however_it_is_cut(data: bytes, size: int) -> None:
    """Of one byte each, as the images are, or of more."""
    strings = [data[start : start + size] for start in range(0, len(data), size)]
    assert bytes(example_of(example({"image": strings}))["image"]) == data


def test_floats_may_come_one_by_one() -> None:
    unpacked = b"".join(varint(1 << 3 | 5) + struct.pack("<f", value) for value in (0.5, 4.0))
    entry = chunk(1, b"x") + chunk(2, chunk(2, unpacked))
    assert example_of(chunk(1, chunk(1, entry)))["x"].tolist() == [0.5, 4.0]


def test_fields_of_other_numbers_and_types_are_passed_over() -> None:
    others = (
        varint(9 << 3) + varint(2**40) + varint(9 << 3 | 1) + bytes(8) + chunk(9, b"any") + varint(9 << 3 | 5) + b"1234"
    )
    assert bytes(example_of(others + example({"image": b"abc"}) + others)["image"]) == b"abc"


@given(st.binary(max_size=60))
def test_any_bytes_are_an_example_or_said_to_be_none(data: bytes) -> None:
    with suppress(ValueError):
        assert isinstance(example_of(data), dict)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (chunk(1, b"abc")[:-1], "longer than its record"),
        (varint(1 << 3 | 2) + varint(2**60) + b"abc", "longer than its record"),
        (b"\x0a" + b"\xff" * 20, "has no end"),
        (varint(1 << 3 | 3), "unknown type 3"),
        (chunk(1, chunk(1, chunk(1, b"x") + chunk(2, chunk(2, chunk(1, b"12345"))))), "a part of one"),
    ],
)
def test_what_is_wrong_in_a_record_is_told(tmp_path: Path, data: bytes, reason: str) -> None:
    path = tmp_path / "a.tfrecords"
    path.write_bytes(gzip.compress(record(example(NUMBERS)) + record(data)))
    with pytest.raises(BoxlessError, match=rf"a\.tfrecords is broken after 1 whole records \(.*{reason}") as error:
        list(read_examples(path))
    assert "\n" not in str(error.value)


def test_a_wrong_checksum_is_found_in_the_data_and_in_the_length(tmp_path: Path) -> None:
    whole = record(example(NUMBERS))
    for place, what in ((20, "of a record"), (3, "of a length"), (len(whole) - 1, "of a record"), (9, "of a length")):
        data = bytearray(whole)
        data[place] ^= 4
        (tmp_path / "a.tfrecords").write_bytes(gzip.compress(bytes(data)))
        with pytest.raises(BoxlessError, match=f"the checksum {what} is wrong"):
            list(read_examples(tmp_path / "a.tfrecords"))


def test_a_length_that_no_record_has_is_not_tried(tmp_path: Path) -> None:
    length = struct.pack("<Q", tfrecord.LARGEST + 1)
    (tmp_path / "a.tfrecords").write_bytes(gzip.compress(length + masked(length) + bytes(100)))
    with pytest.raises(BoxlessError, match="said to have 67,108,865 bytes"):
        list(read_examples(tmp_path / "a.tfrecords"))


def test_a_file_that_was_cut_off_gives_the_records_before(tmp_path: Path) -> None:
    data = record(example(NUMBERS))
    for kept in (5, 11, 12, 30, len(data) - 1):
        (tmp_path / "a.tfrecords").write_bytes(gzip.compress(data + data[:kept]))
        records = read_examples(tmp_path / "a.tfrecords")
        assert next(records)["x"].tolist() == [1.5, -2.0]
        with pytest.raises(BoxlessError, match=r"after 1 whole records \(it is cut off\)"):
            next(records)


def test_a_gzip_stream_that_was_cut_off_or_damaged(tmp_path: Path) -> None:
    path = write_tfrecord(tmp_path / "a.tfrecords", [{"x": np.random.default_rng(0).normal(size=500).tolist()}] * 2)
    data = path.read_bytes()
    for broken in (data[: len(data) // 2], data[: len(data) // 2] + b"\xff" * 40, b"no gzip at all"):
        path.write_bytes(broken)
        with pytest.raises(BoxlessError, match=r"a\.tfrecords is broken after \d whole records \("):
            list(read_examples(path))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(BoxlessError, match=r"There is no file .*b\.tfrecords"):
        next(read_examples(tmp_path / "b.tfrecords"))


def test_what_is_no_file_is_said_to_be_broken(tmp_path: Path) -> None:
    with pytest.raises(BoxlessError, match="is broken after 0 whole records"):
        list(read_examples(tmp_path))

from pathlib import Path

import numpy as np
import pytest
import torch

from boxless.data.cifar import CLASS_NAMES, read_cifar10
from boxless.data.folder import read_folder
from boxless.data.images import to_tensor
from boxless.data.released import RELEASED
from boxless.errors import BoxlessError


def record(label: int, pixel: int = 0, row: int = 0, column: int = 0, channel: int = 0) -> bytes:
    """A record of 3,073 bytes with one pixel that is not 0."""
    planes = np.zeros((3, 32, 32), np.uint8)
    planes[channel, row, column] = pixel
    return bytes([label]) + planes.tobytes()


def batches(folder: Path, test: bytes = b"") -> Path:
    """Five training files of two records with rising classes, and a test file."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(5):
        data = record(2 * number) + record(2 * number + 1)
        (folder / f"data_batch_{number + 1}.bin").write_bytes(data)
    (folder / "test_batch.bin").write_bytes(test or record(3))
    return folder


def test_the_five_training_files_follow_each_other(tmp_path: Path) -> None:
    read = read_cifar10(batches(tmp_path), "train")
    assert read.labels.tolist() == list(range(10))
    assert read.images.shape == (10, 32, 32, 3)


def test_planes_become_channels_and_rows_stay_rows(tmp_path: Path) -> None:
    """Byte 1 + 1024 · channel + 32 · row + column of a record is that pixel."""
    data = record(9, pixel=200, row=5, column=7, channel=2)
    assert data[1 + 1024 * 2 + 32 * 5 + 7] == 200
    read = read_cifar10(batches(tmp_path, test=record(0) + data), "test")
    assert np.argwhere(read.images).tolist() == [[1, 5, 7, 2]]
    assert read.images[1, 5, 7, 2] == 200


def test_the_folder_as_it_is_unpacked(tmp_path: Path) -> None:
    batches(tmp_path / "cifar-10-batches-bin")
    assert read_cifar10(tmp_path, "test").labels.tolist() == [3]


def test_names_are_those_of_the_file_else_the_fixed_ones(tmp_path: Path) -> None:
    batches(tmp_path)
    assert read_cifar10(tmp_path, "test").class_names == CLASS_NAMES
    names = [f"class{number}" for number in range(10)]
    (tmp_path / "batches.meta.txt").write_text("\n".join(names) + "\n\n")  # the official file ends in an empty line
    assert read_cifar10(tmp_path, "test").class_names == tuple(names)


def test_too_few_names(tmp_path: Path) -> None:
    batches(tmp_path)
    (tmp_path / "batches.meta.txt").write_text("cat\ndog\ncat\n")
    with pytest.raises(BoxlessError, match=r"batches\.meta\.txt gives 2 different names"):
        read_cifar10(tmp_path, "test")


@pytest.mark.parametrize("data", [record(1)[:-1], record(1) + b"\0"], ids=["cut off", "too long"])
def test_no_whole_number_of_records(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(BoxlessError, match=rf"test_batch\.bin holds {len(data):,} bytes"):
        read_cifar10(batches(tmp_path, test=data), "test")


def test_an_empty_file(tmp_path: Path) -> None:
    batches(tmp_path)
    (tmp_path / "data_batch_4.bin").write_bytes(b"")
    with pytest.raises(BoxlessError, match=r"data_batch_4\.bin holds 0 bytes"):
        read_cifar10(tmp_path, "train")


def test_a_class_beyond_9_is_named_by_its_record(tmp_path: Path) -> None:
    with pytest.raises(BoxlessError, match="record 2 has the class 10"):
        read_cifar10(batches(tmp_path, test=record(0) + record(10)), "test")


def test_a_missing_file_says_where_the_set_is_had_and_its_licence(tmp_path: Path) -> None:
    with pytest.raises(BoxlessError, match=r"no file .*test_batch\.bin; .*cifar\.html .*licence"):
        read_cifar10(tmp_path, "test")


def test_another_split(tmp_path: Path) -> None:
    with pytest.raises(BoxlessError, match="not 'validation'"):
        read_cifar10(batches(tmp_path), "validation")


def test_written_as_a_folder_it_is_read_again(tmp_path: Path) -> None:
    """Every image with its class, to the pixel; a part that is there stays as it is."""
    data = record(9, pixel=200, row=5, column=7, channel=2)
    source = batches(tmp_path / "released", test=record(0) + data)
    assert RELEASED["cifar10"](source, tmp_path / "out") == ({"train": 10, "test": 2}, [])
    folder = read_folder(tmp_path / "out" / "test", CLASS_NAMES)
    assert [image.labels for image in folder.images] == [(0,), (9,)]
    pixels = to_tensor(folder.images[1].path, channels=3)
    assert torch.nonzero(pixels).tolist() == [[2, 5, 7]]
    assert pixels[2, 5, 7] == 200 / 255
    assert RELEASED["cifar10"](source, tmp_path / "out") == ({}, [])

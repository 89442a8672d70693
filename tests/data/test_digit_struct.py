import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from boxless.data.digit_struct import Digit, read_digit_struct
from boxless.data.svhn import read_svhn
from boxless.errors import BoxlessError

FIELDS = ("height", "label", "left", "top", "width")


def write_struct(path: Path, images: list[tuple[str, list[dict[str, float]]]]) -> None:
    """digitStruct as MATLAB 7.3 saves it: columns of references, and a single digit's numbers without them."""
    h5py = pytest.importorskip("h5py")
    with h5py.File(path, "w", userblock_size=512) as file:
        stored = file.create_group("#refs#")
        number = iter(range(10**6))

        def dataset(values: Any, dtype: Any) -> Any:
            return stored.create_dataset(f"n{next(number)}", data=np.asarray(values, dtype)).ref

        def column(references: list[Any]) -> Any:
            rows = np.empty((len(references), 1), h5py.ref_dtype)
            rows[:, 0] = references
            return rows

        names, boxes = [], []
        for name, digits in images:
            names.append(dataset([[ord(letter)] for letter in name], np.uint16))
            group = stored.create_group(f"n{next(number)}")
            for field in FIELDS:
                values = [digit[field] for digit in digits]
                if len(values) == 1:
                    group.create_dataset(field, data=np.array([values], np.float64))
                else:
                    references = column([dataset([[value]], np.float64) for value in values])
                    group.create_dataset(field, data=references, dtype=h5py.ref_dtype)
            boxes.append(group.ref)
        struct = file.create_group("digitStruct")
        struct.create_dataset("name", data=column(names), dtype=h5py.ref_dtype)
        struct.create_dataset("bbox", data=column(boxes), dtype=h5py.ref_dtype)


def digit(label: float, left: float, top: float, width: float, height: float) -> dict[str, float]:
    return {"label": label, "left": left, "top": top, "width": width, "height": height}


def house_numbers(folder: Path, images: list[tuple[str, list[dict[str, float]]]], split: str = "test") -> Path:
    (folder / split).mkdir()
    write_struct(folder / split / "digitStruct.mat", images)
    for name, _ in images:
        Image.fromarray(np.zeros((30, 60, 3), np.uint8)).save(folder / split / name)
    return folder


def test_one_digit_and_several_and_the_order_of_the_file(tmp_path: Path) -> None:
    several = [digit(1, 246, 77, 81, 219), digit(9, 323, 81, 96, 219)]
    write_struct(tmp_path / "s.mat", [("2.png", several), ("1.png", [digit(3, 4, 5, 6, 7)])])
    assert read_digit_struct(tmp_path / "s.mat") == [
        ("2.png", [Digit(1, 246, 77, 81, 219), Digit(9, 323, 81, 96, 219)]),
        ("1.png", [Digit(3, 4, 5, 6, 7)]),
    ]


def test_the_label_10_is_the_digit_0(tmp_path: Path) -> None:
    write_struct(tmp_path / "s.mat", [("1.png", [digit(10, 1, 1, 5, 9), digit(1, 7, 1, 5, 9)])])
    assert [each.label for each in read_digit_struct(tmp_path / "s.mat")[0][1]] == [0, 1]


def test_boxes_start_at_the_corner_of_a_pixel(tmp_path: Path) -> None:
    """Left 0 and width 1 is the first column, whose centre is 0 here; 10 + 4 / 2 - 0.5 = 11.5."""
    root = house_numbers(tmp_path, [("1.png", [digit(5, 0, 0, 1, 1), digit(10, 10, 2, 4, 7)])])
    (image,) = read_svhn(root, "test").images
    assert image.path == tmp_path / "test" / "1.png"
    assert image.labels == (0, 5)
    assert image.truth is not None
    assert image.truth.names == ["5", "0"]
    assert image.truth.centers.tolist() == [[0, 0], [11.5, 5]]
    assert image.truth.sizes.tolist() == [[1, 1], [4, 7]]


def test_all_bad_images_are_named_at_once(tmp_path: Path) -> None:
    write_struct(
        tmp_path / "s.mat",
        [
            ("1.png", [digit(0, 1, 1, 5, 9)]),
            ("2.png", [digit(2, 1, 1, 5, 9)]),
            ("3.png", [digit(2, 1, 1, 5, 9), digit(2, 1, 1, 0, 9)]),
            ("4.png", [digit(2, float("nan"), 1, 5, 9)]),
        ],
    )
    with pytest.raises(BoxlessError) as error:
        read_digit_struct(tmp_path / "s.mat")
    assert [line.strip() for line in str(error.value).splitlines()[1:]] == [
        "image 1: digit 1: its label is 0, where 1 to 10 are",
        "image 3: digit 2: its box (left, top, width, height) is (1.0, 1.0, 0.0, 9.0)",
        "image 4: a left is not finite",
    ]


def test_image_names_stay_in_the_folder(tmp_path: Path) -> None:
    root = house_numbers(tmp_path, [("1.png", [digit(5, 0, 0, 1, 1)])])
    write_struct(root / "test" / "digitStruct.mat", [("../secret.png", [digit(5, 0, 0, 1, 1)])])
    with pytest.raises(BoxlessError, match="leads out of the folder"):
        read_svhn(root, "test")


@pytest.mark.parametrize("kept", [0, 100, 600, 2000])
def test_a_file_that_was_cut_off(tmp_path: Path, kept: int) -> None:
    path = tmp_path / "s.mat"
    write_struct(path, [("1.png", [digit(3, 4, 5, 6, 7)])])
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(BoxlessError, match=r"s\.mat is no digitStruct of SVHN"):
        read_digit_struct(path)


def test_another_hdf5_file(tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "s.mat", "w") as file:
        file["X"] = np.zeros(3)
    with pytest.raises(BoxlessError, match=r"s\.mat is no digitStruct of SVHN"):
        read_digit_struct(tmp_path / "s.mat")


def test_without_h5py_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(BoxlessError, match=r"digitStruct\.mat needs the package h5py: pip install boxless\[hdf5\]\."):
        read_digit_struct(tmp_path / "digitStruct.mat")


def test_a_list_that_no_set_is_as_long_as_is_not_read(tmp_path: Path) -> None:
    """A few bytes of HDF5 can stand for any number of references."""
    h5py = pytest.importorskip("h5py")
    path = tmp_path / "digitStruct.mat"
    with h5py.File(path, "w") as file:
        for name in ("name", "bbox"):
            file.create_dataset(f"digitStruct/{name}", shape=(30_000_000, 1), dtype=h5py.ref_dtype, chunks=True)
    assert path.stat().st_size < 10_000
    with pytest.raises(BoxlessError, match="more than 1,000,000 images"):
        read_digit_struct(path)

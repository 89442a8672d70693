import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from scipy.io import savemat

from boxless.data.svhn_digits import read_svhn_digit_pngs, read_svhn_digits
from boxless.errors import BoxlessError


def numbered(count: int) -> NDArray[np.uint8]:
    """(N, 32, 32, 3) of noise."""
    return np.random.default_rng(0).integers(0, 256, (count, 32, 32, 3), dtype=np.uint8)


def mat(path: Path, images: NDArray[Any], labels: Any, compressed: bool = True) -> Path:
    """X (32, 32, 3, N) and y (N, 1), as the official file has them."""
    savemat(path, {"X": np.moveaxis(images, 0, 3), "y": labels}, do_compression=compressed)
    return path


class TestMat:
    @pytest.mark.parametrize("compressed", [True, False])
    def test_images_and_labels_with_10_for_the_digit_0(self, tmp_path: Path, compressed: bool) -> None:
        mat(tmp_path / "train_32x32.mat", numbered(3), np.array([[10], [1], [9]], np.uint8), compressed)
        read = read_svhn_digits(tmp_path, "train")
        assert read.labels.tolist() == [0, 1, 9]
        assert read.class_names == tuple("0123456789")
        np.testing.assert_array_equal(read.images, numbered(3))

    def test_a_single_image_whose_last_dimension_matlab_drops(self, tmp_path: Path) -> None:
        savemat(tmp_path / "test_32x32.mat", {"X": numbered(1)[0], "y": 7.0})
        read = read_svhn_digits(tmp_path, "test")
        assert read.labels.tolist() == [7]
        np.testing.assert_array_equal(read.images, numbered(1))

    @pytest.mark.parametrize("label", [0, 11, 2.5, float("nan")])
    def test_other_labels(self, tmp_path: Path, label: float) -> None:
        mat(tmp_path / "test_32x32.mat", numbered(2), np.array([[1.0], [label]]))
        with pytest.raises(BoxlessError, match=r"test_32x32\.mat is broken \(its labels are other than 1 to 10\)"):
            read_svhn_digits(tmp_path, "test")

    def test_other_shapes_and_numbers_of_labels(self, tmp_path: Path) -> None:
        mat(tmp_path / "test_32x32.mat", numbered(2)[:, :31], np.array([[1.0], [2.0]]))
        with pytest.raises(BoxlessError, match=r"its X is uint8 of the shape \(31, 32, 3, 2\)"):
            read_svhn_digits(tmp_path, "test")
        mat(tmp_path / "test_32x32.mat", numbered(2), np.ones((3, 1)))
        with pytest.raises(BoxlessError, match=r"its y has 3 labels .* for 2 images"):
            read_svhn_digits(tmp_path, "test")

    def test_objects_are_not_read(self, tmp_path: Path) -> None:
        savemat(tmp_path / "test_32x32.mat", {"X": numbered(1)[0], "y": np.array([{"a": 1}, "b"], object)})
        with pytest.raises(BoxlessError, match="its variable y is cell"):
            read_svhn_digits(tmp_path, "test")

    def test_a_missing_variable(self, tmp_path: Path) -> None:
        savemat(tmp_path / "test_32x32.mat", {"X": numbered(1)[0]})
        with pytest.raises(BoxlessError, match="its variable y is missing"):
            read_svhn_digits(tmp_path, "test")

    @pytest.mark.parametrize("kept", [0, 60, 200, 4000, -20])
    def test_a_file_that_was_cut_off(self, tmp_path: Path, kept: int) -> None:
        path = mat(tmp_path / "test_32x32.mat", numbered(2), np.ones((2, 1), np.uint8))
        path.write_bytes(path.read_bytes()[:kept])
        with pytest.raises(BoxlessError, match=r"test_32x32\.mat is broken \(.+\); delete it"):
            read_svhn_digits(tmp_path, "test")

    def test_a_flipped_byte_of_the_compressed_pixels(self, tmp_path: Path) -> None:
        path = mat(tmp_path / "test_32x32.mat", numbered(2), np.ones((2, 1), np.uint8))
        data = bytearray(path.read_bytes())
        data[3000] ^= 0xFF
        path.write_bytes(data)
        with pytest.raises(BoxlessError, match=r"test_32x32\.mat is broken"):
            read_svhn_digits(tmp_path, "test")

    def test_garbage(self, tmp_path: Path) -> None:
        (tmp_path / "test_32x32.mat").write_bytes(np.random.default_rng(1).bytes(5000))
        with pytest.raises(BoxlessError, match=r"test_32x32\.mat is broken"):
            read_svhn_digits(tmp_path, "test")

    def test_a_missing_file_says_where_the_set_is_had(self, tmp_path: Path) -> None:
        with pytest.raises(BoxlessError, match=r"extra_32x32\.mat; SVHN is had at .* \(for non-commercial use only\)"):
            read_svhn_digits(tmp_path, "extra")


def crops(folder: Path, *rows: str, **files: bytes) -> Path:
    (folder / "crops_labels.csv").write_text("\n".join(["crop,full_number_image,digit_index,label", *rows]))
    with zipfile.ZipFile(folder / "crops.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(f"{name.removeprefix('n')}.png", data)
    return folder


def png(pixels: NDArray[np.uint8]) -> bytes:
    data = io.BytesIO()
    Image.fromarray(pixels).save(data, format="PNG")
    return data.getvalue()


class TestPngs:
    def test_images_in_the_order_of_the_table(self, tmp_path: Path) -> None:
        first, second = numbered(2)
        read = read_svhn_digit_pngs(crops(tmp_path, "9,300,0,4", "2,301,1,0", n2=png(second), n9=png(first)))
        np.testing.assert_array_equal(read.images, numbered(2))
        assert read.labels.tolist() == [4, 0]
        assert read.groups is not None
        assert read.groups.tolist() == [300, 301]

    def test_digits_of_the_numbers_that_evaluation_uses_are_left_out(self, tmp_path: Path) -> None:
        data = png(numbered(1)[0])
        crops(tmp_path, "1,1,0,4", "2,256,0,5", "3,257,0,6", n1=data, n2=data, n3=data)
        assert read_svhn_digit_pngs(tmp_path).labels.tolist() == [6]
        assert read_svhn_digit_pngs(tmp_path, without_numbers=()).labels.tolist() == [4, 5, 6]

    def test_all_bad_rows_are_named_at_once(self, tmp_path: Path) -> None:
        good = png(numbered(1)[0])
        files = {"n2": good[:200], "n3": png(numbered(1)[0, :31]), "n4": b"words", "n5": bytes(70_000), "n6": good}
        crops(tmp_path, *(f"{number},400,0,1" for number in range(1, 6)), "6,400,0,10", **files)
        with pytest.raises(BoxlessError) as error:
            read_svhn_digit_pngs(tmp_path)
        lines = [line.strip() for line in str(error.value).splitlines()[1:]]
        assert lines[0] == "line 2: there is no 1.png in the archive"
        assert lines[1].startswith("line 3: 2.png cannot be decoded")
        assert lines[2] == "line 4: 3.png is 32×31, where digits are 32×32"
        assert lines[3].startswith("line 5: 4.png cannot be decoded")
        assert lines[4] == "line 6: 5.png has more than 65,536 bytes"
        assert lines[5] == "line 7: its label is 10, no digit"

    def test_a_broken_archive(self, tmp_path: Path) -> None:
        crops(tmp_path, "1,400,0,1")
        (tmp_path / "crops.zip").write_bytes(b"PK\x03\x04 and no more")
        with pytest.raises(BoxlessError, match=r"crops\.zip is broken \(File is not a zip file\)"):
            read_svhn_digit_pngs(tmp_path)

    def test_a_missing_archive(self, tmp_path: Path) -> None:
        crops(tmp_path, "1,400,0,1")
        (tmp_path / "crops.zip").unlink()
        with pytest.raises(BoxlessError, match=r"no file .*crops\.zip; SVHN is had at"):
            read_svhn_digit_pngs(tmp_path)

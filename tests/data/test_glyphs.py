import gzip
import struct
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from boxless.data import glyphs as module
from boxless.data.glyphs import load_glyphs
from boxless.data.idx import read_idx
from boxless.errors import BoxlessError

RANDOM = np.random.default_rng(0)
IMAGES = RANDOM.integers(0, 256, (5, 28, 28), dtype=np.uint8)
LABELS = np.array([3, 1, 4, 1, 9], np.uint8)


def idx(values: np.ndarray) -> bytes:
    return bytes([0, 0, 8, values.ndim]) + struct.pack(f">{values.ndim}I", *values.shape) + values.tobytes()


@pytest.fixture
def mnist(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder of small files in MNIST's format, which BOXLESS_DATA names."""
    folder = tmp_path / "mnist"
    folder.mkdir()
    for prefix, shift in (("train", 0), ("t10k", 100)):
        folder.joinpath(f"{prefix}-images-idx3-ubyte.gz").write_bytes(gzip.compress(idx(IMAGES + np.uint8(shift))))
        folder.joinpath(f"{prefix}-labels-idx1-ubyte.gz").write_bytes(gzip.compress(idx(LABELS)))
    monkeypatch.setenv("BOXLESS_DATA", str(tmp_path))
    module._mnist.cache_clear()
    yield folder
    module._mnist.cache_clear()


class TestIdx:
    def test_values_lie_where_the_head_says(self, tmp_path: Path) -> None:
        values = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)
        path = tmp_path / "values.gz"
        path.write_bytes(gzip.compress(idx(values)))
        np.testing.assert_array_equal(read_idx(path, dimensions=3), values)

    @pytest.mark.parametrize(
        "content",
        [
            gzip.compress(idx(IMAGES))[:-500],
            gzip.compress(idx(IMAGES)[:-1]),
            gzip.compress(idx(IMAGES) + b"!"),
            gzip.compress(idx(LABELS)),
            gzip.compress(idx(IMAGES).replace(b"\x08", b"\x0d", 1)),
            gzip.compress(bytes([0, 0, 8, 3]) + b"\xff" * 12),
            gzip.compress(b"\0\0"),
            gzip.compress(idx(IMAGES))[:2000] + b"garbage" * 400,
            b"<html>404</html>",
            b"",
        ],
        ids="cut short long labels floats endless headless corrupt html empty".split(),  # noqa: SIM905
    )
    def test_broken_files_are_named_in_one_sentence(self, tmp_path: Path, content: bytes) -> None:
        path = tmp_path / "images.gz"
        path.write_bytes(content)
        with pytest.raises(BoxlessError, match="is broken") as error:
            read_idx(path, dimensions=3)
        assert str(path) in str(error.value)
        assert "\n" not in str(error.value)

    def test_missing_file(self, tmp_path: Path) -> None:
        with pytest.raises(BoxlessError, match="There is no file"):
            read_idx(tmp_path / "images.gz", dimensions=3)


class TestMnist:
    def test_train_and_test_come_from_their_own_files(self, mnist: Path) -> None:
        train, test = load_glyphs("mnist", "train"), load_glyphs("mnist", "test")
        np.testing.assert_array_equal(train.images.numpy(), IMAGES)
        np.testing.assert_array_equal(test.images.numpy(), IMAGES + np.uint8(100))
        assert train.labels.tolist() == [3, 1, 4, 1, 9]
        assert train.labels.dtype == torch.int64
        assert train.box == 20

    def test_files_are_read_once(self, mnist: Path) -> None:
        assert load_glyphs("mnist", "train") is load_glyphs("mnist", "train")

    def test_images_of_another_size(self, mnist: Path) -> None:
        mnist.joinpath("train-images-idx3-ubyte.gz").write_bytes(gzip.compress(idx(IMAGES[:, :20])))
        with pytest.raises(BoxlessError, match=r"\(5, 20, 28\)"):
            load_glyphs("mnist", "train")

    @pytest.mark.parametrize("labels", [LABELS[:4], LABELS + np.uint8(1)])
    def test_labels_that_do_not_fit(self, mnist: Path, labels: np.ndarray) -> None:
        mnist.joinpath("train-labels-idx1-ubyte.gz").write_bytes(gzip.compress(idx(labels)))
        with pytest.raises(BoxlessError, match="does not hold a digit for each of 5 images"):
            load_glyphs("mnist", "train")

    @pytest.mark.parametrize("failure", [ConnectionError("no route"), ValueError("MD5 hash does not match")])
    def test_failed_download_names_the_ways_out(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failure: Exception
    ) -> None:
        import pooch

        def fail(*arguments: object, **options: object) -> str:
            raise failure

        monkeypatch.setattr(pooch.Pooch, "fetch", fail)
        monkeypatch.setenv("BOXLESS_DATA", str(tmp_path))
        module._mnist.cache_clear()
        with pytest.raises(BoxlessError, match=r'BOXLESS_DATA.*"digits"') as error:
            load_glyphs("mnist", "train")
        assert "\n" not in str(error.value)

    def test_download_is_checked_and_cached(self, mnist: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Without BOXLESS_DATA the files come from pooch, by name, with the known checksums."""
        import pooch

        asked = []

        def fetch(downloads: pooch.Pooch, name: str) -> str:
            asked.append((name, downloads.registry[name], downloads.get_url(name).rpartition("/")[2]))
            return str(mnist / name)

        monkeypatch.setattr(pooch.Pooch, "fetch", fetch)
        monkeypatch.delenv("BOXLESS_DATA")
        assert load_glyphs("mnist", "test").labels.tolist() == [3, 1, 4, 1, 9]
        images, labels = "t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz"
        assert asked == [
            (images, "md5:9fb629c4189551a2d022fa330f9573f3", images),
            (labels, "md5:ec29112dd5afa0611ce80d1b7f02629c", labels),
        ]


class TestDigits:
    def test_train_and_test_are_all_digits_and_share_none(self) -> None:
        from sklearn.datasets import load_digits

        classes = load_digits(return_X_y=True)[1]
        train, test = module._digits_of_split(classes, "train"), module._digits_of_split(classes, "test")
        assert sorted(train + test) == list(range(1797))

    def test_a_tile_shows_the_digit_that_its_label_says(self) -> None:
        """Averaging a tile back to 8×8 gives the digit of scikit-learn that has its label."""
        from sklearn.datasets import load_digits

        pixels, classes = load_digits(return_X_y=True)
        glyphs = load_glyphs("digits", "test")
        inner = glyphs.images[:40, None, 4:24, 4:24] / 255
        small = torch.nn.functional.adaptive_avg_pool2d(inner, 8).flatten(1)
        distances = torch.cdist(small, torch.from_numpy(pixels / 16).float())
        assert classes[distances.argmin(dim=1).numpy()].tolist() == glyphs.labels[:40].tolist()
        assert distances.min(dim=1).values.max() < 1

    def test_each_class_is_parted_alike(self) -> None:
        train, test = (load_glyphs("digits", split).labels.bincount() for split in ("train", "test"))
        torch.testing.assert_close(test / (train + test), torch.full((10,), 0.2), atol=0.004, rtol=0)

    def test_split_never_changes(self) -> None:
        """Another split would mix the training digits of an old model into the test of a new version."""
        from sklearn.datasets import load_digits

        test = module._digits_of_split(load_digits(return_X_y=True)[1], "test")
        assert (len(test), test[:10], sum(test)) == (359, [2, 5, 6, 10, 15, 19, 33, 37, 39, 40], 322690)

    def test_digit_fills_the_box_in_the_middle_of_the_tile(self) -> None:
        images = load_glyphs("digits", "train").images
        outside = torch.ones(28, 28, dtype=torch.bool)
        outside[4:24, 4:24] = False
        assert images[:, outside].max() == 0
        rows, columns = images.float().mean(0).sum(1), images.float().mean(0).sum(0)
        assert rows[[4, 23]].min() > 0
        assert columns[[4, 23]].min() > 0
        assert images.max() == 255


@pytest.mark.parametrize(("source", "split"), [("emnist", "train"), ("digits", "validation")])
def test_what_is_not_there_is_named(source: str, split: str) -> None:
    with pytest.raises(BoxlessError, match=r"emnist|validation"):
        load_glyphs(source, split)

import struct
import zlib
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageOps

from boxless.data.images import PIXEL_LIMIT, UnreadableImage, list_images, read_image, to_tensor
from boxless.errors import BoxlessError

RANDOM = np.random.default_rng(0)
GREY = RANDOM.integers(0, 256, (4, 7), dtype=np.uint8)
COLOUR = RANDOM.integers(0, 256, (4, 7, 3), dtype=np.uint8)
WIDE = RANDOM.integers(0, 65536, (4, 7), dtype=np.uint16)


def luma(colour: np.ndarray) -> np.ndarray:
    return 0.299 * colour[..., 0] + 0.587 * colour[..., 1] + 0.114 * colour[..., 2]


def saved(path: Path, image: Image.Image, **options: object) -> Path:
    image.save(path, **options)
    return path


def assert_one_sentence_about(path: Path, error: pytest.ExceptionInfo[UnreadableImage]) -> None:
    message = str(error.value)
    assert str(path) in message
    assert "\n" not in message
    assert message.endswith(".")


def png_that_claims(width: int, height: int) -> bytes:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"\0" * 100)) + chunk(b"IEND", b"")
    )


class TestFilesThatCannotBeRead:
    def test_truncated_jpeg(self, tmp_path: Path) -> None:
        noise = RANDOM.integers(0, 256, (64, 64, 3), dtype=np.uint8)
        path = saved(tmp_path / "cut.jpg", Image.fromarray(noise))
        path.write_bytes(path.read_bytes()[:1500])
        with pytest.raises(UnreadableImage, match="truncated") as error:
            read_image(path, 3)
        assert_one_sentence_about(path, error)

    def test_truncated_png(self, tmp_path: Path) -> None:
        noise = RANDOM.integers(0, 256, (64, 64, 3), dtype=np.uint8)
        path = saved(tmp_path / "cut.png", Image.fromarray(noise))
        path.write_bytes(path.read_bytes()[:1500])
        with pytest.raises(UnreadableImage) as error:
            read_image(path, 3)
        assert_one_sentence_about(path, error)

    @pytest.mark.parametrize(
        "content",
        [
            b"these are words, not pixels",
            b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n",
            b"\x89PNG\r\n\x1a\n",
        ],
    )
    def test_other_content_named_png(self, tmp_path: Path, content: bytes) -> None:
        path = tmp_path / "words.png"
        path.write_bytes(content)
        with pytest.raises(UnreadableImage, match="not an image of a known format") as error:
            read_image(path, 3)
        assert_one_sentence_about(path, error)

    def test_empty_file(self, tmp_path: Path) -> None:
        path = tmp_path / "empty.png"
        path.touch()
        with pytest.raises(UnreadableImage, match="empty file") as error:
            read_image(path, 1)
        assert_one_sentence_about(path, error)

    def test_missing_file(self, tmp_path: Path) -> None:
        path = tmp_path / "gone.png"
        with pytest.raises(UnreadableImage, match="There is no image file") as error:
            read_image(path, 1)
        assert_one_sentence_about(path, error)

    def test_folder(self, tmp_path: Path) -> None:
        with pytest.raises(UnreadableImage, match="is a folder") as error:
            read_image(tmp_path, 1)
        assert_one_sentence_about(tmp_path, error)

    @pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
    @pytest.mark.parametrize("side", [9_000, 12_000, 30_000])  # below, above, and far above Pillow's own limit
    def test_more_pixels_than_the_limit(self, tmp_path: Path, side: int) -> None:
        path = tmp_path / "bomb.png"
        path.write_bytes(png_that_claims(side, side))
        before = Image.MAX_IMAGE_PIXELS
        with pytest.raises(UnreadableImage, match=f"more than {PIXEL_LIMIT:,} pixels") as error:
            read_image(path, 1)
        assert_one_sentence_about(path, error)
        assert before == Image.MAX_IMAGE_PIXELS

    def test_32_bits_beyond_16(self, tmp_path: Path) -> None:
        path = saved(tmp_path / "deep.tif", Image.fromarray(np.array([[0, 70_000]], np.int32)))
        with pytest.raises(UnreadableImage, match="0 to 70000") as error:
            read_image(path, 1)
        assert_one_sentence_about(path, error)

    def test_float_file_out_of_range(self, tmp_path: Path) -> None:
        path = saved(tmp_path / "raw.tif", Image.fromarray(np.array([[0.0, 812.5]], np.float32)))
        with pytest.raises(UnreadableImage, match=r"from 0 to 812\.5") as error:
            read_image(path, 1)
        assert_one_sentence_about(path, error)


class TestModes:
    def test_8_bit_grey(self, tmp_path: Path) -> None:
        path = saved(tmp_path / "grey.png", Image.fromarray(GREY))
        np.testing.assert_array_equal(read_image(path, 1)[..., 0], GREY / np.float32(255))

    def test_grey_is_repeated_to_colours(self, tmp_path: Path) -> None:
        path = saved(tmp_path / "grey.png", Image.fromarray(GREY))
        np.testing.assert_array_equal(read_image(path, 3), np.stack([GREY / np.float32(255)] * 3, axis=2))

    def test_colours_stay_in_their_order(self, tmp_path: Path) -> None:
        path = saved(tmp_path / "colour.png", Image.fromarray(COLOUR))
        np.testing.assert_array_equal(read_image(path, 3), COLOUR / np.float32(255))

    def test_colours_become_grey_by_luma(self, tmp_path: Path) -> None:
        path = saved(tmp_path / "colour.png", Image.fromarray(COLOUR))
        np.testing.assert_allclose(read_image(path, 1)[..., 0], luma(COLOUR / 255), atol=1e-6)

    def test_white_is_one_and_no_more_after_luma(self, tmp_path: Path) -> None:
        path = saved(tmp_path / "white.png", Image.new("RGB", (3, 2), "white"))
        grey = read_image(path, 1)
        assert grey.max() <= 1
        np.testing.assert_allclose(grey, 1, atol=1e-6)

    @pytest.mark.parametrize("suffix", ["png", "tif"])
    def test_16_bit_grey(self, tmp_path: Path, suffix: str) -> None:
        path = saved(tmp_path / f"deep.{suffix}", Image.fromarray(WIDE))
        np.testing.assert_allclose(read_image(path, 1)[..., 0], WIDE / 65535, atol=1e-7)

    def test_16_bit_big_endian(self, tmp_path: Path) -> None:
        image = Image.frombytes("I;16B", (7, 4), WIDE.astype(">u2").tobytes())
        path = saved(tmp_path / "deep.tif", image)
        with Image.open(path) as opened:
            assert opened.mode == "I;16B"
        np.testing.assert_allclose(read_image(path, 1)[..., 0], WIDE / 65535, atol=1e-7)

    def test_16_bit_little_endian_in_memory(self) -> None:
        image = Image.frombytes("I;16L", (7, 4), WIDE.astype("<u2").tobytes())
        np.testing.assert_allclose(to_tensor(image, 1)[0].numpy(), WIDE / 65535, atol=1e-7)

    def test_16_bit_pgm_which_pillow_opens_as_32_bits(self, tmp_path: Path) -> None:
        path = tmp_path / "deep.pgm"
        path.write_bytes(b"P5 7 4 65535\n" + WIDE.astype(">u2").tobytes())
        with Image.open(path) as opened:
            assert opened.mode == "I"
        np.testing.assert_allclose(read_image(path, 1)[..., 0], WIDE / 65535, atol=1e-7)

    def test_16_bit_png_with_a_transparent_value(self, tmp_path: Path) -> None:
        path = saved(tmp_path / "deep.png", Image.fromarray(np.array([[500, 40_000]], np.uint16)), transparency=500)
        np.testing.assert_allclose(read_image(path, 1)[..., 0], [[0, 40_000 / 65535]], atol=1e-7)

    def test_floats(self, tmp_path: Path) -> None:
        values = RANDOM.random((4, 7), dtype=np.float32)
        path = saved(tmp_path / "float.tif", Image.fromarray(values))
        np.testing.assert_array_equal(read_image(path, 1)[..., 0], values)

    def test_1_bit(self, tmp_path: Path) -> None:
        bits = GREY > 127
        path = saved(tmp_path / "bits.png", Image.fromarray(bits))
        np.testing.assert_array_equal(read_image(path, 1)[..., 0], bits.astype(np.float32))

    def test_palette(self, tmp_path: Path) -> None:
        image = Image.frombytes("P", (3, 1), bytes([2, 0, 1]))
        image.putpalette([255, 0, 0, 0, 255, 0, 0, 0, 255])
        path = saved(tmp_path / "palette.png", image)
        np.testing.assert_array_equal(read_image(path, 3), [[[0, 0, 1], [1, 0, 0], [0, 1, 0]]])

    def test_palette_with_transparency_is_on_black(self, tmp_path: Path) -> None:
        image = Image.frombytes("P", (3, 1), bytes([2, 0, 1]))
        image.putpalette([255, 0, 0, 0, 255, 0, 0, 0, 255])
        path = saved(tmp_path / "palette.png", image, transparency=bytes([0, 51, 255]))
        np.testing.assert_allclose(read_image(path, 3), [[[0, 0, 1], [0, 0, 0], [0, 0.2, 0]]], atol=1e-7)

    def test_cmyk(self, tmp_path: Path) -> None:
        # all cyan, all black ink, no ink
        path = saved(
            tmp_path / "ink.tif", Image.frombytes("CMYK", (3, 1), bytes([255, 0, 0, 0, 0, 0, 0, 255, 0, 0, 0, 0]))
        )
        np.testing.assert_array_equal(read_image(path, 3), [[[0, 1, 1], [0, 0, 0], [1, 1, 1]]])

    def test_cmyk_jpeg(self, tmp_path: Path) -> None:
        path = saved(tmp_path / "ink.jpg", Image.new("CMYK", (16, 8), (255, 0, 0, 0)), quality=95)
        np.testing.assert_allclose(read_image(path, 3), np.broadcast_to([0, 1, 1], (8, 16, 3)), atol=0.02)

    def test_grey_with_alpha_is_on_black(self, tmp_path: Path) -> None:
        path = saved(tmp_path / "la.png", Image.frombytes("LA", (2, 1), bytes([255, 51, 100, 255])))
        np.testing.assert_allclose(read_image(path, 1)[..., 0], [[0.2, 100 / 255]], atol=1e-6)

    def test_colours_with_alpha_are_on_black(self, tmp_path: Path) -> None:
        path = saved(tmp_path / "rgba.png", Image.frombytes("RGBA", (2, 1), bytes([255, 0, 255, 51, 9, 8, 7, 0])))
        np.testing.assert_allclose(read_image(path, 3), [[[0.2, 0, 0.2], [0, 0, 0]]], atol=1e-7)

    def test_other_colour_spaces(self) -> None:
        image = Image.fromarray(COLOUR).convert("YCbCr")
        expected = torch.from_numpy(np.array(image.convert("RGB"))).permute(2, 0, 1) / 255
        torch.testing.assert_close(to_tensor(image, 3), expected)


class TestSizes:
    def test_1_by_1(self, tmp_path: Path) -> None:
        path = saved(tmp_path / "dot.png", Image.new("L", (1, 1), 51))
        np.testing.assert_allclose(read_image(path, 1), [[[0.2]]], atol=1e-7)

    def test_6000_by_4000(self, tmp_path: Path) -> None:
        image = Image.new("L", (6000, 4000))
        image.paste(255, (4500, 1000, 6000, 4000))
        grey = read_image(saved(tmp_path / "large.png", image, compress_level=1), 1)
        assert grey.shape == (4000, 6000, 1)
        assert grey[1000:, 4500:].min() == 1
        assert grey.sum(dtype=np.float64) == 1500 * 3000


class TestOrientation:
    @pytest.mark.parametrize("orientation", range(1, 9))
    def test_exif_is_applied_as_by_pillow(self, tmp_path: Path, orientation: int) -> None:
        exif = Image.Exif()
        exif[0x0112] = orientation
        path = saved(tmp_path / "turned.png", Image.fromarray(COLOUR), exif=exif)
        with Image.open(path) as image:
            upright = np.asarray(ImageOps.exif_transpose(image))
        np.testing.assert_array_equal(read_image(path, 3), upright / np.float32(255))

    def test_of_a_tiff_is_applied_once(self, tmp_path: Path) -> None:
        path = saved(tmp_path / "turned.tif", Image.fromarray(GREY), tiffinfo={0x0112: 6})
        np.testing.assert_array_equal(read_image(path, 1)[..., 0], np.rot90(GREY, -1) / np.float32(255))

    def test_of_a_16_bit_image(self, tmp_path: Path) -> None:
        exif = Image.Exif()
        exif[0x0112] = 8
        path = saved(tmp_path / "turned.png", Image.fromarray(WIDE), exif=exif)
        np.testing.assert_allclose(read_image(path, 1)[..., 0], np.rot90(WIDE) / 65535, atol=1e-7)

    def test_of_a_pillow_image_is_applied_as_for_its_file(self, tmp_path: Path) -> None:
        exif = Image.Exif()
        exif[0x0112] = 6
        path = saved(tmp_path / "turned.png", Image.fromarray(COLOUR), exif=exif)
        with Image.open(path) as image:
            torch.testing.assert_close(to_tensor(image, 3), to_tensor(path, 3))

    @pytest.mark.filterwarnings("ignore:Corrupt EXIF data")
    @pytest.mark.parametrize(
        "exif",
        [
            b"Exif\0\0MM\0*\0\0\0\x08\xff\xff\x01\x12",  # cut off
            b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x02\0\0\0\x04top\0\0\0\0\0",  # the orientation is a word
            b"Exif\0\0??",
        ],
    )
    def test_broken_exif_leaves_the_image_as_it_is(self, tmp_path: Path, exif: bytes) -> None:
        path = saved(tmp_path / "odd.png", Image.fromarray(GREY), exif=exif)
        np.testing.assert_array_equal(read_image(path, 1)[..., 0], GREY / np.float32(255))


class TestToTensor:
    def test_every_kind_of_the_same_image_is_the_same(self, tmp_path: Path) -> None:
        expected = torch.from_numpy(COLOUR).permute(2, 0, 1) / 255
        path = saved(tmp_path / "colour.png", Image.fromarray(COLOUR))
        tensor = torch.from_numpy(COLOUR).permute(2, 0, 1)
        for image in (path, str(path), Image.fromarray(COLOUR), COLOUR, tensor, tensor / 255, COLOUR / 255):
            torch.testing.assert_close(to_tensor(image, 3), expected)

    @pytest.mark.parametrize(
        "grey",
        [
            GREY,
            GREY[:, :, None],
            torch.from_numpy(GREY),
            torch.from_numpy(GREY)[None],
            GREY.astype(np.uint16) * 257,
            (GREY.astype(np.uint16) * 257).astype(">u2"),
            torch.from_numpy(GREY.astype(np.uint16) * 257),
            (GREY / 255).astype(np.float64),
            np.asfortranarray(GREY)[::-1][::-1],
        ],
    )
    def test_grey_arrays(self, grey: np.ndarray | torch.Tensor) -> None:
        torch.testing.assert_close(to_tensor(grey, 1), torch.from_numpy(GREY / np.float32(255))[None])

    def test_bool_is_zero_and_one(self) -> None:
        torch.testing.assert_close(to_tensor(np.array([[True, False]]), 1), torch.tensor([[[1.0, 0.0]]]))

    def test_bfloat16(self) -> None:
        torch.testing.assert_close(to_tensor(torch.tensor([[0.5, 1.0]]).bfloat16(), 1), torch.tensor([[[0.5, 1.0]]]))

    def test_tensor_of_colours_becomes_grey_by_luma(self) -> None:
        colour = torch.tensor([1.0, 0.0, 0.0]).reshape(3, 1, 1)
        torch.testing.assert_close(to_tensor(colour, 1), torch.tensor([[[0.299]]]))

    def test_result_is_a_copy(self) -> None:
        mine = np.full((2, 3), 0.5, np.float32)
        to_tensor(mine, 1).zero_()
        assert mine.min() == 0.5

    def test_rounding_beyond_one_is_clipped(self) -> None:
        assert to_tensor(np.array([[1 + 1e-7, -1e-7]]), 1).tolist() == [[[1.0, 0.0]]]

    @pytest.mark.parametrize(
        ("values", "reason"),
        [
            (np.array([[0.0, 255.0]]), "from 0 to 255"),
            (np.array([[-0.5, 0.5]]), "from -0.5 to 0.5"),
            (np.array([[np.nan, 0.5]]), "not finite"),
            (torch.tensor([[torch.inf, 0.5]]), "not finite"),
            (np.array([[1, 2]]), "int64"),
            (np.array([[1j]]), "complex128"),
            (np.zeros((0, 3), np.uint8), "no pixels"),
            (Image.new("L", (0, 3)), "no pixels"),
        ],
    )
    def test_values_that_are_no_image(self, values: np.ndarray | torch.Tensor | Image.Image, reason: str) -> None:
        with pytest.raises(UnreadableImage, match=reason) as error:
            to_tensor(values, 1)
        assert "\n" not in str(error.value)

    @pytest.mark.parametrize("shape", [(3, 8, 9), (8, 9, 4), (2, 8, 9, 3), (9,), ()])
    def test_array_shapes_that_are_not_taken(self, shape: tuple[int, ...]) -> None:
        with pytest.raises(UnreadableImage, match=r"\(height, width, 3\)"):
            to_tensor(np.zeros(shape, np.uint8), 3)

    @pytest.mark.parametrize("shape", [(8, 9, 3), (4, 8, 9), (2, 3, 8, 9), (9,), ()])
    def test_tensor_shapes_that_are_not_taken(self, shape: tuple[int, ...]) -> None:
        with pytest.raises(UnreadableImage, match=r"\(3, height, width\)"):
            to_tensor(torch.zeros(shape), 3)

    def test_other_objects(self) -> None:
        with pytest.raises(UnreadableImage, match="not list"):
            to_tensor([[0, 1]], 1)  # type: ignore[arg-type]

    def test_other_numbers_of_channels(self) -> None:
        with pytest.raises(BoxlessError, match="not 2"):
            to_tensor(GREY, 2)

    def test_pillow_image_that_is_cut_off(self, tmp_path: Path) -> None:
        buffer = BytesIO()
        Image.fromarray(RANDOM.integers(0, 256, (64, 64, 3), dtype=np.uint8)).save(buffer, "JPEG")
        image = Image.open(BytesIO(buffer.getvalue()[:1500]))
        with pytest.raises(UnreadableImage, match="cannot be decoded"):
            to_tensor(image, 3)


class TestListImages:
    def test_folders_are_searched_and_sorted_and_files_kept(self, tmp_path: Path) -> None:
        for name in ("b.PNG", "a/z.jpeg", "a/notes.txt", "c.tif", ".hidden.png", ".cache/x.png"):
            (tmp_path / "in" / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / "in" / name).touch()
        odd = tmp_path / "photo.dat"
        odd.touch()
        folder = tmp_path / "in"
        assert list_images([odd, folder]) == [odd, folder / "a/z.jpeg", folder / "b.PNG", folder / "c.tif"]

    def test_a_file_that_is_given_twice_is_listed_once(self, tmp_path: Path) -> None:
        (tmp_path / "a.png").touch()
        (tmp_path / "b.png").touch()
        assert list_images([tmp_path / "b.png", tmp_path]) == [tmp_path / "b.png", tmp_path / "a.png"]

    def test_a_file_that_is_given_by_two_names_is_listed_once(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "a.png").write_bytes(b"")
        monkeypatch.chdir(tmp_path)
        assert list_images(["a.png", tmp_path, f"../{tmp_path.name}/a.png"]) == [Path("a.png")]

    def test_one_path_alone(self, tmp_path: Path) -> None:
        (tmp_path / "a.png").touch()
        assert list_images(str(tmp_path)) == [tmp_path / "a.png"]

    def test_missing_paths_are_all_named(self, tmp_path: Path) -> None:
        with pytest.raises(BoxlessError, match=r"x\.png, .*y\.png"):
            list_images([tmp_path / "x.png", tmp_path, tmp_path / "y.png"])

    def test_no_image_at_all(self, tmp_path: Path) -> None:
        with pytest.raises(BoxlessError, match="No image was found"):
            list_images([tmp_path])

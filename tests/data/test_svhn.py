from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from tests.data.svhn_files import write_svhn

from boxless.data.crops import Rectangle
from boxless.data.folder import read_folder
from boxless.data.prepared import write_folder
from boxless.data.svhn import read_svhn
from boxless.data.svhn_crops import square_around, square_crops, write_svhn_crops
from boxless.errors import BoxlessError
from boxless.instances import Instances

HEAD = "image,width,height,digit_index,label,xmin,ymin,xmax,ymax"


def house_numbers(folder: Path, *rows: str, split: str = "train", size: tuple[int, int] = (40, 20)) -> Path:
    """A table of boxes, and a PNG of (width, height) pixels for each image that it names."""
    (folder / split).mkdir(parents=True, exist_ok=True)
    (folder / f"{split}_boxes.csv").write_text("\n".join([HEAD, *rows]), encoding="utf-8")
    for name in {row.split(",")[0] for row in rows}:
        Image.fromarray(np.zeros((size[1], size[0], 3), np.uint8)).save(folder / split / f"{name}.png")
    return folder


def boxed(*boxes: tuple[float, float, float, float]) -> Instances:
    """Objects by left, top, width and height in the frame of the corner."""
    rows = np.array(boxes, float)
    return Instances(rows[:, :2] + rows[:, 2:] / 2 - 0.5, rows[:, 2:])


class TestTable:
    def test_boxes_start_at_the_corner_of_a_pixel(self, tmp_path: Path) -> None:
        """The box from 0 to 1 is the first pixel, whose centre is (0, 0) here; 10 to 14 has its centre at 11.5."""
        (image,) = read_svhn(house_numbers(tmp_path, "1,40,20,0,5,0,0,1,1", "1,40,20,1,0,10,2,14,9"), "train").images
        assert image.path == tmp_path / "train" / "1.png"
        assert image.truth is not None
        assert image.truth.centers.tolist() == [[0, 0], [11.5, 5]]
        assert image.truth.sizes.tolist() == [[1, 1], [4, 7]]
        assert image.truth.image_size == (20, 40)

    def test_truth_is_in_the_order_of_reading_and_labels_in_rising_order(self, tmp_path: Path) -> None:
        rows = ["7,40,20,2,3,20,0,25,9", "7,40,20,0,9,0,0,5,9", "8,40,20,0,1,0,0,5,9", "7,40,20,1,0,10,0,15,9"]
        first, second = read_svhn(house_numbers(tmp_path, *rows), "train").images
        assert first.truth is not None
        assert first.truth.names == ["9", "0", "3"]
        assert first.labels == (0, 3, 9)
        assert second.labels == (1,)

    def test_all_bad_rows_are_named_at_once(self, tmp_path: Path) -> None:
        rows = [
            "1,40,20,0,10,0,0,5,9",
            "1,40,20,1,1,5,0,5,9",
            "1,40,20,1,1,5,0,9,9",
            "1,41,20,2,1,5,0,9,9",
            "1,40,20,3,x,5,0,9,9",
            "2,40,0,0,1,5,0,9,9",
        ]
        with pytest.raises(BoxlessError) as error:
            read_svhn(house_numbers(tmp_path, *rows), "train")
        assert [line.strip() for line in str(error.value).splitlines()[1:]] == [
            "line 2: its label is 10, no digit",
            "line 3: its box (left, top, width, height) is (5, 0, 0, 9)",
            "line 5: image 1 cannot be 41×20",
            "line 6: its label is 'x', no whole number",
            "line 7: image 2 cannot be 40×0",
        ]

    def test_a_digit_that_is_there_twice(self, tmp_path: Path) -> None:
        with pytest.raises(BoxlessError, match="line 3: digit 0 of image 1 is there twice"):
            read_svhn(house_numbers(tmp_path, "1,40,20,0,1,0,0,5,9", "1,40,20,0,1,0,0,5,9"), "train")

    def test_missing_images(self, tmp_path: Path) -> None:
        house_numbers(tmp_path, "1,40,20,0,1,0,0,5,9")
        (tmp_path / "train" / "1.png").unlink()
        with pytest.raises(BoxlessError, match=r"image 1\.png: there is no file 1\.png"):
            read_svhn(tmp_path, "train")

    @pytest.mark.parametrize(
        ("content", "reason"),
        [
            (HEAD.replace("label", "class"), "has the columns image, width, height, digit_index, class"),
            ("", r"has the columns \(none\)"),
            (HEAD, "names no image"),
            (f"{HEAD}\n1,40", "line 2: 2 cells, where the head has 9"),
            (f'{HEAD}\n"1,40', "is no CSV from line 2 on"),
            ("\x00\udcff", "cannot be read"),
        ],
    )
    def test_no_such_table(self, tmp_path: Path, content: str, reason: str) -> None:
        house_numbers(tmp_path)
        (tmp_path / "train_boxes.csv").write_bytes(content.encode("utf-8", "surrogateescape"))
        with pytest.raises(BoxlessError, match=reason):
            read_svhn(tmp_path, "train")


def test_a_missing_set_says_where_it_is_had_and_its_licence(tmp_path: Path) -> None:
    with pytest.raises(BoxlessError, match=r"neither .*digitStruct\.mat nor .*housenumbers/ \(for non-commercial use"):
        read_svhn(tmp_path, "test")


def test_another_split(tmp_path: Path) -> None:
    with pytest.raises(BoxlessError, match="train, test, extra, not 'val'"):
        read_svhn(tmp_path, "val")


class TestSquares:
    def test_side_is_the_longer_one_of_all_digits_together(self) -> None:
        """Digits over columns 10 to 33 and rows 20 to 29: a square of 24 about row 25."""
        square = square_around(boxed((10, 20, 11, 10), (22, 21, 12, 8)), (60, 90))
        assert square == Rectangle(left=10, top=13, width=24, height=24)

    def test_it_is_moved_inside_where_it_fits(self) -> None:
        assert square_around(boxed((10, 0, 24, 10)), (60, 90)) == Rectangle(10, 0, 24, 24)
        assert square_around(boxed((80, 20, 10, 30)), (60, 90)) == Rectangle(60, 20, 30, 30)

    def test_it_holds_the_whole_of_an_image_that_is_lower_than_it(self) -> None:
        square = square_around(boxed((5, 1, 50, 15)), (20, 90))
        assert square == Rectangle(5, -16, 50, 50)  # the middle of the digits would be at row -16.5

    def test_what_reaches_over_the_border_is_cut_off(self) -> None:
        assert square_around(boxed((-1, 5, 9, 8)), (40, 40)) == Rectangle(0, 5, 8, 8)

    def test_half_pixels_are_rounded_outwards(self) -> None:
        assert square_around(boxed((2.5, 3.5, 4, 4)), (40, 40)) == Rectangle(2, 3, 5, 5)

    def test_crops_show_the_digits_where_their_boxes_are(self, tmp_path: Path) -> None:
        """Bright blocks at two digits of an image that is not square: their boxes hold all light, and little else."""
        rows = ["1,40,20,0,7,8,6,12,12", "1,40,20,1,7,14,4,20,10"]
        pixels = np.zeros((20, 40, 3), np.uint8)
        pixels[6:12, 8:12] = pixels[4:10, 14:20] = 255
        folder = read_svhn(house_numbers(tmp_path, *rows), "train")
        Image.fromarray(pixels).save(tmp_path / "train" / "1.png")
        ((name, crop, truth),) = square_crops(folder, side=48)  # a square of 12, four times larger
        assert name == "1.png"
        assert (truth.boxes + 0.5).tolist() == [[0, 16, 16, 40], [24, 8, 48, 32]]
        columns, rows_ = torch.meshgrid(torch.arange(48), torch.arange(48), indexing="xy")
        inside = torch.zeros(48, 48, dtype=torch.bool)
        for left, top, right, bottom in truth.boxes.tolist():
            inside |= (columns > left) & (columns < right) & (rows_ > top) & (rows_ < bottom)
        assert crop[:, inside].mean().item() > 0.9
        assert crop[:, ~inside].mean().item() < 0.08

    def test_a_folder_of_crops_is_read_as_a_user_s(self, tmp_path: Path) -> None:
        rows = ["1,40,20,0,9,8,6,12,12", "1,40,20,1,0,14,4,20,10", "2,40,20,0,3,0,0,5,9"]
        numbers = read_svhn(house_numbers(tmp_path / "svhn", *rows), "train")
        assert write_folder(tmp_path / "crops", square_crops(numbers)) == 2
        folder = read_folder(tmp_path / "crops")
        assert [(image.path.name, image.labels) for image in folder.images] == [("1.png", (0, 9)), ("2.png", (3,))]
        assert folder.images[0].truth is not None
        assert folder.images[0].truth.names == ["9", "0"]
        assert folder.images[0].truth.image_size == (64, 64)
        assert Image.open(folder.images[0].path).size == (64, 64)

    def test_both_parts_are_written_in_the_order_of_reading_and_a_part_that_is_there_stays(
        self, tmp_path: Path
    ) -> None:
        source = write_svhn(tmp_path / "svhn", {}, {"train": ["12", "7"], "test": ["903"]})
        (source / "full" / "train" / "2.png").write_bytes(b"no image")
        counts, problems = write_svhn_crops(source, tmp_path / "crops")
        assert counts == {"train": 1, "test": 1}
        assert [problem for problem in problems if "2.png" in problem] == problems != []
        (image,) = (folder := read_folder(tmp_path / "crops" / "test")).images
        assert folder.in_reading_order
        assert image.labels == (0, 3, 9)
        assert image.truth is not None
        assert image.truth.names == ["9", "0", "3"]
        (tmp_path / "crops" / "test" / "coco.json").unlink()
        assert write_svhn_crops(source, tmp_path / "crops") == ({"test": 1}, [])

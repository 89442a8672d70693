from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.data.voc_files import annotation, entry

from boxless.data.folder import check_images
from boxless.data.voc import VOC_CLASSES, read_voc
from boxless.errors import BoxlessError


def listed(root: Path, split: str, *lines: str) -> None:
    path = root / "ImageSets" / "Main" / f"{split}.txt"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{line}\n" for line in lines))


def test_corners_count_from_1_and_belong_to_the_box(tmp_path: Path) -> None:
    """(1, 1, 1, 1) is the first pixel, whose centre is (0, 0) here; columns 3 to 12 and rows 2 to 7 of VOC are 2 to 11
    and 1 to 6 here, so centre (6.5, 3.5) and size (10, 6)."""
    annotation(tmp_path, "000005", entry("cat", ("1", "1", "1", "1")), entry("dog", ("3", "2", "12", "7")))
    (image,) = read_voc(tmp_path, None).images
    assert image.truth is not None
    assert image.truth.centers.tolist() == [[0, 0], [6.5, 3.5]]
    assert image.truth.sizes.tolist() == [[1, 1], [10, 6]]
    assert image.truth.image_size == (7, 12)


def test_labels_are_ids_of_the_twenty_classes_in_rising_order(tmp_path: Path) -> None:
    box = ("1", "1", "2", "2")
    annotation(tmp_path, "000005", entry("person", box), entry("cat", box), entry("person", box))
    folder = read_voc(tmp_path, None)
    assert folder.class_names == VOC_CLASSES
    assert folder.images[0].labels == (7, 14, 14)
    assert folder.images[0].truth is not None
    assert folder.images[0].truth.names == ["person", "cat", "person"]


def test_the_list_of_a_split_says_which_images_and_in_which_order(tmp_path: Path) -> None:
    for name in ("000001", "000002", "000003"):
        annotation(tmp_path, name)
    listed(tmp_path, "val", "000003", "000001")
    assert [image.path.name for image in read_voc(tmp_path, "val").images] == ["000003.jpg", "000001.jpg"]
    assert [image.path.name for image in read_voc(tmp_path, None).images] == [f"00000{n}.jpg" for n in (1, 2, 3)]


def test_difficult_objects_are_left_out_unless_asked_for(tmp_path: Path) -> None:
    box = ("1", "1", "2", "2")
    annotation(tmp_path, "000005", entry("cat", box, difficult="1"), entry("dog", box))
    assert [image.labels for image in read_voc(tmp_path, None).images] == [(11,)]
    assert [image.labels for image in read_voc(tmp_path, None, difficult=True).images] == [(7, 11)]


def test_parts_of_persons_are_no_objects(tmp_path: Path) -> None:
    part = "<part><name>head</name><bndbox><xmin>2</xmin><ymin>2</ymin><xmax>3</xmax><ymax>3</ymax></bndbox></part>"
    annotation(tmp_path, "000005", entry("person", ("1", "1", "9", "7"), more=part))
    truth = read_voc(tmp_path, None).images[0].truth
    assert truth is not None
    assert truth.sizes.tolist() == [[9, 7]]


def test_an_image_without_objects_is_there(tmp_path: Path) -> None:
    annotation(tmp_path, "000005")
    (image,) = read_voc(tmp_path, None).images
    assert image.labels == ()
    assert image.truth is not None
    assert len(image.truth) == 0


def test_fractions_of_a_pixel(tmp_path: Path) -> None:
    annotation(tmp_path, "2011_003353", entry("person", ("1.5", "2", "4.25", "5")))
    truth = read_voc(tmp_path, None).images[0].truth
    assert truth is not None
    assert truth.centers.tolist() == [[1.875, 2.5]]
    assert truth.sizes.tolist() == [[3.75, 4]]


def test_other_classes_and_folder_names(tmp_path: Path) -> None:
    annotation(tmp_path, "a", entry("raccoon", ("1", "1", "2", "2")))
    (tmp_path / "Annotations").rename(tmp_path / "annotations")
    (tmp_path / "JPEGImages").rename(tmp_path / "images")
    assert read_voc(tmp_path, None, class_names=["owl", "raccoon"]).images[0].labels == (1,)


def test_the_folder_is_what_check_images_takes(tmp_path: Path) -> None:
    annotation(tmp_path, "good")
    annotation(tmp_path, "other", size=(5, 4))
    Image.fromarray(np.zeros((9, 9, 3), np.uint8)).save(tmp_path / "JPEGImages" / "other.jpg")
    folder, problems = check_images(read_voc(tmp_path, None))
    assert [image.path.name for image in folder.images] == ["good.jpg"]
    assert "other.jpg has 9×9 pixels, and its boxes are for 5×4" in problems[0]


class TestBadFiles:
    def test_all_are_named_at_once(self, tmp_path: Path) -> None:
        annotation(tmp_path, "a", entry("cat", ("1", "1", "2", "2")), entry("cat", ("5", "1", "4", "2")))
        annotation(tmp_path, "b", entry("unicorn", ("1", "1", "2", "2")))
        annotation(tmp_path, "c", entry("cat", ("1", "1", "nan", "2")))
        annotation(tmp_path, "d", size=(12, 7))
        (tmp_path / "JPEGImages" / "d.jpg").unlink()
        annotation(tmp_path, "e")
        (tmp_path / "Annotations" / "e.xml").write_text("<annotation><filename>e.jpg</filename></annotation>")
        annotation(tmp_path, "f", entry("", ("1", "1", "2", "2")))
        with pytest.raises(BoxlessError) as error:
            read_voc(tmp_path, None)
        first, *rest = str(error.value).splitlines()
        assert "Annotations has 6 bad rows" in first
        assert [line.strip() for line in rest] == [
            "a.xml: object 2: its box ends at (4, 2) before it starts at (5, 1)",
            f"b.xml: unknown class unicorn (known: {' '.join(VOC_CLASSES)})",
            "c.xml: object 1: its xmax is 'nan', no number of pixels",
            "d.xml: there is no file d.jpg",
            "e.xml: there is no <size/width>",
            "f.xml: object 1: there is no <name>",
        ]

    @pytest.mark.parametrize("content", [b"", b"<annotation>", b"words", b"\x89PNG"], ids=range(4))
    def test_no_xml(self, tmp_path: Path, content: bytes) -> None:
        annotation(tmp_path, "a")
        (tmp_path / "Annotations" / "a.xml").write_bytes(content)
        with pytest.raises(BoxlessError, match=r"a\.xml: it is no(t UTF-8| XML)"):
            read_voc(tmp_path, None)

    @pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
    def test_entities_are_never_expanded(self, tmp_path: Path, encoding: str) -> None:
        bomb = '<!DOCTYPE x [<!ENTITY a "cat"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;">]>'
        annotation(tmp_path, "a", entry("&b;", ("1", "1", "2", "2")), head=bomb)
        path = tmp_path / "Annotations" / "a.xml"
        path.write_bytes(path.read_text(encoding="utf-8").encode(encoding))
        with pytest.raises(BoxlessError, match=r"a\.xml: it (has a DOCTYPE, which is not taken|is not UTF-8)"):
            read_voc(tmp_path, None)

    def test_image_names_stay_in_the_folder(self, tmp_path: Path) -> None:
        annotation(tmp_path, "a")
        path = tmp_path / "Annotations" / "a.xml"
        path.write_text(path.read_text().replace("a.jpg", "../Annotations/a.xml"))
        with pytest.raises(BoxlessError, match="leads out of the folder"):
            read_voc(tmp_path, None)

    def test_bad_lines_of_a_list(self, tmp_path: Path) -> None:
        """Lists of a single class, such as cat_val.txt, name an image and a number."""
        annotation(tmp_path, "000001")
        listed(tmp_path, "cat_val", "000001", "", "000001", "000002", "000001 -1")
        with pytest.raises(BoxlessError) as error:
            read_voc(tmp_path, "cat_val")
        assert [line.strip() for line in str(error.value).splitlines()[1:]] == [
            "line 3: 000001 is given twice",
            "line 4: there is no file 000002.xml",
            "line 5: '000001 -1' is not the name of one image",
        ]

    def test_an_unknown_split_names_those_there_are(self, tmp_path: Path) -> None:
        annotation(tmp_path, "000001")
        listed(tmp_path, "val", "000001")
        listed(tmp_path, "train", "000001")
        with pytest.raises(BoxlessError, match=r"test\.txt \(there are: train, val\)"):
            read_voc(tmp_path, "test")

    def test_a_missing_set_says_where_it_is_had_and_under_which_terms(self, tmp_path: Path) -> None:
        with pytest.raises(BoxlessError, match=r"no folder Annotations.*host\.robots\.ox\.ac\.uk.*Flickr's terms"):
            read_voc(tmp_path, None)


def test_two_annotations_of_one_image_are_named(tmp_path: Path) -> None:
    annotation(tmp_path, "000005", entry("cat", ("1", "1", "2", "2")))
    text = (tmp_path / "Annotations" / "000005.xml").read_text()
    (tmp_path / "Annotations" / "000006.xml").write_text(text)
    with pytest.raises(BoxlessError, match=r"000006\.xml: 000005\.jpg is there twice"):
        read_voc(tmp_path, None)

"""CelebA in the wild and MAFL's lists, in small files of their format."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from boxless.data.celeba import write_celeba
from boxless.data.landmarks import read_landmarks
from boxless.errors import BoxlessError

POINTS = "69 109 106 113 77 142 73 152 108 154"


def release(root: Path, faces: dict[str, tuple[int, int]]) -> Path:
    """Images of 160×200 pixels; name to width and height of its face. The last two are MAFL's."""
    for folder in ("Anno", "Img/img_celeba", "MAFL"):
        (root / folder).mkdir(parents=True)
    for name in faces:
        Image.new("RGB", (160, 200), (90, 0, 0)).save(root / "Img/img_celeba" / name)
    boxes = [f"{name}    95  71 {width} {height}" for name, (width, height) in faces.items()]
    points = [f"{name} {POINTS}" for name in faces]
    head = "lefteye_x lefteye_y righteye_x righteye_y nose_x nose_y leftmouth_x leftmouth_y rightmouth_x rightmouth_y "
    for file, columns, rows in (
        ("list_bbox_celeba.txt", "image_id x_1 y_1 width height", boxes),
        ("list_landmarks_celeba.txt", head, points),
    ):
        (root / "Anno" / file).write_text("\n".join([str(len(faces)), columns, *rows]) + "\n")
    names = list(faces)
    (root / "MAFL" / "training.txt").write_text(f"{names[-2]}\n")
    (root / "MAFL" / "testing.txt").write_text(f"{names[-1]}\n")
    return root


LARGE, SMALL = (100, 96), (100, 95)  # 30 % of the image, and a little less


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob("*.png"))


def test_large_faces_are_learned_from_but_for_the_test_list_of_mafl(tmp_path: Path) -> None:
    faces = {"000001.jpg": LARGE, "000002.jpg": SMALL, "000003.jpg": LARGE, "000004.jpg": LARGE}
    counts, problems = write_celeba(release(tmp_path / "set", faces), tmp_path / "out")
    assert (counts, problems) == ({"train": 2, "test": 1}, [])
    assert names_in(tmp_path / "out" / "train") == ["000001.png", "000003.png"]
    known, _ = read_landmarks(tmp_path / "out" / "train")
    assert [path.name for path in known.paths] == ["000003.png"]


def test_an_image_is_shrunk_whole_with_its_landmarks(tmp_path: Path) -> None:
    faces = {"000001.jpg": LARGE, "000002.jpg": LARGE, "000003.jpg": LARGE}
    write_celeba(release(tmp_path / "set", faces), tmp_path / "out")
    test, _ = read_landmarks(tmp_path / "out" / "test")
    assert Image.open(test.paths[0]).size == (64, 80)
    expected = (np.array(POINTS.split(), float).reshape(5, 2) + 0.5) * 0.4 - 0.5
    np.testing.assert_allclose(test.points[0], expected, rtol=1e-5)
    assert test.scales[0] == pytest.approx(0.4 * np.hypot(37, 4), rel=1e-5)


def test_a_missing_image_is_told(tmp_path: Path) -> None:
    source = release(tmp_path / "set", {"000001.jpg": LARGE, "000002.jpg": LARGE, "000003.jpg": LARGE})
    (source / "Img/img_celeba/000001.jpg").unlink()
    counts, problems = write_celeba(source, tmp_path / "out")
    assert counts == {"train": 1, "test": 1}
    assert "000001.jpg" in problems[0]


def test_lists_that_are_missing_bad_or_of_different_images(tmp_path: Path) -> None:
    with pytest.raises(BoxlessError, match="non-commercial research"):
        write_celeba(tmp_path, tmp_path / "out")
    source = release(tmp_path / "set", {"000001.jpg": LARGE, "000002.jpg": LARGE})
    list_of_boxes = source / "Anno" / "list_bbox_celeba.txt"
    text = list_of_boxes.read_text()
    list_of_boxes.write_text(text + "000009.jpg 1 2 3 4\n")
    with pytest.raises(BoxlessError, match=r"000009\.jpg is in one of"):
        write_celeba(source, tmp_path / "out")
    list_of_boxes.write_text(text + "000003.jpg 1 2 3\n")
    with pytest.raises(BoxlessError, match="line 5: a file name and 4 numbers"):
        write_celeba(source, tmp_path / "out")


def test_a_list_names_no_image_outside_of_the_set(tmp_path: Path) -> None:
    Image.new("RGB", (160, 200)).save(tmp_path / "private.jpg")
    root = release(tmp_path / "set", {"000001.jpg": LARGE, "000002.jpg": LARGE, "000003.jpg": LARGE})
    for file in ("list_bbox_celeba.txt", "list_landmarks_celeba.txt"):
        path = root / "Anno" / file
        path.write_text(path.read_text().replace("000001.jpg", str(tmp_path / "private.jpg")))
    counts, problems = write_celeba(root, tmp_path / "out")
    assert counts == {"train": 1, "test": 1}
    assert len(problems) == 1
    assert "leads out of the folder" in problems[0]

"""Folders with ``landmarks.csv``."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from boxless.data.landmarks import Marked, read_landmarks, write_landmarks
from boxless.errors import BoxlessError

POINTS = np.array([[1.5, 2.0], [3.25, 4.0]])


def png(width: int = 6, height: int = 4) -> bytes:
    data = io.BytesIO()
    Image.new("RGB", (width, height)).save(data, format="PNG")
    return data.getvalue()


def test_what_is_written_is_read_and_images_without_landmarks_are_images_alone(tmp_path: Path) -> None:
    images = [Marked("a.png", png(), POINTS, 2.5), Marked("b.png", png(), None, 1), Marked("c.png", png(), -POINTS, 3)]
    assert write_landmarks(tmp_path / "set", images) == 3
    found, problems = read_landmarks(tmp_path / "set")
    assert problems == []
    assert [path.name for path in found.paths] == ["a.png", "c.png"]
    np.testing.assert_allclose(found.points, [POINTS, -POINTS])
    assert found.scales.tolist() == [2.5, 3]
    assert (tmp_path / "set" / "b.png").is_file()
    head, first = (tmp_path / "set" / "landmarks.csv").read_text().splitlines()[:2]
    assert (head, first) == ("file_name,scale,x0,y0,x1,y1", "a.png,2.5,1.5,2,3.25,4")


def test_a_broken_image_is_told_and_passed_over(tmp_path: Path) -> None:
    write_landmarks(tmp_path, [Marked("a.png", png(), POINTS, 1), Marked("b.png", b"no image", POINTS, 1)])
    found, problems = read_landmarks(tmp_path)
    assert [path.name for path in found.paths] == ["a.png"]
    assert len(problems) == 1
    assert "b.png" in problems[0]


def test_bad_rows_are_all_named(tmp_path: Path) -> None:
    for name in "abcdef":
        (tmp_path / f"{name}.png").write_bytes(png())
    rows = [
        "a.png,2,1,1",
        "gone.png,2,1,1",
        "b.png,0,1,1",
        "c.png,2,1",
        "d.png,2,1,1,1,1",
        "e.png,2,x,1",
        "../a.png,2,1,1",
    ]
    (tmp_path / "landmarks.csv").write_text("\n".join(["file_name,scale,x0,y0", *rows]))
    with pytest.raises(BoxlessError) as told:
        read_landmarks(tmp_path)
    lines = str(told.value).splitlines()
    assert "6 bad rows" in lines[0]
    assert [line.split(":")[0].strip() for line in lines[1:]] == [f"line {number}" for number in range(3, 9)]


@pytest.mark.parametrize(
    ("text", "says"), [(None, "There is no"), ("x,y\n", "does not begin"), ("file_name,scale\n", "names none")]
)
def test_a_folder_without_landmarks(tmp_path: Path, text: str | None, says: str) -> None:
    if text is not None:
        (tmp_path / "landmarks.csv").write_text(text)
    with pytest.raises(BoxlessError, match=says):
        read_landmarks(tmp_path)


def test_nothing_is_written_over(tmp_path: Path) -> None:
    with pytest.raises(BoxlessError, match=r"two images a\.png"):
        write_landmarks(tmp_path, [Marked("a.png", png(), None, 1)] * 2)
    write_landmarks(tmp_path, [])
    with pytest.raises(BoxlessError, match="there already"):
        write_landmarks(tmp_path, [])


def test_a_byte_order_mark_and_blank_lines_are_nothing_and_a_name_counts_once(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(png())
    (tmp_path / "landmarks.csv").write_bytes(b"\xef\xbb\xbffile_name,scale,x0,y0\r\n\r\na.png,2,1,1\r\n\r\n")
    assert len(read_landmarks(tmp_path)[0]) == 1
    (tmp_path / "landmarks.csv").write_text("file_name,scale,x0,y0\n\na.png,2,1,1\n\na.png,2,1,1\n")
    with pytest.raises(BoxlessError, match=r"line 5: a\.png is there twice"):
        read_landmarks(tmp_path)

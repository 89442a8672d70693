"""``boxless detect``."""

import csv
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from boxless import load
from boxless.cli import detect, image_batches
from boxless.cli.main import main


@pytest.fixture
def mixed(folder: Path, tmp_path: Path) -> Path:
    """Two good images, one of them in a folder, among a text file named .png and a JPEG that was cut off."""
    root = tmp_path / "mixed"
    (root / "deeper").mkdir(parents=True)
    (root / "a.png").write_bytes((folder / "0.png").read_bytes())
    (root / "deeper" / "b.png").write_bytes((folder / "1.png").read_bytes())
    (root / "notes.png").write_text("no image")
    Image.open(folder / "2.png").save(root / "cut.jpg")
    (root / "cut.jpg").write_bytes((root / "cut.jpg").read_bytes()[:700])
    return root


def test_broken_images_are_named_and_the_rest_goes_on(
    scenes_run: Path, mixed: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "found.json"
    assert main(["detect", str(scenes_run), str(mixed), "--out", str(out)]) == 0
    document = json.loads(out.read_text())
    assert [image["file_name"] for image in document["images"]] == [
        str(mixed / "a.png"),
        str(mixed / "deeper" / "b.png"),
    ]
    assert len(document["annotations"]) == 6
    told = capsys.readouterr().err
    assert f"passed over: {mixed / 'notes.png'}" in told
    assert f"passed over: {mixed / 'cut.jpg'}" in told
    assert "2 of 4 images could not be read" in told


def test_nothing_but_broken_images_is_a_failure_and_writes_nothing(
    scenes_run: Path, mixed: Path, tmp_path: Path
) -> None:
    out = tmp_path / "found.json"
    assert main(["detect", str(scenes_run), str(mixed / "notes.png"), "--out", str(out)]) == 1
    assert not out.exists()


def test_batches_give_what_one_image_at_a_time_gives(
    scenes_run: Path, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(image_batches, "BATCH_IMAGES", 4)
    out = tmp_path / "found.csv"
    assert main(["detect", str(scenes_run), str(folder), "--out", str(out), "--k", "2"]) == 0
    with out.open(newline="") as file:
        found = [(row["file_name"], float(row["x"]), float(row["y"])) for row in csv.DictReader(file)]
    detector = load(scenes_run)
    alone = [(path, detector.detect(path, k=2)) for path in sorted(folder.glob("*.png"))]
    assert found == [(str(path), *map(float, center)) for path, one in alone for center in one.centers]


def test_without_a_file_the_counts_are_printed(
    scenes_run: Path, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    images = [str(folder / "0.png"), str(folder / "1.png")]
    assert main(["detect", str(scenes_run), *images, "--k", "3"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [next(line.split()[1] for line in lines if image in line) for image in images] == ["3", "3"]
    assert next(line for line in lines if "all 2 images" in line).split()[3] == "6"


def test_a_picture_of_each_image(scenes_run: Path, folder: Path, tmp_path: Path) -> None:
    assert main(["detect", str(scenes_run), str(folder / "0.png"), "--pictures", str(tmp_path / "seen")]) == 0
    with Image.open(tmp_path / "seen" / "0001-0.png") as picture:
        assert picture.size == (480, 480)


def test_a_file_in_place_of_the_folder_for_pictures_is_told_before_detecting(
    scenes_run: Path, folder: Path, tmp_path: Path, fails: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(detect, "_detect", None)
    (tmp_path / "seen").write_text("")
    told = fails("detect", str(scenes_run), str(folder), "--pictures", str(tmp_path / "seen"))
    assert "seen is a file, where a folder is needed" in told


def test_a_format_that_is_not_known_is_told_before_detecting(
    scenes_run: Path, folder: Path, fails: Callable[..., str]
) -> None:
    assert "found.txt does not tell its format" in fails("detect", str(scenes_run), str(folder), "--out", "found.txt")


def test_a_model_that_is_not_there_is_named(fails: Callable[..., str], folder: Path) -> None:
    assert "There is no folder nowhere" in fails("detect", "nowhere", str(folder))


def test_images_that_are_not_there_are_named(fails: Callable[..., str], scenes_run: Path) -> None:
    assert "There is no file or folder nowhere.png" in fails("detect", str(scenes_run), "nowhere.png")


def test_an_image_is_not_written_over(scenes_run: Path, folder: Path, fails: Callable[..., str]) -> None:
    before = (folder / "0.png").read_bytes()
    told = fails("detect", str(scenes_run), str(folder), "--out", str(folder / "0.png"), "--format", "csv")
    assert "is one of the images; give another file by --out" in told
    assert (folder / "0.png").read_bytes() == before


def test_a_format_without_a_file_is_refused(scenes_run: Path, folder: Path, fails: Callable[..., str]) -> None:
    assert "name it by --out" in fails("detect", str(scenes_run), str(folder), "--format", "csv")


def test_a_name_that_is_no_utf_8_is_shown_with_an_escape(tmp_path: Path) -> None:
    """Where the terminal is strict, as it is under en_US.UTF-8."""
    try:
        Image.new("L", (80, 80)).save(tmp_path / os.fsdecode(b"caf\xe9.png"))
    except (OSError, UnicodeEncodeError):
        pytest.skip("the file system takes names in UTF-8 alone")
    command = [sys.executable, "-m", "boxless.cli.main", "detect", "mist-classify-mnist", str(tmp_path)]
    environment = os.environ | {"PYTHONIOENCODING": "utf-8:strict"}
    told = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert told.returncode == 0, told.stderr
    assert "caf\\udce9.png" in told.stdout


def test_a_file_that_cannot_be_written_is_told_before_detecting(
    scenes_run: Path, folder: Path, tmp_path: Path, fails: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(detect, "_detect", None)
    (tmp_path / "afile").write_text("")
    out = str(tmp_path / "afile" / "found.json")
    assert f"{out} cannot be used" in fails("detect", str(scenes_run), str(folder), "--out", out)


def test_of_many_classes_those_that_are_there_stand_in_one_column(capsys: pytest.CaptureFixture[str]) -> None:
    names = [f"class{number}" for number in range(80)]
    detect._print_counts([("photos/a.jpg", {"class3": 2, "class79": 1}), ("photos/b.jpg", {})], names)
    told = [line.split() for line in capsys.readouterr().out.splitlines() if line.strip(" ─")]
    assert told == [
        ["image", "objects", "of", "each", "class"],
        ["photos/a.jpg", "3", "class3", "2,", "class79", "1"],
        ["photos/b.jpg", "0"],
        ["all", "2", "images", "3", "class3", "2,", "class79", "1"],
    ]


def test_what_counts_is_said_where_nothing_is_asked_for(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    image = str(folder / "0.png")
    for more, said in (([], True), (["--k", "3"], False), (["--threshold", "auto"], False)):
        assert main(["detect", "mist-classify-mnist", image, *more]) == 0
        assert ("--threshold auto counts what is there" in capsys.readouterr().err) == said

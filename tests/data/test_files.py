"""Files that are whole or not there."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from boxless.data.files import check_folder, check_writable, naming, write_atomically
from boxless.errors import BoxlessError

FULL = """
import resource, signal, sys
from pathlib import Path
from boxless.data.files import write_atomically
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
try:
    write_atomically(Path(sys.argv[1]), bytes(5000))
except OSError as error:
    print(error.filename)
"""


def test_a_full_disk_leaves_the_old_file_and_is_told_with_its_name(tmp_path: Path) -> None:
    path = tmp_path / "found.json"
    write_atomically(path, "old")
    told = subprocess.run([sys.executable, "-c", FULL, str(path)], capture_output=True, text=True)
    assert (told.stdout.strip(), told.stderr) == (str(path), "")
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["found.json"]


def test_a_name_that_an_error_has_is_kept(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as caught, naming(tmp_path):
        (tmp_path / "missing").read_text()
    assert caught.value.filename == str(tmp_path / "missing")


@pytest.mark.skipif(os.name == "nt", reason="rights of POSIX")
@pytest.mark.parametrize("mask", [0o077, 0o022])
def test_a_file_has_the_rights_that_new_files_have(mask: int, tmp_path: Path) -> None:
    before = os.umask(mask)
    try:
        write_atomically(tmp_path / "ours", "x")
        (tmp_path / "theirs").write_text("x")
    finally:
        os.umask(before)
    assert (tmp_path / "ours").stat().st_mode == (tmp_path / "theirs").stat().st_mode


def test_any_name_that_a_file_can_have_can_be_written(tmp_path: Path) -> None:
    write_atomically(tmp_path / ("n" * 255), "x")
    assert (tmp_path / ("n" * 255)).read_text() == "x"


def test_a_name_that_is_no_utf_8_is_escaped(tmp_path: Path) -> None:
    write_atomically(tmp_path / "told.txt", os.fsdecode(b"caf\xe9.png is broken"))
    assert (tmp_path / "told.txt").read_text(encoding="utf-8") == "caf\\udce9.png is broken"


@pytest.mark.parametrize("write", [check_writable, lambda path: write_atomically(path, "x")])
def test_what_cannot_be_written_is_told_by_its_own_name(write: Callable[[Path], None], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    path = tmp_path / "file" / "found.json"
    with pytest.raises((FileExistsError, NotADirectoryError)) as caught:
        write(path)
    assert str(caught.value.filename) in (str(path), str(path.parent))


def test_no_error_tells_the_name_of_a_temporary_file(tmp_path: Path) -> None:
    path = tmp_path / ("n" * 300)
    with pytest.raises(OSError, match="nnn") as caught:
        write_atomically(path, "x")
    assert str(caught.value.filename) == str(path)
    assert os.listdir(tmp_path) == []


def test_a_folder_is_made_and_tried_before_the_work(tmp_path: Path) -> None:
    check_writable(tmp_path / "new" / "found.json")
    assert os.listdir(tmp_path / "new") == []


def test_a_folder_to_come_is_tried_and_not_made(tmp_path: Path) -> None:
    check_folder(tmp_path)
    check_folder(tmp_path / "new" / "deeper")
    assert os.listdir(tmp_path) == []
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "file", tmp_path / "file" / "seen"):
        with pytest.raises(BoxlessError, match="file is a file, where a folder is needed; give another name"):
            check_folder(path)

"""Sets of images, found in BOXLESS_DATA and written as folders once."""

from pathlib import Path

import pytest

from boxless.data.folder import read_folder
from boxless.data.released import RELEASED
from boxless.engine.photos import photos
from boxless.errors import BoxlessError
from tests.data.test_clevr import clevr, solid


def test_a_set_is_written_once_and_taken_from_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clevr(tmp_path / "data" / "clevr", *[[solid(240, 160)]] * 8)
    monkeypatch.setenv("BOXLESS_DATA", str(tmp_path / "data"))
    train, test = photos("clevr", tmp_path / "out")
    assert [len(read_folder(part).images) for part in (train, test)] == [6, 2]
    monkeypatch.delenv("BOXLESS_DATA")
    assert photos("clevr", tmp_path / "out") == (train, test)


@pytest.mark.parametrize("name", RELEASED)
def test_a_set_that_is_not_there_says_where_it_is_had(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BOXLESS_DATA", str(tmp_path))
    with pytest.raises(
        BoxlessError,
        match=r"had at https?://.* \(.*(MIT|CC BY|Apache 2\.0|research|non-commercial|academic|terms|no licence).*\)",
    ):
        photos(name, tmp_path / "out")

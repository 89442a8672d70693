from collections.abc import Sequence
from pathlib import Path

import pytest

from boxless.data.metadata import read_metadata
from boxless.errors import BoxlessError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with empty files for images: reading a table opens none of them."""
    (tmp_path / "data/sub").mkdir(parents=True)
    for name in ("a.png", "b.png", "sub/c.png", "d, e.png"):
        (tmp_path / "data" / name).touch()
    (tmp_path / "outside.png").touch()
    return tmp_path / "data"


def read(folder: Path, text: str | bytes, class_names: Sequence[str] | None = None) -> dict[str, dict[str, int]]:
    """Counts by file name."""
    path = folder / "metadata.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    rows = read_metadata(path, class_names)
    return {row.path.relative_to(folder).as_posix(): dict(row.counts) for row in rows}


def problems(folder: Path, text: str, class_names: Sequence[str] | None = None) -> list[str]:
    """The lines of the error after its first sentence."""
    with pytest.raises(BoxlessError) as error:
        read(folder, text, class_names)
    first, *rest = str(error.value).splitlines()
    count = "1 bad row" if len(rest) == 1 else f"{len(rest)} bad rows"
    assert first == f"{folder / 'metadata.csv'} has {count}; correct them and start again:"
    return [line.strip() for line in rest]


class TestGoodTables:
    def test_labels_are_counted(self, folder: Path) -> None:
        text = "file_name,labels\na.png,3 3 7\nb.png,\nsub/c.png,7\n"
        assert read(folder, text) == {"a.png": {"3": 2, "7": 1}, "b.png": {}, "sub/c.png": {"7": 1}}

    def test_names_with_blanks_of_a_model_are_written_with_underscores(self, folder: Path) -> None:
        (folder / "metadata.csv").write_text("file_name,labels\na.png,red_cell:2 red_cell a_b\n")
        (row,) = read_metadata(folder / "metadata.csv", ["red cell", "a_b", "a b"])
        assert row.counts == {"red cell": 3, "a_b": 1}

    def test_labels_with_counts(self, folder: Path) -> None:
        text = "file_name,labels\na.png,cell:12  debris:3 cell\nb.png,cell:0\n"
        assert read(folder, text) == {"a.png": {"cell": 13, "debris": 3}, "b.png": {"cell": 0}}

    @pytest.mark.parametrize(
        "text",
        [
            b"\xef\xbb\xbffile_name,labels\na.png,3 3\n",
            b"file_name,labels\r\na.png,3 3\r\n",
            b"file_name,labels\ra.png,3 3\r",
            b'"file_name","labels"\n"a.png","3 3"',
            b"\n\nfile_name, labels\n\n  a.png , 3 3 \n\n",
            b"labels,split,file_name\n3 3,train,./sub/../a.png\n",
            b"\xef\xbb\xbffile_name;labels\r\na.png;3 3\r\n",
            b"file_name\tlabels\na.png\t3 3\n",
        ],
        ids="bom crlf cr quoted blanks columns semicolons tabs".split(),  # noqa: SIM905
    )
    def test_forms_of_the_same_table(self, folder: Path, text: bytes) -> None:
        assert read(folder, text) == {"a.png": {"3": 2}}

    def test_quoted_name_with_a_comma(self, folder: Path) -> None:
        assert read(folder, 'file_name,labels\n"d, e.png",1\n') == {"d, e.png": {"1": 1}}

    def test_a_known_class_may_have_a_colon(self, folder: Path) -> None:
        assert read(folder, "file_name,labels\na.png,12:30 12:30:4\n", ["12:30"]) == {"a.png": {"12:30": 5}}


class TestBadRows:
    def test_unknown_class(self, folder: Path) -> None:
        found = problems(folder, "file_name,labels\na.png,cat\nb.png,cat dgo:2\n", ["cat", "dog"])
        assert found == ["line 3: unknown class dgo (known: cat, dog)"]

    def test_a_class_of_many_objects_is_named_once_in_a_row(self, folder: Path) -> None:
        found = problems(folder, "file_name,labels\na.png,cat\nb.png,dgo dgo dgo\n", ["cat"])
        assert found == ["line 3: unknown class dgo (known: cat)"]

    def test_a_table_without_any_known_class_is_told_in_one_sentence(self, folder: Path) -> None:
        with pytest.raises(BoxlessError) as told:
            read(folder, "file_name,labels\na.png,cat cat\nb.png,dog\n", [str(digit) for digit in range(30)])
        sentence = str(told.value)
        assert "names cat, dog, and none of the classes that are known: 0, 1, " in sentence
        assert sentence.endswith("19 and 10 more; it is of other data.")

    def test_missing_file(self, folder: Path) -> None:
        assert problems(folder, "file_name,labels\na.png,1\nz.png,1\n") == ["line 3: there is no file z.png"]

    def test_folder_in_place_of_a_file(self, folder: Path) -> None:
        assert problems(folder, "file_name,labels\nsub,1\n") == ["line 2: there is no file sub"]

    @pytest.mark.parametrize("again", ["a.png", "./a.png", "sub/../a.png"])
    def test_duplicate_row(self, folder: Path, again: str) -> None:
        found = problems(folder, f"file_name,labels\na.png,1\nb.png,1\n{again},1\n")
        assert found == [f"line 4: {again} is on line 2 already"]

    def test_negative_count(self, folder: Path) -> None:
        assert problems(folder, "file_name,labels\na.png,cell:-2\n") == ["line 2: the count of cell is negative (-2)"]

    @pytest.mark.parametrize("labels", ["red, blue", "red;blue", "red ,blue"])
    def test_labels_that_are_not_separated_by_blanks(self, folder: Path, labels: str) -> None:
        (found,) = problems(folder, f'file_name,labels\na.png,"{labels}"\n')
        assert found.endswith("is not a class name: labels are separated by blanks alone, as in red red blue")

    @pytest.mark.parametrize("token", ["cell:1.5", "cell:many", "cell:", ":3", "cell:1e3"])
    def test_count_that_is_no_whole_number(self, folder: Path, token: str) -> None:
        (found,) = problems(folder, f"file_name,labels\na.png,{token}\n")
        assert found == f"line 2: {token} is not a class name, nor one with a colon and a whole number"

    def test_count_that_is_a_slip(self, folder: Path) -> None:
        found = problems(folder, "file_name,labels\na.png,cell:99999 cell:2\n")
        assert found == ["line 2: more than 100000 objects, with cell:2"]

    def test_many_classes_of_many_are_a_slip_too(self, folder: Path) -> None:
        found = problems(folder, "file_name,labels\na.png,a:60000 b:60000 c:1\n")
        assert found == ["line 2: more than 100000 objects, with b:60000"]

    def test_wrong_number_of_columns(self, folder: Path) -> None:
        found = problems(folder, "file_name,labels\na.png\nb.png,1,2\n")
        assert [line.split(",")[0] for line in found] == ["line 2: 1 column", "line 3: 3 columns"]

    @pytest.mark.parametrize("name", ["../outside.png", "sub/../../outside.png", "{root}/outside.png", ".."])
    def test_path_that_leaves_the_folder(self, folder: Path, name: str) -> None:
        name = name.format(root=folder.parent)
        found = problems(folder, f"file_name,labels\n{name},1\n")
        assert found == [f"line 2: {name} leads out of the folder"]

    @pytest.mark.parametrize("name", ["", "x" * 5000, "a\0.png"])
    def test_names_that_no_file_has(self, folder: Path, name: str) -> None:
        (found,) = problems(folder, f"file_name,labels\n{name},1\n")
        assert "there is no file" in found

    def test_all_are_told_at_once_in_the_order_of_lines_each_with_all_its_faults(self, folder: Path) -> None:
        text = 'file_name,labels\nz.png,cell:-1 cat\na.png,1,2\n"d, e.png",\n../outside.png,1\nb.png,x:y\n'
        found = problems(folder, text, ["cell", "1"])
        assert [line.split(":")[0] for line in found] == ["line 2", "line 3", "line 5", "line 6"]
        assert found[0].count(";") == 2

    def test_lines_are_counted_as_an_editor_does(self, folder: Path) -> None:
        found = problems(folder, 'file_name,labels,note\na.png,1,"two\nlines"\n\nz.png,1,\n')
        assert found == ["line 5: there is no file z.png"]

    def test_of_many_the_first_twenty_are_shown(self, folder: Path) -> None:
        text = "file_name,labels\n" + "".join(f"z{number}.png,1\n" for number in range(25))
        with pytest.raises(BoxlessError, match="has 25 bad rows") as error:
            read(folder, text)
        lines = str(error.value).splitlines()
        assert len(lines) == 22
        assert lines[20] == "  line 21: there is no file z19.png"
        assert lines[21] == "  and 5 more"

    def test_quote_that_is_never_closed(self, folder: Path) -> None:
        found = problems(folder, 'file_name,labels\nz.png,1\n"a.png,1\nb.png,1\n')
        assert [line.split("(")[0] for line in found] == [
            "line 2: there is no file z.png",
            "line 3: no CSV from here on ",
        ]


class TestNoTable:
    @pytest.mark.parametrize(
        "text", ["", "a.png,1\n", "file_name|labels\na.png|1\n", "file_name,labels,labels\na.png,1,1\n"]
    )
    def test_wrong_head(self, folder: Path, text: str) -> None:
        with pytest.raises(BoxlessError, match="file_name and labels are needed"):
            read(folder, text)

    def test_head_alone(self, folder: Path) -> None:
        with pytest.raises(BoxlessError, match="names no image"):
            read(folder, "file_name,labels\n")

    def test_other_encoding(self, folder: Path) -> None:
        with pytest.raises(BoxlessError, match=r"not UTF-8 \(byte 17\)"):
            read(folder, b"file_name,labels\n\xe9.png,1\n")

    def test_folder_of_that_name(self, folder: Path) -> None:
        with pytest.raises(BoxlessError, match="cannot be read"):
            read_metadata(folder, None)

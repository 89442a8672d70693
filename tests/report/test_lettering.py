from boxless.instances import Instances
from boxless.report.lettering import one_line, picture_name, picture_names


def test_line_breaks_and_control_characters_become_blanks() -> None:
    assert one_line("a\nb\x00c\ud800") == "a b c "


def test_a_long_name_is_cut_with_an_ellipsis() -> None:
    assert one_line("x" * 21) == "x" * 19 + "…"
    assert one_line("x" * 20) == "x" * 20


def test_names_in_latin_greek_and_cyrillic_letters_are_written() -> None:
    names = ("Größe", "λόγος", "жук", "two words")
    assert [picture_name(label, names) for label in range(4)] == list(names)


def test_a_name_that_the_font_cannot_write_or_that_is_blank_stands_as_its_id() -> None:
    assert [picture_name(label, ("cat", "苹果", " ")) for label in range(3)] == ["cat", "#1", "#2"]


def test_instances_without_names_are_written_as_digits() -> None:
    assert picture_names(Instances([[1, 1], [2, 2]], [[1, 1], [1, 1]], labels=[7, 0])) == ["7", "0"]

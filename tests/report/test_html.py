import math
import re
from base64 import b64decode
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from boxless.errors import BoxlessError
from boxless.instances import Instances
from boxless.metrics.counting import counting_scores
from boxless.metrics.offsets import OffsetStatistics
from boxless.report.html import Example, MetricRow, Report, render_report, write_report
from boxless.report.sections import MOST_PROBLEMS

EVIL = "<script>alert('1')</script>\" onerror=\"x"
VOID = {"meta", "img", "br", "source"}


class Page(HTMLParser):
    """Reads a page, insisting that every tag is closed where it should be."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.headings: list[str] = []
        self.text = ""
        self.feed(source)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert len(attrs) == len(dict(attrs))
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] != "style":
            self.text += data
        if self.open and self.open[-1] == "h2":
            self.headings.append(data)

    def links(self) -> list[str]:
        """Everything that a browser would fetch."""
        names = ("src", "href", "srcset", "data", "poster", "action")
        return [value or "" for _, attributes in self.tags for name, value in attributes.items() if name in names]


def full_report(name: str, image_side: int = 24) -> Report:
    """A report with every section, which says ``name`` wherever a user's words may stand."""
    names = (name, "dog")
    true = Instances([[6, 6], [16, 16]], [[8, 8], [8, 8]], labels=[0, 1], class_names=names)
    found = Instances([[6, 6], [16, 16]], [[8, 8], [8, 8]], labels=[0, 0], class_names=names)
    image = np.random.default_rng(0).random((image_side, image_side))
    offsets = OffsetStatistics((0.5, -0.25), (1.0, 1.0), 1.25, 3)
    offsets.by_class = {0: OffsetStatistics((1.0, 0.0), (1.0, 1.0), 1.0, 3)}
    return Report(
        title=name,
        summary=name,
        metrics=[MetricRow(name, 0.98, 0.975, 0.99)],
        counting=counting_scores([found], [true]),
        examples=[Example(name, image, found, true, image), Example(name, image, found)],
        confusion=np.array([[5, 1, 0], [2, 6, 1], [0, 3, 0]]),
        class_names=names,
        offsets=offsets,
        curves={name: ([0, 1], [1.0, 0.5])},
        settings={name: name},
        problems=[name],
    )


@pytest.fixture(scope="module")
def evil() -> str:
    return render_report(full_report(EVIL))


def test_the_page_is_well_formed_and_has_every_section(evil: str) -> None:
    assert Page(evil).headings == [
        "Scores",
        "Counting",
        "Examples",
        "Confusion",
        "Offsets",
        "Training",
        "Settings",
        "Problems (1)",
    ]


def test_the_page_fetches_nothing_and_runs_nothing(evil: str) -> None:
    page = Page(evil)
    assert len(page.links()) == 3 + 2 * 3
    assert all(link.startswith("data:image/") for link in page.links())
    assert not re.search(r"url\(|@import|http-equiv=.refresh", evil)
    assert not {"script", "link", "iframe", "object", "base"} & {tag for tag, _ in page.tags}
    assert {"http-equiv": "Content-Security-Policy"}.items() <= next(
        attributes.items() for tag, attributes in page.tags if "http-equiv" in attributes
    )


def test_words_of_the_user_are_escaped_in_text_and_attributes(evil: str) -> None:
    page = Page(evil)
    # Title twice, summary, row of scores, class of counts, two file names and one class in their captions, two
    # confusions, the class of offsets, curve, two of settings, problem.
    assert page.text.count(EVIL) == 15
    assert not any(name.startswith("on") for _, attributes in page.tags for name in attributes)
    assert {name for tag, attributes in page.tags if tag == "img" for name in attributes} <= {
        "src",
        "alt",
        "width",
        "height",
    }


def test_every_image_inside_the_page_is_whole(evil: str, tmp_path: Path) -> None:
    for link in Page(evil).links():
        kind, data = re.fullmatch(r"data:image/([\w+]+);base64,(.*)", link).groups()  # type: ignore[union-attr]
        if kind == "svg+xml":
            elements = {element.tag for element in ElementTree.fromstring(b64decode(data)).iter()}
            assert not any("script" in tag for tag in elements)
        else:
            (tmp_path / "image").write_bytes(b64decode(data))
            Image.open(tmp_path / "image").load()


def test_a_report_of_a_title_alone_has_no_section() -> None:
    page = Page(render_report(Report("nothing yet")))
    assert page.headings == []
    assert page.links() == []


@pytest.mark.parametrize(
    ("part", "heading"),
    [
        ({"metrics": {"loss": 0.5}}, "Scores"),
        ({"counting": counting_scores([Instances([], [])], [Instances([], [])], classes=0)}, "Counting"),
        ({"examples": [Example("a", np.zeros((8, 8)), Instances([], []))]}, "Examples"),
        ({"confusion": np.eye(3, dtype=int)}, "Confusion"),
        ({"offsets": OffsetStatistics((math.nan,) * 2, (math.nan,) * 2, math.nan, 0)}, "Offsets"),
        ({"curves": {"loss": ([0], [1.0])}}, "Training"),
        ({"settings": {"seed": "0"}}, "Settings"),
        ({"problems": ["a.png is empty."]}, "Problems (1)"),
    ],
)
def test_a_part_that_is_there_has_its_section_alone(part: dict[str, object], heading: str) -> None:
    assert Page(render_report(Report("one part", **part))).headings == [heading]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("row", "cells"),
    [
        (MetricRow("Both", 0.986, 0.975, 0.986), ["98.60 %", "97.5 %", "≥ 98.6 %", "✓ goal"]),
        (MetricRow("Both", 0.98, 0.975, 0.986), ["98.00 %", "97.5 %", "≥ 98.6 %", "✓ paper"]),
        (MetricRow("Both", 0.97, 0.975, 0.986), ["97.00 %", "97.5 %", "≥ 98.6 %", "✗ paper"]),
        (MetricRow("Both", 0.97, 0.975), ["97.00 %", "97.5 %", "✗ paper"]),
        (MetricRow("Both", math.nan, 0.975, 0.986), ["–", "97.5 %", "≥ 98.6 %", ""]),
        (MetricRow("RMSE", 0.041, 0.053, 0.045, "", True), ["0.041", "0.053", "≤ 0.045", "✓ goal"]),
        (MetricRow("RMSE", 0.06, 0.053, 0.045, "", True), ["0.06", "0.053", "≤ 0.045", "✗ paper"]),
        (MetricRow("median", 1.234567, unit="px"), ["1.235 px"]),
    ],
)
def test_a_score_stands_beside_the_paper_and_the_goal(row: MetricRow, cells: list[str]) -> None:
    page = render_report(Report("scores", metrics=[row]))
    assert re.findall(r"<td[^>]*>([^<]*)</td>", page) == cells


def test_the_legend_explains_what_the_pictures_show_and_nothing_else() -> None:
    image, none = np.zeros((8, 8)), Instances([], [])
    with_truth = Page(render_report(Report("a", examples=[Example("a", image, none, none)]))).text
    without = Page(render_report(Report("a", examples=[Example("a", image, none, heatmap=image)]))).text
    assert "missed" in with_truth
    assert "missed" not in without
    assert "heatmap" in without
    assert "heatmap" not in with_truth


def test_a_caption_counts_what_the_picture_shows() -> None:
    text = Page(render_report(Report("a", examples=full_report("cat").examples))).text
    assert "1 of 2 right, 1 of a wrong class" in text
    assert "2 found: 2 × cat" in text


def test_the_most_frequent_confusions_are_told_in_words() -> None:
    text = Page(render_report(Report("a", confusion=full_report("cat").confusion, class_names=["cat", "dog"]))).text
    assert "Most frequent: dog taken for cat (2); cat taken for dog (1)." in text


def test_curves_of_train_and_val_share_a_plot() -> None:
    curve = ([0, 1], [1.0, 0.5])
    page = render_report(Report("a", curves={"train/loss": curve, "val/loss": curve, "val/both": curve}))
    assert re.findall("<h3>(.*?)</h3>", page) == ["loss", "val/both"]


def test_names_that_pictures_cannot_write_are_told_beside_them() -> None:
    found = Instances([[4, 4]], [[2, 2]], labels=[1], class_names=("cat", "苹果"))
    text = Page(render_report(Report("a", examples=[Example("a", np.zeros((8, 8)), found)]))).text
    assert "On the pictures, #1 is 苹果." in text


def test_a_photograph_is_kept_as_jpeg() -> None:
    noise = np.random.default_rng(0).random((900, 1200, 3), np.float32)
    page = Page(render_report(Report("a", examples=[Example("a", noise, Instances([], []))])))
    assert [link[:16] for link in page.links()] == ["data:image/jpeg;"]
    assert [attributes["width"] for tag, attributes in page.tags if tag == "img"] == ["1000"]


def test_of_very_many_problems_the_first_are_named_and_the_rest_counted() -> None:
    page = Page(
        render_report(Report("a", problems=[f"{index}.png is empty." for index in range(MOST_PROBLEMS + 1234)]))
    )
    assert [tag for tag, _ in page.tags].count("li") == MOST_PROBLEMS
    assert "and 1,234 more" in page.text


def test_a_file_name_that_is_no_utf8_is_written_with_a_question_mark(tmp_path: Path) -> None:
    write_report(tmp_path / "report.html", Report("a", problems=["caf\udce9.png is empty."]))
    assert "caf?.png" in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_a_report_that_cannot_be_made_leaves_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    write_report(path, Report("old"))
    with pytest.raises(BoxlessError, match="1 class names for 2 classes"):
        write_report(path, Report("new", confusion=np.eye(3, dtype=int), class_names=["cat"]))
    assert "<h1>old</h1>" in path.read_text()
    assert [one.name for one in tmp_path.iterdir()] == ["report.html"]

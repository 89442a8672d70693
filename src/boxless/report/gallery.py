"""The section of examples: pictures with boxes, heatmaps beside them, and what the colours mean."""

from collections.abc import Sequence

from boxless.report.contents import Example, Report
from boxless.report.lettering import picture_name
from boxless.report.markup import embedded_picture, note, section, text
from boxless.report.pictures import draw_detections, draw_heatmap
from boxless.report.verdicts import judge

LONGEST_SIDE = 1000

WITH_TRUTH = (
    '<li><i class="right"></i>right place and class</li>'
    '<li><i class="false"></i>wrong class (“3 not 8”: 3 was predicted, 8 is there), or nothing there</li>'
    '<li><i class="missed"></i>missed</li>'
)
WITHOUT_TRUTH = '<li><i class="class"></i>found; every class has its colour</li>'
HEAT = '<li><i class="ramp"></i>heatmap, least to highest value of its image</li>'


def gallery(report: Report) -> str:
    """One card for each example."""
    if not report.examples:
        return ""
    cards = "".join(_card(example) for example in report.examples)
    wide = " wide" if any(example.heatmap is not None for example in report.examples) else ""
    return section("Examples", _legend(report.examples), f'<div class="grid{wide}">{cards}</div>')


def _card(example: Example) -> str:
    told = _caption(example)
    pictures = embedded_picture(
        draw_detections(example.image, example.predicted, example.true, longest_side=LONGEST_SIDE),
        f"{example.name}: {told}",
    )
    if example.heatmap is not None:
        pictures += embedded_picture(draw_heatmap(example.image, example.heatmap), f"heatmap of {example.name}")
    caption = f"<figcaption><b>{text(example.name)}</b><br>{text(told)}</figcaption>"
    return f'<figure><div class="pair">{pictures}</div>{caption}</figure>'


def _caption(example: Example) -> str:
    if example.true is None:
        counts = ", ".join(f"{count} × {name}" for name, count in example.predicted.counts().items())
        return f"{len(example.predicted)} found: {counts}" if counts else "nothing found"
    verdicts = judge(example.predicted, example.true)
    told = [f"{len(verdicts.right)} of {len(example.true)} right"]
    for number, name in (
        (len(verdicts.mistaken), "of a wrong class"),
        (len(verdicts.false), "where nothing is"),
        (len(verdicts.missed), "missed"),
    ):
        if number:
            told.append(f"{number} {name}")
    return ", ".join(told)


def _legend(examples: Sequence[Example]) -> str:
    parts = [
        WITH_TRUTH if any(example.true is not None for example in examples) else "",
        WITHOUT_TRUTH if any(example.true is None for example in examples) else "",
        HEAT if any(example.heatmap is not None for example in examples) else "",
    ]
    return f'<ul class="legend">{"".join(parts)}</ul>{_unwritable(examples)}'


def _unwritable(examples: Sequence[Example]) -> str:
    """The names that the pictures' font cannot write, behind the ids that stand for them."""
    known = dict.fromkeys(one.predicted.class_names for one in examples if one.predicted.class_names is not None)
    told = [
        f"#{label} is {text(name)}"
        for names in known
        for label, name in enumerate(names)
        if picture_name(label, names) == f"#{label}" != name
    ]
    return note(f"On the pictures, {', '.join(told)}.") if told else ""

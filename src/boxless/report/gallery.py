"""The section of examples: pictures with boxes or marks, heatmaps and syntheses beside them, what the colours mean."""

from collections.abc import Sequence

import numpy as np

from boxless.report.colors import class_color, css
from boxless.report.contents import Example, Rebuilt, Report
from boxless.report.keypoints import draw_kinds, draw_layers, draw_owners
from boxless.report.lettering import picture_name
from boxless.report.markup import embedded_picture, note, section, text
from boxless.report.pictures import ImageArray, draw_class_map, draw_detections, draw_heatmap, draw_image
from boxless.report.reconstruction import draw_marks, draw_patches
from boxless.report.verdicts import is_texture, names_tell, verdicts_of

LONGEST_SIDE = 1000

WITH_TRUTH = (
    '<li><i class="right"></i>right place and class</li>'
    '<li><i class="false"></i>wrong class (“3 not 8”: 3 was predicted, 8 is there), or nothing there</li>'
    '<li><i class="missed"></i>missed</li>'
)
WITH_PLACES = (
    '<li><i class="right"></i>right place</li>'
    '<li><i class="false"></i>nothing there</li>'
    '<li><i class="missed"></i>missed</li>'
)
WITH_MARKS = (
    '<li><b class="right">●</b>found: within half a size of a true centre</li>'
    '<li><b class="false">✕</b>nothing there</li>'
    '<li><b class="missed">○</b>missed</li>'
)
PAIRS = "<li>below: each patch as it is cut out, and under it as it is rebuilt</li>"
WITHOUT_TRUTH = '<li><i class="class"></i>found; every class has its colour</li>'
KINDS = "<li>numbers: kinds that the model has made out by itself, each in its colour</li>"
LAYERS = "<li>below: what each keypoint adds, and under it how opaque it is</li>"
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
    draw = draw_marks if is_texture(example.predicted, example.true) else draw_detections
    detections = embedded_picture(
        draw(example.image, example.predicted, example.true, longest_side=LONGEST_SIDE), f"{example.name}: {told}"
    )
    heatmap = ""
    if example.heatmap is not None:
        draw_map = draw_heatmap if example.heatmap.ndim == 2 else draw_class_map
        heatmap = embedded_picture(draw_map(example.image, example.heatmap), f"heatmap of {example.name}")
    if example.rebuilt is None:
        pictures = f'<div class="pair">{detections}{heatmap}</div>'
    else:
        pictures = _steps(example, example.rebuilt, detections, heatmap)
    caption = f"<figcaption><b>{text(example.name)}</b><br>{text(told)}</figcaption>"
    return f"<figure>{pictures}{caption}</figure>"


def _steps(example: Example, rebuilt: Rebuilt, detections: str, heatmap: str) -> str:
    """Input, detections, kinds, synthesis, masks and heatmap, and under them the patches or layers."""

    def shown(image: ImageArray, title: str) -> str:
        return embedded_picture(draw_image(image, longest_side=LONGEST_SIDE), f"{title} of {example.name}")

    parts = {"input": shown(example.image, "input"), "detections": detections}
    if example.kinds is not None:
        numbered = draw_kinds(example.image, example.kinds, longest_side=LONGEST_SIDE)
        parts["kinds"] = embedded_picture(numbered, f"kinds of {example.name}")
    parts |= {"synthesis": shown(rebuilt.image, "synthesis"), "heatmap": heatmap}
    if example.layers is not None:
        parts["masks"] = embedded_picture(draw_owners(example.layers), f"masks of {example.name}")
    tiles = "".join(f"<div>{picture}<small>{name}</small></div>" for name, picture in parts.items() if picture)
    sheet = ""
    if len(rebuilt.patches):
        picture = embedded_picture(draw_patches(rebuilt), f"patches of {example.name} and their reconstructions")
        sheet = f'<div class="sheet">{picture}</div>'
    if example.layers is not None:
        picture = embedded_picture(draw_layers(example.layers), f"layers of {example.name}, and how opaque they are")
        sheet = f'<div class="sheet">{picture}</div>'
    return f'<div class="steps">{tiles}</div>{sheet}'


def _caption(example: Example) -> str:
    error = [] if example.rebuilt is None else [f"RMSE {_rmse(example.image, example.rebuilt.image):.3f}"]
    if example.true is None:
        return ", ".join([_counts(example), *error])
    verdicts = verdicts_of(example.predicted, example.true)
    told = [f"{len(verdicts.right)} of {len(example.true)} {'right' if names_tell(example.predicted) else 'found'}"]
    for number, name in (
        (len(verdicts.mistaken), "of a wrong class"),
        (len(verdicts.false), "where nothing is"),
        (len(verdicts.missed), "missed"),
    ):
        if number:
            told.append(f"{number} {name}")
    return ", ".join(told + error)


def _counts(example: Example) -> str:
    found = example.predicted
    if len(found) == 0:
        return "nothing found"
    if not names_tell(found):
        return f"{len(found)} found"
    return f"{len(found)} found: " + ", ".join(f"{count} × {name}" for name, count in found.counts().items())


def _rmse(image: ImageArray, rebuilt: ImageArray) -> float:
    """Root of the mean square difference."""
    return float(np.sqrt(np.square(image.reshape(rebuilt.shape).astype(np.float64) - rebuilt).mean()))


def _legend(examples: Sequence[Example]) -> str:
    of_classes = any(names_tell(example.predicted) for example in examples)
    judged = [example for example in examples if example.true is not None]
    textures = [example for example in judged if is_texture(example.predicted, example.true)]
    boxed = len(judged) > len(textures)
    parts = [
        (WITH_TRUTH if of_classes else WITH_PLACES) if boxed else "",
        WITH_MARKS if textures else "",
        WITHOUT_TRUTH if of_classes and any(example.true is None for example in examples) else "",
        HEAT if any(example.heatmap is not None and example.heatmap.ndim == 2 for example in examples) else "",
        _class_colors(examples),
        KINDS if any(example.kinds is not None for example in examples) else "",
        PAIRS if any(example.rebuilt is not None and len(example.rebuilt.patches) for example in examples) else "",
        LAYERS if any(example.layers is not None for example in examples) else "",
    ]
    return f'<ul class="legend">{"".join(parts)}</ul>{_unwritable(examples)}'


def _class_colors(examples: Sequence[Example]) -> str:
    """What the colours of class maps mean."""
    mapped = [one for one in examples if one.heatmap is not None and one.heatmap.ndim == 3]
    names = mapped[0].predicted.class_names if mapped else None
    if names is None:
        return ""
    swatches = " ".join(
        f'<i class="swatch" style="background:{css(class_color(label))}"></i>{text(name)}'
        for label, name in enumerate(names)
    )
    return f"<li>map of the classes: {swatches}</li>"


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

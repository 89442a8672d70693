"""The section of transcriptions: each image beside its map of classes, what it says, and what was read."""

from boxless.report.contents import Reading, Report
from boxless.report.markup import NOTHING, embedded_picture, note, section, text
from boxless.report.pictures import draw_class_map, draw_image


def readings(report: Report) -> str:
    """One card for each image, the worst first."""
    if not report.readings:
        return ""
    cards = "".join(_card(reading) for reading in report.readings)
    told = "The worst first. The colours of the maps are those of the classes, as under Examples."
    return section("Transcriptions", note(told), f'<div class="grid wide">{cards}</div>')


def _card(reading: Reading) -> str:
    right = reading.read == reading.true
    told = f"{reading.read or NOTHING}{' ✓' if right else f', and {reading.true or NOTHING} is there'}"
    picture = embedded_picture(draw_image(reading.image), f"{reading.name}: {told}")
    classes = ""
    if reading.class_map is not None:
        classes = embedded_picture(draw_class_map(reading.image, reading.class_map), f"classes in {reading.name}")
    columns = "" if reading.by_columns == reading.read else f" (by columns: {reading.by_columns or NOTHING})"
    caption = f"<b>{text(reading.name)}</b><br>read: {text(told)}{text(columns)}"
    return f'<figure><div class="pair">{picture}{classes}</div><figcaption>{caption}</figcaption></figure>'

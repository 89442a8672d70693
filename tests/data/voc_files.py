"""Files in the format of Pascal VOC 2007, for tests."""

from pathlib import Path

import numpy as np
from PIL import Image

Box = tuple[str, str, str, str]


def entry(name: str, box: Box, difficult: str = "0", more: str = "") -> str:
    """An object as VOC 2007 writes it; ``more`` is the parts of a person's layout."""
    xmin, ymin, xmax, ymax = box
    return f"""
    <object>
        <name>{name}</name>
        <pose>Left</pose>
        <truncated>1</truncated>
        <difficult>{difficult}</difficult>
        <bndbox>
            <xmin>{xmin}</xmin>
            <ymin>{ymin}</ymin>
            <xmax>{xmax}</xmax>
            <ymax>{ymax}</ymax>
        </bndbox>{more}
    </object>"""


def annotation(root: Path, name: str, *objects: str, size: tuple[int, int] = (12, 7), head: str = "") -> None:
    """An XML file and its JPEG of (width, height) pixels."""
    for folder in ("Annotations", "JPEGImages"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    text = f"""{head}<annotation>
    <folder>VOC2007</folder>
    <filename>{name}.jpg</filename>
    <source><database>The VOC2007 Database</database></source>
    <size>
        <width>{size[0]}</width>
        <height>{size[1]}</height>
        <depth>3</depth>
    </size>
    <segmented>0</segmented>{"".join(objects)}
</annotation>"""
    (root / "Annotations" / f"{name}.xml").write_text(text, encoding="utf-8")
    Image.fromarray(np.zeros((size[1], size[0], 3), np.uint8)).save(root / "JPEGImages" / f"{name}.jpg")

"""The Pascal VOC format: an XML file of boxes for each image. VOC 2007 is the set that it comes from.

VOC's corners are pixels counted from 1, and both belong to the box. In our frame, where the centre of the first pixel
is 0, a box therefore reaches from xmin - 1.5 to xmax - 0.5: its centre is (xmin + xmax) / 2 - 1, its width
xmax - xmin + 1.
"""

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from boxless.data.bad_rows import bad_rows, file_below
from boxless.data.folder import Folder, LabelledImage
from boxless.errors import BoxlessError
from boxless.instances import Instances

VOC_CLASSES = tuple(
    "aeroplane bicycle bird boat bottle bus car cat chair cow diningtable dog horse motorbike person pottedplant "  # noqa: SIM905
    "sheep sofa train tvmonitor".split()
)
"""The twenty classes of VOC 2007, in the order of their class ids."""

ANNOTATIONS = ("Annotations", "annotations")
IMAGES = ("JPEGImages", "images")
SOURCE = (
    "VOC 2007 is had at http://host.robots.ox.ac.uk/pascal/VOC/voc2007/ (its images are Flickr's, under Flickr's terms)"
)

FARTHEST = 1e9  # pixels; a coordinate beyond, infinite or no number is a broken file
MOST_BYTES = 1 << 22


@dataclass(frozen=True)
class _Annotation:
    file_name: str
    image_size: tuple[int, int]
    boxes: list[tuple[float, float, float, float]]  # centre x, centre y, width, height in our frame
    names: list[str]


def read_voc(
    path: str | os.PathLike[str],
    split: str | None,
    class_names: Sequence[str] = VOC_CLASSES,
    difficult: bool = False,
) -> Folder:
    """Read and check the boxes of a set; no image is opened (see ``boxless.data.folder.check_images``).

    Args:
        path: of the folder with ``Annotations/*.xml``, ``JPEGImages`` and ``ImageSets/Main/*.txt`` (VOCdevkit's
            VOC2007); sets of others in this format may call the first two ``annotations`` and ``images``.
        split: the name of a list in ``ImageSets/Main``: train, val, trainval or test. None takes every image that has
            annotations, by name.
        class_names: the name of each class id.
        difficult: whether objects that are marked as difficult are there; VOC's own evaluation leaves them out.

    Returns:
        The images in the order of the list, those without objects too.

    Raises:
        BoxlessError: a folder or the list is missing, or there are bad files or lines, which are all named at once.
    """
    root = Path(path)
    annotations, images = _folder(root, ANNOTATIONS), _folder(root, IMAGES)
    ids = {name: label for label, name in enumerate(class_names)}
    found: list[LabelledImage] = []
    problems: list[str] = []
    seen: set[Path] = set()
    for file in _files(root, annotations, split):
        try:
            annotation = _read(file, difficult)
            unknown = sorted(set(annotation.names).difference(ids))
            if unknown:
                raise ValueError(f"unknown class {', '.join(unknown)} (known: {' '.join(class_names)})")
            path = file_below(images, annotation.file_name)
            if path in seen:
                raise ValueError(f"{annotation.file_name} is there twice")
            seen.add(path)
            found.append(_labelled(annotation, path, ids))
        except ValueError as error:
            problems.append(f"{file.name}: {error}")
    if problems:
        raise bad_rows(annotations, problems)
    if not found:
        raise BoxlessError(f"{annotations} has no *.xml, where one is needed for each image; {SOURCE}.")
    return Folder(root, tuple(class_names), found)


def _folder(root: Path, names: tuple[str, ...]) -> Path:
    for name in names:
        if (root / name).is_dir():
            return root / name
    raise BoxlessError(f"{root} has no folder {names[0]}, as a set in the format of Pascal VOC has; {SOURCE}.")


def _files(root: Path, annotations: Path, split: str | None) -> list[Path]:
    if split is None:
        return sorted(annotations.glob("*.xml"))
    list_path = root / "ImageSets" / "Main" / f"{split}.txt"
    try:
        lines = list_path.read_bytes().decode("utf-8").splitlines()
    except FileNotFoundError as error:
        known = ", ".join(sorted(file.stem for file in list_path.parent.glob("*.txt"))) or "none"
        raise BoxlessError(f"There is no list {list_path} (there are: {known}); check the split.") from error
    except (OSError, UnicodeDecodeError) as error:
        raise BoxlessError(f"{list_path} cannot be read ({error}); copy it again.") from error
    files: list[Path] = []
    seen: set[str] = set()
    problems = []
    for number, line in enumerate(lines, start=1):
        words = line.split()
        try:
            if len(words) > 1:
                raise ValueError(f"{line.strip()!r} is not the name of one image")
            if words and words[0] in seen:
                raise ValueError(f"{words[0]} is given twice")
            if words:
                files.append(file_below(annotations, f"{words[0]}.xml"))
                seen.add(words[0])
        except ValueError as error:
            problems.append(f"line {number}: {error}")
    if problems:
        raise bad_rows(list_path, problems)
    if not files:
        raise BoxlessError(f"{list_path} names no image; copy it again.")
    return files


def _labelled(annotation: _Annotation, path: Path, ids: dict[str, int]) -> LabelledImage:
    labels = [ids[name] for name in annotation.names]
    centers = [box[:2] for box in annotation.boxes]
    sizes = [box[2:] for box in annotation.boxes]
    truth = Instances(centers, sizes, labels=labels, class_names=tuple(ids), image_size=annotation.image_size)
    return LabelledImage(path, tuple(sorted(labels)), truth)


def _read(path: Path, difficult: bool) -> _Annotation:
    """One file; a ValueError says what is wrong with it."""
    root = _parsed(path)
    if root.tag != "annotation":
        raise ValueError(f"its root is <{root.tag}>, where VOC has <annotation>")
    width, height = (_whole(root, f"size/{side}") for side in ("width", "height"))
    boxes, names = [], []
    for number, entry in enumerate(root.findall("object"), start=1):
        try:
            name, box = _text(entry, "name"), _box(entry)
        except ValueError as error:
            raise ValueError(f"object {number}: {error}") from error
        if difficult or (entry.findtext("difficult") or "0").strip() != "1":
            names.append(name)
            boxes.append(box)
    return _Annotation(_text(root, "filename"), (height, width), boxes, names)


def _parsed(path: Path) -> ElementTree.Element:
    """The root of an XML file that declares nothing: a DOCTYPE could define entities that grow without end."""
    try:
        if path.stat().st_size > MOST_BYTES:
            raise ValueError(f"it has more than {MOST_BYTES:,} bytes, which no such file has")
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise ValueError(f"it cannot be read ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise ValueError(f"it is not UTF-8 (byte {error.start})") from error
    if "<!DOCTYPE" in text:
        raise ValueError("it has a DOCTYPE, which is not taken")
    try:
        return ElementTree.fromstring(text)
    except ElementTree.ParseError as error:
        raise ValueError(f"it is no XML ({error})") from error


def _text(entry: ElementTree.Element, tag: str) -> str:
    text = (entry.findtext(tag) or "").strip()
    if not text:
        raise ValueError(f"there is no <{tag}>")
    return text


def _whole(entry: ElementTree.Element, tag: str) -> int:
    text = _text(entry, tag)
    if not (text.isascii() and text.isdigit()) or not 1 <= len(text) <= 9 or int(text) < 1:
        raise ValueError(f"its <{tag}> is {text!r}, no whole number from 1 on")
    return int(text)


def _box(entry: ElementTree.Element) -> tuple[float, float, float, float]:
    corners = []
    for tag in ("xmin", "ymin", "xmax", "ymax"):
        text = _text(entry, f"bndbox/{tag}")
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not abs(value) <= FARTHEST:
            raise ValueError(f"its {tag} is {text!r}, no number of pixels")
        corners.append(value)
    left, top, right, bottom = corners
    if right < left or bottom < top:
        raise ValueError(f"its box ends at ({right:g}, {bottom:g}) before it starts at ({left:g}, {top:g})")
    return (left + right) / 2 - 1, (top + bottom) / 2 - 1, right - left + 1, bottom - top + 1

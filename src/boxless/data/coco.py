"""The COCO format of object detection, read and written.

COCO's boxes are (left, top, width, height) in a frame whose origin is the *corner* of the top-left pixel; ours is the
pixel's centre. A centre is therefore left + width / 2 - 0.5, and the way out adds the half pixel again.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from boxless.data.attributes import Attributes, attributes_from
from boxless.data.bad_rows import bad_rows
from boxless.data.files import write_atomically
from boxless.errors import BoxlessError
from boxless.instances import Instances

Ids = dict[int | str, int]

READING = "reading"  # in info.order, which COCO does not know
FOUND = "found by boxless"  # in info.description: what a model says is no truth

FARTHEST = 1e9  # pixels; a coordinate beyond, infinite or no number is a broken file


@dataclass(frozen=True)
class CocoFile:
    """What a COCO file says.

    Attributes:
        path: of the file.
        class_names: in the order of COCO's category ids, whatever their gaps: ours count from 0.
        images: file name and instances of each image, those without any too; scores are one.
        attributes: of classes that combine some, see ``boxless.data.attributes``.
        in_reading_order: the file says that the instances of an image come in the order in which they are read.
    """

    path: Path
    class_names: tuple[str, ...]
    images: list[tuple[str, Instances]]
    attributes: Attributes = field(default_factory=dict)
    in_reading_order: bool = False


def find_coco(folder: Path) -> CocoFile | None:
    """Read the COCO file among the ``*.json`` of ``folder`` or of ``annotations`` in it; None where there is none.

    What ``boxless detect`` left there is passed over: it would be taken for the truth.

    Raises:
        BoxlessError: there are two, one is broken (see ``read_coco``), or a file is no JSON.
    """
    true = [(path, document) for path, document in _coco_files(folder) if not _is_found(document)]
    if len(true) > 1:
        names = " and ".join(str(path.relative_to(folder)) for path, _ in true)
        raise BoxlessError(f"{folder} holds more than one COCO file ({names}); leave the one that is meant.")
    return _parsed(*true[0]) if true else None


def found_files(folder: Path) -> list[Path]:
    """What ``find_coco`` passes over."""
    return [path for path, document in _coco_files(folder) if _is_found(document)]


def _coco_files(folder: Path) -> list[tuple[Path, dict[str, Any]]]:
    paths = sorted([*folder.glob("*.json"), *folder.glob("annotations/*.json")])
    return [(path, document) for path in paths if _is_coco(document := _load(path))]


def read_coco(path: Path) -> CocoFile:
    """Read a COCO file of boxes. Annotations of crowds (``iscrowd``) are passed over, as they are no single objects.

    Raises:
        BoxlessError: it is no JSON, no COCO, or has bad entries, which are all named at once: an id or name given
            twice, an annotation of an unknown image or category, a box that is not four numbers of pixels with a width
            and height of at least 0.
    """
    document = _load(path)
    if not _is_coco(document):
        raise BoxlessError(f"{path} is no COCO file: it needs the lists images, annotations and categories.")
    return _parsed(path, document)


def write_coco(
    path: Path,
    images: Iterable[tuple[str, Instances]],
    attributes: Mapping[str, Sequence[str]] | None = None,
    in_reading_order: bool = False,
    description: str = "boxless",
) -> None:
    """Write a whole COCO file, with scores; image and annotation ids count from 1, category ids are the class ids.

    Args:
        path: of the file; it is written wholly or not at all.
        images: file name and instances of each image, looked at one by one; instances know their ``image_size``, and
            agree in class names.
        attributes: of classes that combine some, see ``boxless.data.attributes``.
        in_reading_order: said in the file, of the instances of each image.
        description: of the file; ``FOUND`` for what a model says.

    Raises:
        BoxlessError: a file name is given twice, a size is not known, or class names differ.
    """
    document: dict[str, Any] = {"info": {"description": description}, "licenses": [], "images": [], "annotations": []}
    if attributes:
        document["info"]["attributes"] = {name: list(values) for name, values in attributes.items()}
    if in_reading_order:
        document["info"]["order"] = READING
    seen: set[str] = set()
    named: set[tuple[str, ...] | None] = set()
    for image_id, (name, instances) in enumerate(images, start=1):
        if instances.image_size is None or name in seen:
            reason = "is given twice" if name in seen else "has no image_size"
            raise BoxlessError(f"{name} {reason}, so {path} cannot be written as COCO; correct the list of images.")
        seen.add(name)
        named.add(instances.class_names)
        if len(named) > 1:
            raise BoxlessError(
                "The instances of one COCO file must agree in their class names; write a file for each set."
            )
        height, width = instances.image_size
        document["images"].append({"id": image_id, "file_name": name, "width": width, "height": height})
        document["annotations"] += instances.to_coco(image_id, first_id=len(document["annotations"]) + 1)
    names = named.pop() if named else ()
    if names is None:
        most = max((annotation["category_id"] for annotation in document["annotations"]), default=-1)
        names = tuple(map(str, range(most + 1)))
    document["categories"] = [{"id": label, "name": name} for label, name in enumerate(names)]
    write_atomically(path, json.dumps(document))


def _load(path: Path) -> Any:
    try:
        return json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise BoxlessError(f"{path} is no JSON ({error}); correct it, or take it out of the folder.") from error
    except OSError as error:
        raise BoxlessError(f"{path} cannot be read ({error.strerror}); check the name and the rights.") from error


def _is_coco(document: Any) -> bool:
    keys = ("images", "annotations", "categories")
    return isinstance(document, dict) and all(isinstance(document.get(key), list) for key in keys)


def _is_found(document: dict[str, Any]) -> bool:
    info = document.get("info")
    return isinstance(info, dict) and info.get("description") == FOUND


def _parsed(path: Path, document: dict[str, Any]) -> CocoFile:
    problems: list[str] = []
    categories = _entries(document, "categories", "name", problems)
    categories.sort(key=lambda entry: (isinstance(entry["id"], str), entry["id"]))
    images = _entries(document, "images", "file_name", problems)
    labels: Ids = {entry["id"]: label for label, entry in enumerate(categories)}
    places: Ids = {entry["id"]: place for place, entry in enumerate(images)}
    sizes = [_size(entry, problems) for entry in images]
    boxes: list[list[tuple[float, ...]]] = [[] for _ in images]
    classes: list[list[int]] = [[] for _ in images]
    for number, entry in enumerate(document["annotations"], start=1):
        try:
            if not isinstance(entry, dict):
                raise ValueError("is no object")
            if entry.get("iscrowd"):
                continue
            place = _known(places, entry, "image_id")
            label = _known(labels, entry, "category_id")
            boxes[place].append(_box(entry.get("bbox"), sizes[place]))
            classes[place].append(label)
        except ValueError as error:
            problems.append(f"annotation {number}: {error}")
    if problems:
        raise bad_rows(path, problems)
    if _are_shares([box for own in boxes for box in own]):
        raise BoxlessError(f"The boxes of {path} are shares of its images, where COCO's are pixels; multiply them.")
    names = tuple(entry["name"] for entry in categories)
    instances = [
        Instances(box[:, :2], box[:, 2:], labels=classes[place], class_names=names, image_size=sizes[place])
        for place, box in enumerate(np.array(rows, np.float64).reshape(-1, 4) for rows in boxes)
    ]
    named = [(entry["file_name"], found) for entry, found in zip(images, instances, strict=True)]
    info = document.get("info")
    in_order = isinstance(info, dict) and info.get("order") == READING
    return CocoFile(path, names, named, attributes_from(info, names), in_order)


def _entries(document: dict[str, list[Any]], key: str, name: str, problems: list[str]) -> list[dict[str, Any]]:
    """The entries of a list that have an id and a name of their own; the others go to ``problems``."""
    good: list[dict[str, Any]] = []
    ids: set[int | str] = set()
    names: set[str] = set()
    for number, entry in enumerate(document[key], start=1):
        where = f"{key} entry {number}"
        if (
            not isinstance(entry, dict)
            or not isinstance(entry.get("id"), int | str)
            or not isinstance(entry.get(name), str)
        ):
            problems.append(f"{where}: it needs an id and a {name}")
        elif entry["id"] in ids or entry[name] in names:
            problems.append(f"{where}: the id {entry['id']} or the {name} {entry[name]} is given twice")
        else:
            ids.add(entry["id"])
            names.add(entry[name])
            good.append(entry)
    return good


def _known(ids: Ids, entry: dict[str, Any], key: str) -> int:
    value = entry.get(key)
    if not isinstance(value, int | str) or value not in ids:
        raise ValueError(f"its {key} {value!r} is not in the file")
    return ids[value]


def _box(bbox: Any, image_size: tuple[int, int] | None) -> tuple[float, ...]:
    """COCO's box as centre x, centre y, width, height in our frame; its middle lies in the image."""
    numbers = bbox if isinstance(bbox, list) else []
    if len(numbers) != 4 or not all(isinstance(value, int | float) and abs(value) <= FARTHEST for value in numbers):
        raise ValueError(f"its bbox {bbox!r} is not four numbers of pixels")
    left, top, width, height = numbers
    if width < 0 or height < 0:
        raise ValueError(f"its bbox {bbox!r} has a negative width or height")
    x, y = left + width / 2, top + height / 2
    if image_size is not None and not (-1 <= x <= image_size[1] + 1 and -1 <= y <= image_size[0] + 1):
        raise ValueError(
            f"its bbox {bbox!r} lies outside of its image of {image_size[1]}×{image_size[0]}; COCO's are left, top, "
            "width and height"
        )
    return x - 0.5, y - 0.5, width, height


def _are_shares(boxes: Sequence[tuple[float, ...]]) -> bool:
    """Whether all boxes lie within the first pixel, and one at least between its sides."""
    numbers = np.array(boxes)
    return len(boxes) > 0 and bool((numbers <= 1).all() and (numbers[:, 2:] % 1).any())


def _size(entry: dict[str, Any], problems: list[str]) -> tuple[int, int] | None:
    """(height, width) where the file gives them."""
    size = entry.get("height"), entry.get("width")
    if size == (None, None):
        return None
    if not all(isinstance(length, int) and length >= 1 for length in size):
        problems.append(f"image {entry['file_name']}: its height and width {size} are not whole numbers from 1 on")
        return None
    return size  # type: ignore[return-value]

"""``boxless detect``: images and folders to detections, read in batches; broken images are named and passed over."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from boxless.cli.interrupts import interruptible
from boxless.cli.output import MOST_ROWS, print_table, remark
from boxless.cli.parsing import new_parser, parse, threshold_of
from boxless.errors import BoxlessError

if TYPE_CHECKING:
    from torch import Tensor

    from boxless.instances import Instances
    from boxless.methods.detector import Detector

DESCRIPTION = """\
Find, count and name the objects of images. MODEL is a run, a saved model, or the name of one that ships with the
package. Folders are searched with all folders in them."""

MOST_COLUMNS = 12


def run(arguments: Sequence[str]) -> int:
    """Detect, and write or print; 1 where no image at all could be read."""
    parser = new_parser("detect", "MODEL IMAGES... [options]", DESCRIPTION)
    parser.add_argument("model", metavar="MODEL", help="a run, a saved model, or the name of a shipped one")
    parser.add_argument("images", metavar="IMAGES", nargs="+", help="files and folders")
    parser.add_argument("--out", type=str | None, help="a file for what was found: .json (COCO), .csv or .parquet")
    parser.add_argument("--format", type=str | None, help="coco, csv, parquet or label-studio; by the suffix without")
    parser.add_argument(
        "--k", type=int | None, help="the K highest peaks of each image; without, as many as the model knows"
    )
    parser.add_argument(
        "--threshold", type=str | None, help="find all of at least this score, in [0, 1]; auto: the model's own"
    )
    parser.add_argument("--pictures", type=str | None, help="a folder for a picture of each image with its boxes")
    options = parse(parser, arguments)
    options["threshold"] = threshold_of(options["threshold"])

    from boxless.data.files import check_folder, check_writable
    from boxless.data.images import list_images
    from boxless.exits import format_of, write
    from boxless.hardware import fastest_device
    from boxless.models import load

    if options["format"] is not None and options["out"] is None:
        raise BoxlessError("--format is that of a file: name it by --out, as in --out found.json.")
    format = None if options["out"] is None else format_of(options["out"], options["format"])
    files = list_images(options["images"])
    if options["out"] is not None and Path(options["out"]).resolve() in {path.resolve() for path in files}:
        raise BoxlessError(f"{options['out']} is one of the images; give another file by --out.")
    if options["out"] is not None:
        check_writable(Path(options["out"]))
    if options["pictures"] is not None:
        check_folder(Path(options["pictures"]))
    detector = load(options["model"]).to(fastest_device())
    if options["k"] is None and options["threshold"] is None and detector.calibrated_threshold is not None:
        remark("the highest peaks of each image, as many as the model looks for; --threshold auto counts what is there")
    seen = Seen()
    with interruptible("interrupted; nothing was written."):
        found = _detect(detector, files, options, seen)
        if options["out"] is None:
            counts = [(str(path), instances.counts()) for path, instances in found]
        elif (first := next(found, None)) is not None:
            items = ((str(path), instances) for path, instances in chain([first], found))
            write(options["out"], items, format)
    if seen.read and options["out"] is not None:
        remark(f"{seen.objects:,} objects in {seen.read:,} images: {options['out']}")
    elif seen.read:
        _print_counts(counts, detector.config.class_names)
    if seen.read < len(files):
        remark(f"{len(files) - seen.read:,} of {len(files):,} images could not be read and were passed over.")
    return 0 if seen.read else 1


@dataclass
class Seen:
    """How many images were read, and how many objects they hold."""

    read: int = 0
    objects: int = 0


def _detect(
    detector: Detector, files: Sequence[Path], options: dict[str, Any], seen: Seen
) -> Iterator[tuple[Path, Instances]]:
    """The instances of each image that can be read, as they are found: masks are as large as images, and may go."""
    from boxless.cli.image_batches import read_in_batches
    from boxless.image_progress import ImageProgress

    with ImageProgress("detecting", len(files)) as progress:
        for batch in read_in_batches(files, detector.config.channels, progress):
            images = [image for _, image in batch]
            instances = detector.detect(images, k=options["k"], threshold=options["threshold"])
            for (path, image), one in zip(batch, instances, strict=True):
                seen.read += 1
                seen.objects += len(one)
                if options["pictures"] is not None:
                    _draw(Path(options["pictures"]), seen.read, path, image, one)
                yield path, one
            progress.advance(len(batch))


def _draw(folder: Path, number: int, path: Path, image: Tensor, instances: Instances) -> None:
    """A picture, named after its image and its number, as images in two folders may have one name."""
    from boxless.report.pictures import draw_detections
    from boxless.report.png import write_picture

    picture = draw_detections(image.permute(1, 2, 0).numpy(), instances)
    write_picture(folder / f"{number:04d}-{path.stem}.png", picture)


def _print_counts(found: Sequence[tuple[str, dict[str, int]]], class_names: Sequence[str]) -> None:
    """How many of each class each image holds, and all together; many classes in one column, those that are there."""
    rows = list(found[:MOST_ROWS])
    if len(found) > 1:
        total = {name: sum(count.get(name, 0) for _, count in found) for name in class_names}
        rows.append((f"all {len(found):,} images", total))
    objects = [str(sum(count.values())) for _, count in rows]
    if len(class_names) <= MOST_COLUMNS:
        counts = [[str(count.get(name, 0) or "") for name in class_names] for _, count in rows]
        print_table(["image", "objects", *class_names], _beside(rows, objects, counts))
    else:
        texts = [[", ".join(f"{name} {count[name]}" for name in class_names if count.get(name))] for _, count in rows]
        print_table(["image", "objects", "of each class"], _beside(rows, objects, texts))
    if len(found) > MOST_ROWS:
        remark(f"and {len(found) - MOST_ROWS:,} images more; --out found.csv keeps all.")


def _beside(
    rows: Sequence[tuple[str, dict[str, int]]], objects: Sequence[str], cells: Sequence[list[str]]
) -> list[list[str]]:
    return [[name, number, *own] for (name, _), number, own in zip(rows, objects, cells, strict=True)]

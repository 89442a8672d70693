"""``boxless transcribe``: what is written in each image, one line of characters or words an image."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from boxless.cli.interrupts import interruptible
from boxless.cli.output import MOST_ROWS, print_table, remark
from boxless.cli.parsing import new_parser, parse
from boxless.errors import BoxlessError

if TYPE_CHECKING:
    from boxless.methods.abilities import Transcribes

DESCRIPTION = """\
Read what is written in images: what is found there, in order along its own line, from left to right, or from top to
bottom where the line is steep. MODEL is a run of mcmil, a saved model, or mcmil-mnist, which ships with the package.
Folders are searched with all folders in them."""


def run(arguments: Sequence[str]) -> int:
    """Read, and write or print; 1 where no image at all could be read."""
    parser = new_parser("transcribe", "MODEL IMAGES... [options]", DESCRIPTION)
    parser.add_argument("model", metavar="MODEL", help="a run, a saved model, or the name of a shipped one")
    parser.add_argument("images", metavar="IMAGES", nargs="+", help="files and folders")
    parser.add_argument("--out", type=str | None, help="a file for it, .csv: file_name and labels, as metadata.csv")
    options = parse(parser, arguments)

    from boxless.data.files import check_writable
    from boxless.data.images import list_images
    from boxless.hardware import fastest_device
    from boxless.methods.abilities import Transcribes
    from boxless.models import load

    out = None if options["out"] is None else Path(options["out"])
    files = list_images(options["images"])
    if out is not None:
        if out.suffix.lower() != ".csv":
            raise BoxlessError(f"What images say is written as a table: end {out.name} in .csv.")
        check_writable(out)
    detector = load(options["model"]).to(fastest_device())
    if not isinstance(detector, Transcribes):
        raise BoxlessError(f"A model of {detector.method} finds things and reads no lines; take one of mcmil.")
    with interruptible("interrupted; nothing was written."):
        texts = list(_transcribed(detector, detector.config, files))
        if texts and out is not None:
            _write(out, texts)
    if texts and out is not None:
        remark(f"what {len(texts):,} images say: {out}")
    elif texts:
        _print(texts)
    if len(texts) < len(files):
        remark(f"{len(files) - len(texts):,} of {len(files):,} images could not be read and were passed over.")
    return 0 if texts else 1


def _transcribed(detector: Transcribes, config: Any, files: Sequence[Path]) -> Iterator[tuple[str, list[str]]]:
    """The names of what each image that can be read says, in reading order."""
    from boxless.cli.image_batches import read_in_batches
    from boxless.image_progress import ImageProgress

    with ImageProgress("reading", len(files)) as progress:
        for batch in read_in_batches(files, config.channels, progress):
            for (path, _), text in zip(batch, detector.transcribe([image for _, image in batch]), strict=True):
                yield str(path), [config.class_names[label] for label in text]
            progress.advance(len(batch))


def _write(out: Path, texts: Sequence[tuple[str, list[str]]]) -> None:
    """As metadata.csv of a folder to train on; blanks in names are underscores there."""
    from boxless.data.files import write_atomically

    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(("file_name", "labels"))
    writer.writerows((name, " ".join(word.replace(" ", "_") for word in words)) for name, words in texts)
    write_atomically(out, table.getvalue())


def _print(texts: Sequence[tuple[str, list[str]]]) -> None:
    """Names of one character each are written without blanks, as in the image."""
    single = all(len(word) == 1 for _, words in texts for word in words)
    rows = [[name, ("" if single else " ").join(words)] for name, words in texts[:MOST_ROWS]]
    print_table(["image", "says"], rows, left=2)
    if len(texts) > MOST_ROWS:
        remark(f"and {len(texts) - MOST_ROWS:,} images more; --out read.csv keeps all.")

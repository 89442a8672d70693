"""``boxless prepare``: a public set of images, as it is released, to folders that a training reads."""

from collections.abc import Sequence
from pathlib import Path
from shlex import quote

from boxless.cli.interrupts import interruptible
from boxless.cli.output import remark
from boxless.cli.parsing import did_you_mean, new_parser, parse
from boxless.errors import BoxlessError

SETS = (
    "celeba",
    "cifar10",
    "clevr",
    "clevr_with_masks",
    "faces",
    "human36m",
    "raccoon",
    "raccoon_among_photos",
    "svhn",
    "svhn_digits",
    "tetrominoes",
    "voc-coco",
    "yolo",
)
DESCRIPTION = f"""\
Write a public set of images as folders that train and evaluate read, cropped and parted as the papers do. SET is one of
{", ".join(SETS)}. SOURCE is the folder in which it lies as it is released (of svhn: train and test, in a folder full);
where it is had and under which licence is told where it is not there. yolo is any set in that format, a user's own too.
Parts that are written already stay."""


def run(arguments: Sequence[str]) -> int:
    """Write the set, and say what to do with it."""
    parser = new_parser("prepare", "SET SOURCE [options]", DESCRIPTION)
    parser.add_argument("set", metavar="SET", help="the name of the set")
    parser.add_argument("source", metavar="SOURCE", help="the folder in which it lies")
    parser.add_argument("--out", type=str | None, help="the folder to write; one of the set's name without")
    options = parse(parser, arguments)
    name = options["set"]
    if name not in SETS:
        raise BoxlessError(f"There is no set {name}; the sets are {', '.join(SETS)}{did_you_mean(name, SETS)}")
    out = Path(options["out"] or name)

    from boxless.data.released import RELEASED

    with interruptible("interrupted; parts that are not finished will be written anew."):
        counts, problems = RELEASED[name](options["source"], out)
    for problem in problems:
        remark(f"left out: {problem}")
    if not counts:
        remark(f"{out} is there already")
    for part, number in counts.items():
        remark(f"{out / part}: {number:,} images")
    parts = [out / part for part in ("train", *counts) if (out / part).is_dir()]
    if parts:
        remark(f"next: boxless train METHOD --data {quote(str(parts[0]))}")
    return 0

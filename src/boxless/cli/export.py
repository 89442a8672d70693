"""``boxless export``: a model as a file for other runtimes."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from boxless.cli.output import remark
from boxless.cli.parsing import new_parser, parse
from boxless.errors import BoxlessError

DESCRIPTION = """\
Write a model as an ONNX file, which finds in images of one size what boxless detect finds. MODEL is a run, a saved
model, or the name of one that ships with the package. The input is (batch, channels, height, width) float32 in [0, 1];
what comes out is told, and is in pixels of these images."""


def run(arguments: Sequence[str]) -> int:
    """Write the file, and say what goes in and comes out."""
    parser = new_parser("export", "MODEL --height H --width W [options]", DESCRIPTION)
    parser.add_argument("model", metavar="MODEL", help="a run, a saved model, or the name of a shipped one")
    parser.add_argument("--height", type=int | None, help="of the images, in pixels")
    parser.add_argument("--width", type=int | None, help="of the images, in pixels")
    parser.add_argument("--batch_size", type=int, default=1, help="images at once, exactly")
    parser.add_argument("--format", type=Literal["onnx"], default="onnx", help="of the file")
    parser.add_argument("--out", type=str | None, help="the file to write; of the model's name without")
    options = parse(parser, arguments)
    if options["height"] is None or options["width"] is None:
        raise BoxlessError("The file is for images of one size: give it by --height and --width, in pixels.")

    from boxless.data.files import check_writable
    from boxless.engine.export import INPUT, export
    from boxless.models import load

    out = Path(options["out"] or f"{Path(options['model']).resolve().name}.onnx")
    check_writable(out)
    detector = load(options["model"])
    size = (options["height"], options["width"])
    names = export(detector, out, size, options["batch_size"])
    shape = ", ".join(map(str, (options["batch_size"], detector.config.channels, *size)))
    remark(f"{out}: {INPUT} ({shape}) to {', '.join(names)}")
    return 0

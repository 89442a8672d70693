"""``boxless export``: a model as a file for other runtimes."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from boxless.cli.output import remark
from boxless.cli.parsing import new_parser, parse
from boxless.cli.runs import recipe_of
from boxless.errors import BoxlessError

DESCRIPTION = """\
Write a model as an ONNX file, which finds in images of one size what boxless detect finds. MODEL is a run, a saved
model, or the name of one that ships with the package. The size is that of the images it learned from, if these are
alike, unless another is given. The input is (batch, channels, height, width) float32 in [0, 1]; what comes out is told,
and is in pixels of these images."""


def run(arguments: Sequence[str]) -> int:
    """Write the file, and say what goes in and comes out."""
    parser = new_parser("export", "MODEL [options]", DESCRIPTION)
    parser.add_argument("model", metavar="MODEL", help="a run, a saved model, or the name of a shipped one")
    parser.add_argument("--height", type=int | None, help="of the images, in pixels")
    parser.add_argument("--width", type=int | None, help="of the images, in pixels")
    parser.add_argument("--batch_size", type=int, default=1, help="images at once, exactly")
    parser.add_argument("--format", type=Literal["onnx"], default="onnx", help="of the file")
    parser.add_argument("--out", type=str | None, help="the file to write; of the model's name without")
    options = parse(parser, arguments)
    given = (options["height"], options["width"])
    if (given[0] is None) != (given[1] is None):
        raise BoxlessError("Give both --height and --width of the images, in pixels, or neither.")

    from boxless.data.files import check_writable
    from boxless.engine.export import INPUT, export
    from boxless.models import load

    out = Path(options["out"] or f"{Path(options['model']).resolve().name}.onnx")
    check_writable(out)
    detector = load(options["model"])
    size = size_learned_from(options["model"]) if given[0] is None else given
    names = export(detector, out, size, options["batch_size"])
    shape = ", ".join(map(str, (options["batch_size"], detector.config.channels, *size)))
    remark(f"{out}: {INPUT} ({shape}) to {', '.join(names)}")
    return 0


def size_learned_from(model: str) -> tuple[int, int]:
    """Height and width of the images that a model learned from, in pixels.

    Raises:
        BoxlessError: they are not known, or not alike.
    """
    from boxless.engine.sources import image_size

    recipe = recipe_of(model)
    size = None if recipe is None else image_size(recipe.data)
    if size is None:
        why = "is not known" if recipe is None else "differs"
        raise BoxlessError(f"The size of the images that {model} learned from {why}; give --height and --width.")
    return size

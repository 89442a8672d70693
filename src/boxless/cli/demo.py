"""``boxless demo``: from nothing to a trained detector, its scores and its pictures, in minutes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from boxless.cli.interrupts import interruptible
from boxless.cli.output import remark
from boxless.cli.parsing import new_parser, parse
from boxless.cli.runs import RUNS, newest_run, next_run
from boxless.engine.recipe import RECIPE_FILE, read_recipe
from boxless.errors import BoxlessError

if TYPE_CHECKING:
    from boxless.engine.evaluation import Evaluation
    from boxless.methods.detector import Detector

DESCRIPTION = """\
Train on scenes of real handwritten digits, from scratch and from counts alone; test on digits that were never seen;
leave a report, a picture and found.json. It takes minutes and needs no download."""

RECIPE = "mist-classify-demo"
REPORT = "report.html"
# On a slow machine the demo ends with what it has learned until then.
MOST_SECONDS = 390.0
SCENES, SHOWN, SCALE, COLUMNS = 1000, 8, 4, 4


def run(arguments: Sequence[str]) -> int:
    """Train, evaluate, draw."""
    parser = new_parser("demo", "[--out DIRECTORY]", DESCRIPTION)
    parser.add_argument("--out", type=str | None, help="the run directory; runs/demo, or the next free number, without")
    out, resume = _directory(parse(parser, arguments)["out"])
    recipe = read_recipe(out / RECIPE_FILE if resume else RECIPE)
    going = "going on in" if resume else "training in"
    remark(f"{going} {out}; {MOST_SECONDS / 60:.1f} minutes at most, and one to test it")

    from boxless.cli.telling import tell
    from boxless.engine.evaluation import evaluate
    from boxless.engine.records import read_record
    from boxless.engine.run import train

    with interruptible(f"interrupted; go on with: boxless demo --out {out}"):
        detector = train(recipe, out, resume=resume, max_time=MOST_SECONDS)
        found = evaluate(detector, recipe.data, images=SCENES, progress=True)
        _leave_pictures(found, detector, out)
        tell(found, detector, recipe.data, str(out), out / REPORT, recipe)
    record = read_record(out)
    if record is not None and record.steps < recipe.run.steps:
        remark(
            f"stopped in time at step {record.steps:,} of {recipe.run.steps:,}, so it knows less than it could; "
            f"go on: boxless train --resume --out {out}"
        )
    remark(
        f"picture: {out / 'picture.png'}; detections: {out / 'found.json'}\n"
        f"next: boxless detect {out} {out / 'scenes'}\n"
        "      boxless train mist-classify --data FOLDER --model.object_size PIXELS"
    )
    return 0


def _directory(out: str | None) -> tuple[Path, bool]:
    """Where to train, and whether an interrupted demo lies there."""
    newest = newest_run("demo") or RUNS / "demo"
    path = newest if out is None else Path(out)
    if not (path / RECIPE_FILE).exists():
        return path, False
    if not (path / REPORT).exists():
        return path, True
    if out is not None:
        raise BoxlessError(f"{path} holds a run already; give another directory by --out.")
    return next_run("demo", first=2), False


def _leave_pictures(evaluation: Evaluation, detector: Detector, out: Path) -> None:
    """Some scenes as files, what is found in them, and all of it on one sheet."""
    from PIL import Image

    from boxless.exits import write
    from boxless.report.evaluation import examples
    from boxless.report.pictures import draw_detections, montage
    from boxless.report.png import write_picture

    drawn, names = [], []
    for example in examples(evaluation, detector, range(SHOWN)):
        names.append(f"scenes/{example.name.replace(' ', '-')}.png")
        pixels = (example.image[..., 0] * 255).round().astype("uint8")
        write_picture(out / names[-1], Image.fromarray(pixels))
        drawn.append(draw_detections(example.image, example.predicted, example.true, scale=SCALE))
    write_picture(out / "picture.png", montage(drawn, COLUMNS))
    found = detector.detect([out / name for name in names])
    write(out / "found.json", list(zip(names, found, strict=True)))

"""``boxless calibrate``: the score from which a model counts, chosen anew on other images."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from boxless.cli.output import remark
from boxless.cli.parsing import new_parser, parse
from boxless.cli.runs import recipe_of
from boxless.engine.recipe import Recipe
from boxless.errors import BoxlessError

if TYPE_CHECKING:
    from boxless.engine.sources import Source
    from boxless.methods.detector import Detector

DESCRIPTION = """\
Choose anew the score from which a model counts (--threshold auto), and what its scores are measured by. MODEL is a run,
a saved model, or the name of one that ships with the package. --data is a folder of images like those to count in, with
how many objects each holds; without it a run's own validation images are taken. Never take images to test on."""


def run(arguments: Sequence[str]) -> int:
    """Calibrate, and save the model."""
    parser = new_parser("calibrate", "MODEL [options]", DESCRIPTION)
    parser.add_argument("model", metavar="MODEL", help="a run, a saved model, or the name of a shipped one")
    parser.add_argument("--data", type=str | None, help="a folder with metadata.csv, a COCO file, or both")
    parser.add_argument("--out", type=str | None, help="a folder for the calibrated model; in place without")
    options = parse(parser, arguments)
    model = options["model"]

    from boxless.engine.calibration import calibrate
    from boxless.hardware import fastest_device
    from boxless.methods.detector import CONFIG_FILE
    from boxless.models import load

    out = Path(options["out"] or model)
    if options["out"] is not None and (out / CONFIG_FILE).exists():
        raise BoxlessError(f"{out} holds a model already; give another folder by --out, or none to calibrate in place.")
    detector = load(model).to(fastest_device())
    if options["out"] is None and not Path(model).is_dir():
        raise BoxlessError(f"{model} ships with the package and stays as it is; give a folder for yours by --out.")
    before = detector.calibrated_threshold
    source = _source(detector, model, recipe_of(model), options["data"])
    found = calibrate(detector, source, progress=True, scores=True, counted=options["data"] is not None)
    detector.save(out)
    remark(
        f"{out} counts from a score of {found.threshold:.3f} ({'none' if before is None else f'{before:.3f}'} before): "
        f"a mean error of {found.error:.2f} objects, summed over the classes, on {len(source):,} images"
    )
    remark(f"next: boxless detect {out} IMAGES --threshold auto")
    return 0


def _source(detector: "Detector", model: str, recipe: Recipe | None, folder: str | None) -> "Source":
    """The images of the folder, or those that the model was validated on."""
    from boxless.engine.sources import known_images, training_sources
    from boxless.methods.detector import shrink_of

    config = detector.config
    if folder is not None:
        images, problems = known_images(detector, folder, progress=True)
        for problem in problems:
            remark(f"skipped: {problem}")
        return images
    if recipe is None:
        raise BoxlessError(f"What {model} learned from is not known; give images to calibrate it on, by --data FOLDER.")
    needed = detector.labels_are == "needed"
    shrink = shrink_of(config)
    return training_sources(
        recipe.data, recipe.run.seed, config.channels, config.max_side, shrink, labels_needed=needed, places=False
    )[1]

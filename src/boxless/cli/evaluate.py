"""``boxless evaluate``: a model against the truth, as a table and as a report with pictures."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from boxless.cli.parsing import new_parser, parse, threshold_of
from boxless.cli.runs import RUNS, recipe_of
from boxless.engine.recipe import DataConfig, Recipe
from boxless.errors import BoxlessError

DESCRIPTION = """\
Compare a model with the truth. MODEL is a run, a saved model, or the name of one that ships with the package. Without
--data it is tested on scenes of test digits, composed as those that it learned from."""


def run(arguments: Sequence[str]) -> int:
    """Evaluate, print the table, write the report."""
    parser = new_parser("evaluate", "MODEL [options]", DESCRIPTION)
    parser.add_argument("model", metavar="MODEL", help="a run, a saved model, or the name of a shipped one")
    parser.add_argument("--data", type=str | None, help="a folder with metadata.csv, a COCO file, or both")
    parser.add_argument("--images", type=int, default=5000, help="scenes to compose; a folder is taken whole")
    parser.add_argument("--k", type=str | None, help="find so many in each image, or true: as many as there are")
    parser.add_argument(
        "--threshold", type=str | None, help="find all of at least this score, in [0, 1]; auto: the model's own"
    )
    parser.add_argument(
        "--landmarks", type=str | None, help="a folder to fit landmarks on, with landmarks.csv as --data"
    )
    parser.add_argument("--out", type=str | None, help="a folder for report.html; that of the run without")
    options = parse(parser, arguments)
    if options["images"] < 1:
        raise BoxlessError(f"--images is at least 1, not {options['images']}.")
    if options["landmarks"] is not None and options["data"] is None:
        raise BoxlessError("--landmarks needs images to test them on, by --data FOLDER.")
    model, k, threshold = options["model"], number_of(options["k"]), threshold_of(options["threshold"])

    from boxless.cli.telling import tell
    from boxless.data.files import check_folder
    from boxless.engine.evaluation import evaluate
    from boxless.hardware import fastest_device
    from boxless.methods.tusk.landmarks import evaluate_landmarks
    from boxless.methods.tusk.model import Tusk
    from boxless.models import load

    out = Path(options["out"] or (model if Path(model).is_dir() else RUNS / model))
    check_folder(out)
    detector = load(model).to(fastest_device())
    if options["landmarks"] is not None and not isinstance(detector, Tusk):
        raise BoxlessError(f"Landmarks are regressed from the keypoints of tusk, not from those of {detector.method}.")
    recipe = recipe_of(model)
    data = test_data(recipe, model) if options["data"] is None else DataConfig(folder=options["data"])
    found = evaluate(detector, data, images=options["images"], k=k, threshold=threshold, progress=True)
    landmarks = None
    if options["landmarks"] is not None:
        landmarks = evaluate_landmarks(detector, options["landmarks"], options["data"])
    tell(found, detector, data, model, out / "report.html", recipe, landmarks, asked_for(k, threshold))
    return 0


def asked_for(k: int | Literal["true"] | None, threshold: float | Literal["auto"] | None) -> str:
    """What was asked for beside what a model finds of itself, in words; "" for nothing."""
    told = []
    if k is not None:
        told.append("as many as there are in each image" if k == "true" else f"{k} in each image")
    if threshold is not None:
        told.append("from the model's own score" if threshold == "auto" else f"from a score of {threshold:g}")
    return ", ".join(told)


def test_data(recipe: Recipe | None, model: str) -> DataConfig:
    """The scenes to test on.

    Raises:
        BoxlessError: the model did not learn from scenes.
    """
    if recipe is None or recipe.data.folder is not None:
        known = "is not known" if recipe is None else f"is {recipe.data.folder}"
        raise BoxlessError(f"What {model} learned from {known}; give other images to test it on, by --data FOLDER.")
    return recipe.data


def number_of(text: str | None) -> int | Literal["true"] | None:
    """``--k``: a number, "true", or nothing.

    Raises:
        BoxlessError: it is neither.
    """
    if text is None or text.isdecimal():
        return None if text is None else int(text)
    if text.lower() == "true":
        return "true"
    raise BoxlessError(f"--k takes a number of instances, or true for the true number of each image, not {text!r}.")

"""``boxless train``: a recipe, or a method and a folder, to a run."""

from __future__ import annotations

import os
import sys
from argparse import SUPPRESS
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Any

from jsonargparse import ArgumentParser

from boxless.cli.durations import seconds_of, written
from boxless.cli.interrupts import interruptible
from boxless.cli.output import print_table, remark, shown
from boxless.cli.parsing import new_parser, parse, positionals
from boxless.cli.runs import newest_run, next_run
from boxless.cli.settings import SECTIONS, add_settings, base_recipe, given_settings, laid_over, read_layer
from boxless.engine.recipe import RECIPE_FILE, Recipe, read_recipe, write_recipe
from boxless.errors import BoxlessError
from boxless.methods.registry import MODELS, model_type

if TYPE_CHECKING:
    from boxless.engine.sources import Source
    from boxless.methods.detector import Detector

SHOWN_IMAGES = 128  # at most, by which the report of a training tells how good it is
FLAGS = ("--resume", "--help", "-h")
VALIDATED = {
    "val/rmse": ("RMSE", ""),
    "val/localization": ("IOU 50 %", "%"),
    "val/classification": ("Classif.", "%"),
    "val/both": ("Both", "%"),
    "val/exact_counts": ("every count right", "%"),
    "val/exact_sets": ("set of classes right", "%"),
}
OF_CLASSES = ("val/classification", "val/both")
DESCRIPTION = """\
Learn to find objects without a single box: from how many of each class an image holds, from which classes it holds, or
with no label at all. RECIPE is one of the package, a YAML file, or a method with its defaults. --data FOLDER, which is
short for --data.folder, trains on images of yours: the folder holds metadata.csv with the columns file_name and labels
("3 3 7"), or a COCO file. Single settings are given as --run.steps 2000."""


def run(arguments: Sequence[str]) -> int:
    """Train, print what came of it, and say what to do next."""
    words = ["--data.folder" + word[6:] if word.split("=")[0] == "--data" else word for word in arguments]
    name = next(iter(positionals(words, FLAGS)), None)
    base = base_recipe(next(iter(MODELS)) if name is None else name)
    values = parse(_parser(base), words, defaults=False)
    max_time = seconds_of(values["max_time"]) if "max_time" in values else None
    resume = values.get("resume", False)
    out = _directory(name, values.get("out"), resume)
    recipe = _resumed(out, base.method, values) if resume else _begun(base, values)
    return train_and_tell(recipe, out, resume, max_time, values.get("devices", 1))


def train_and_tell(recipe: Recipe, out: Path, resume: bool, max_time: float | None, devices: int) -> int:
    """Train, and print the scores and the next commands."""
    from boxless.engine.run import train_and_keep_data

    if devices > 1:  # Lightning starts the other processes with the words of this one: they join the run
        sys.argv = [sys.argv[0], "train", "--resume", "--out", str(out), "--devices", str(devices)]
        if max_time is not None:
            sys.argv += ["--max-time", f"{max_time}s"]
    remark(f"training in {out}")
    with interruptible(f"interrupted; go on with: boxless train --resume --out {quote(str(out))}"):
        detector, source = train_and_keep_data(recipe, out, resume, max_time, devices, progress=True)
        if int(os.environ.get("LOCAL_RANK", "0")) == 0:
            _tell(recipe, out, detector, source)
    return 0


def _parser(base: Recipe) -> ArgumentParser:
    description = f"{DESCRIPTION}\nMethods: {', '.join(MODELS)}; what follows are the settings of {base.method}."
    parser = new_parser("train", "RECIPE [options]", description)
    parser.add_argument("recipe", nargs="?", help="a recipe, a YAML file or a method", metavar="RECIPE")
    parser.add_argument("--out", type=str, default=SUPPRESS, help="the run directory; runs/RECIPE-1 and so on without")
    parser.add_argument(
        "--resume",
        action="store_true",
        help="go on with the run in --out, or else the newest of RECIPE; with a larger --run.steps beyond its end",
    )
    parser.add_argument("--max-time", type=str, help="stop in time, as 30m or 1h30m; --resume goes on")
    parser.add_argument("--devices", type=int, default=1, help="GPUs, or processes on a CPU")
    parser.add_argument(
        "--config", type=str, help="a YAML file of settings that replace the recipe's; single options replace both"
    )
    add_settings(parser, base)
    return parser


def _directory(name: str | None, out: str | None, resume: bool) -> Path:
    """Where the run lies, or will lie."""
    if name is None and not (resume and out):
        lacking = "the run to resume, as in --out runs/x" if resume else "a recipe or a method, as in mist-classify"
        raise BoxlessError(f"What to train is missing: give {lacking}.")
    if out is not None:
        return Path(out)
    stem = Path(str(name)).stem
    if not resume:
        return next_run(stem)
    newest = newest_run(stem)
    if newest is None:
        raise BoxlessError(f"There is no run runs/{stem}-1 to resume; give one by --out, or leave --resume out.")
    return newest


def _begun(recipe: Recipe, values: dict[str, Any]) -> Recipe:
    """The recipe of a new run: the settings laid over it, and filled in by what the data tell."""
    from boxless.engine.defaults import completed, without_data
    from boxless.engine.noticed import noticed

    laid = _laid(recipe, values)
    if laid.data.folder != recipe.data.folder:
        laid = _laid(without_data(recipe), values)
    if laid.data.folder is not None:
        laid = replace(laid, data=replace(laid.data, folder=str(Path(laid.data.folder).resolve())))
    laid, told = completed(laid)
    if told and laid.data.folder is not None:
        remark(f"settings by the data: {'; '.join(told)}")
    for sentence in noticed(laid):
        remark(sentence)
    return laid


def _resumed(out: Path, method: str, values: dict[str, Any]) -> Recipe:
    """The recipe that the run was begun with; settings on the command line are the same, or more steps."""
    if not (out / RECIPE_FILE).is_file():
        raise BoxlessError(f"{out} holds no run to resume: it has no {RECIPE_FILE}; train without --resume.")
    saved = read_recipe(out / RECIPE_FILE)
    if values.get("recipe") is not None and saved.method != method:
        raise BoxlessError(f"{out} is a run of {saved.method}, not of {method}; give its own recipe, or none.")
    wanted = _laid(saved, values)
    if wanted.run.steps > saved.run.steps and wanted == replace(saved, run=replace(saved.run, steps=wanted.run.steps)):
        write_recipe(out / RECIPE_FILE, wanted)
        return wanted
    if (
        wanted != saved
        and _begun(saved if values.get("recipe") is None else base_recipe(values["recipe"]), values) != saved
    ):
        raise BoxlessError(
            f"{out} was begun with other settings ({_difference(saved, wanted)}); leave all settings out to resume it, "
            "or train anew without --resume."
        )
    return saved


def _laid(recipe: Recipe, values: dict[str, Any]) -> Recipe:
    """The file of ``--config``, then the single options, laid over a recipe."""
    if "config" in values:
        recipe = laid_over(recipe, read_layer(values["config"]), values["config"])
    return laid_over(recipe, given_settings(values, recipe.method), "the command line")


def _difference(saved: Recipe, wanted: Recipe) -> str:
    """The first setting that differs, as "run.steps 600 there, 1000 here"."""
    there, here = asdict(saved), asdict(wanted)
    for section in SECTIONS:
        for name, value in here[section].items():
            if there[section].get(name) != value:
                return f"{section}.{name} is {there[section].get(name)} there and {value} here"
    return "other data"


def _leave_report(recipe: Recipe, out: Path, detector: Detector, source: Source) -> None:
    """What the model does with images that it was validated on, in pictures."""
    from boxless.cli.telling import leave_report
    from boxless.engine.evaluation import evaluate
    from boxless.engine.sources import first

    found = evaluate(detector, first(source, SHOWN_IMAGES), progress=True)
    title = f"{recipe.method} on validation images of {recipe.data.folder or recipe.data.layout}"
    leave_report(found, detector, title, str(out), out / "report.html", recipe)
    remark(f"report on {found.images:,} validation images, with pictures of some: {out / 'report.html'}")


def _tell(recipe: Recipe, out: Path, detector: Detector, source: Source) -> None:
    """The best validation, a report, and what to do with the run."""
    from boxless.engine.records import read_metrics, read_record
    from boxless.engine.run import PROBLEMS_FILE

    record = read_record(out)
    validated = [epoch for epoch in read_metrics(out) if "val/score" in epoch]
    if record is None or not validated:
        return
    steps = recipe.run.epochs * recipe.run.steps_per_epoch
    best = max(validated, key=lambda epoch: epoch["val/score"])
    untold = OF_CLASSES if model_type(recipe.method).labels_are == "ignored" else ()
    if "val/exact_sets" in best and recipe.data.folder is not None:
        untold = (*untold, "val/exact_counts")  # tags tell which classes there are, not how many of each
    measures = [(name, *how) for name, how in VALIDATED.items() if name in best and name not in untold]
    print_table(
        ["on validation images", *(title for _, title, _ in measures)],
        [[f"{out}, best of {len(validated)}", *(shown(best[name], unit) for name, _, unit in measures)]],
    )
    named = quote(str(out))
    if record.steps < steps:
        remark(f"stopped in time at step {record.steps:,} of {steps:,}; go on: boxless train --resume --out {named}")
    else:
        remark(f"trained {record.steps:,} steps in {written(record.seconds)}")
    if (out / PROBLEMS_FILE).is_file():
        number = len((out / PROBLEMS_FILE).read_text().splitlines())
        remark(f"images passed over: {number:,}, each named in {out / PROBLEMS_FILE}")
    _leave_report(recipe, out, detector, source)
    test = " --data FOLDER" if recipe.data.folder is not None else ""
    remark(f"next: boxless evaluate {named}{test}\n      boxless detect {named} IMAGES --out found.json")
    if detector.calibrated_threshold is not None:
        remark(f"      boxless detect {named} IMAGES --threshold auto    counts: as many as there are")

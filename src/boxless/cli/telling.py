"""An evaluation, told on the terminal and in a report."""

from collections.abc import Mapping
from pathlib import Path

from boxless.cli.durations import written
from boxless.cli.output import print_metrics, print_table, remark, shown
from boxless.engine.evaluation import Evaluation
from boxless.engine.marks import Mark, marks
from boxless.engine.recipe import DataConfig, Recipe
from boxless.engine.records import curves, read_record
from boxless.methods.detector import Detector
from boxless.methods.tusk.landmarks import LandmarkEvaluation
from boxless.report.contents import LandmarkPictures
from boxless.report.discovered import landmark_pictures
from boxless.report.evaluation import has_one_class, metric_rows, report_of
from boxless.report.html import write_report
from boxless.report.plots import Curve


def tell(
    evaluation: Evaluation,
    detector: Detector,
    data: DataConfig,
    model: str,
    path: Path,
    recipe: Recipe | None,
    landmarks: LandmarkEvaluation | None = None,
    asked_for: str = "",
) -> None:
    """Print the table, name what was passed over, write the report.

    What was asked for in another way than the tables of the papers do is not held against them, and told in the title.
    """
    against = {} if asked_for else marks(data, detector.method)
    print_metrics(metric_rows(evaluation, against))
    _tell_counts(evaluation)
    pictures = None if landmarks is None else landmark_pictures(landmarks, detector)
    if landmarks is not None and pictures is not None:
        rows = [[name, shown(error, "%")] for name, error in pictures.measures.items()]
        print_table([f"landmarks, fitted on {landmarks.fitted_on:,} images", "error"], rows)
    problems = [*evaluation.problems, *(landmarks.problems if landmarks is not None else ())]
    for problem in problems:
        remark(f"passed over: {problem}")
    title = ", ".join(filter(None, (f"{detector.method} on {data.folder or data.layout}", asked_for)))
    leave_report(evaluation, detector, title, model, path, recipe, against, pictures)
    speed = evaluation.images / max(evaluation.seconds, 1e-9)
    passed_over = f", {len(problems):,} passed over" if problems else ""
    remark(f"{evaluation.images:,} images{passed_over}, found in {speed:,.0f} a second; report: {path}")


def leave_report(
    evaluation: Evaluation,
    detector: Detector,
    title: str,
    model: str,
    path: Path,
    recipe: Recipe | None,
    against: Mapping[str, Mark] | None = None,
    pictures: LandmarkPictures | None = None,
) -> None:
    """Write the report of an evaluation, with what the training logged and how it was set."""
    curves, settings = _curves(model, recipe, has_one_class(evaluation)), _settings(model, recipe)
    report = report_of(evaluation, detector, title, _summary(evaluation), against, curves, settings, pictures)
    write_report(path, report)


def _tell_counts(evaluation: Evaluation) -> None:
    """The errors of the counts by the model's own threshold, of all objects and of each class."""
    counts, threshold = evaluation.counted, evaluation.calibrated_threshold
    if counts is None or threshold is None:
        return
    errors = [("all objects", counts.total_error)]
    if not has_one_class(evaluation):
        errors.append(("one class, on average", counts.class_error))
        errors += zip(evaluation.class_names, counts.error_by_class, strict=True)
    rows = [[name, shown(error, "")] for name, error in errors]
    print_table([f"counted from a score of {threshold:.3g}", "mean error"], rows)


def _summary(evaluation: Evaluation) -> str:
    images = f"{evaluation.images:,} images"
    if has_one_class(evaluation):
        return _summary_of_one_class(evaluation, images)
    if evaluation.detection is None:
        return f"Of the objects in {images}, {evaluation.classification:.1%} are accounted for by class."
    return (
        f"Of the objects in {images}, {evaluation.detection.localization:.1%} are found in their place, and "
        f"{evaluation.detection.both:.1%} in their place and with their class."
    )


def _summary_of_one_class(evaluation: Evaluation, images: str) -> str:
    told = [] if evaluation.rmse is None else [f"rebuilt with an error (RMSE) of {evaluation.rmse:.3f}"]
    if evaluation.detection is not None:
        told.append(f"{evaluation.detection.localization:.1%} of their objects are found in their place")
    else:
        told.append(f"in {evaluation.counting.exact_total:.1%} of them the objects are as many as there should be")
    return f"{images}: {'; '.join(told)}."


def _curves(model: str, recipe: Recipe | None, one_class: bool) -> Mapping[str, Curve]:
    """What the training logged, over its steps."""
    untold = ("val/score", "val/classification", "val/both") if one_class else ("val/score",)
    per_epoch = 1 if recipe is None else recipe.run.steps_per_epoch
    return {
        name: (steps, values)
        for name, (steps, values) in curves(Path(model), per_epoch).items()
        if name not in untold  # the score is one of the others, by another name
        and not name.startswith("prototypes/share_")  # there may be a hundred; the largest and the smallest are told
    }


def _settings(model: str, recipe: Recipe | None) -> dict[str, str]:
    """What one needs to do it again."""
    settings = {"model": model}
    if recipe is not None:
        run = recipe.run
        learned = (
            f"{recipe.data.glyphs} digits, {recipe.data.layout}" if recipe.data.folder is None else recipe.data.folder
        )
        settings |= {"method": recipe.method, "learned from": learned, "seed": str(run.seed)}
        settings |= {"batch size": str(run.batch_size)} | {
            f"{section}.{name}": str(value)
            for section in ("model", "training")
            for name, value in getattr(recipe, section).items()
        }
    record = read_record(Path(model))
    if record is not None:
        settings |= {
            "steps": f"{record.steps:,}",
            "training": written(record.seconds),
            "machine": record.machine,
            "commit": record.commit or "not known",
        }
    return settings

"""``boxless reproduce``: a table of a paper, ours beside theirs, from what is recorded or trained anew."""

from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

from boxless.cli.interrupts import interruptible
from boxless.cli.output import print_table, remark
from boxless.cli.parsing import did_you_mean, new_parser, parse
from boxless.cli.runs import RUNS
from boxless.engine.experiments import Experiment, Row, Table, recipe_of
from boxless.engine.recipe import RECIPE_FILE, DataConfig, Recipe, read_recipe
from boxless.engine.results import Result, Terms, read_result, results_directory, write_result
from boxless.engine.tables import TABLES
from boxless.errors import BoxlessError
from boxless.report.results import COLUMNS, LEFT, makings_of, rows_of, title_of, with_tables

DESCRIPTION = """\
Print a table of a paper, ours beside theirs. Ours is what is recorded in results/: with --train the rows are trained
anew and recorded, in runs/reproduce/, and go on there if they were interrupted; --record takes a run that exists."""

TEST_SEED = 0


def run(arguments: Sequence[str]) -> int:
    """Train or record if asked to, then print the table, or write all tables to a Markdown file."""
    parser = new_parser("reproduce", "TABLE [options]", DESCRIPTION)
    parser.add_argument("table", metavar="TABLE", nargs="?", help=", ".join(TABLES))
    parser.add_argument("--rows", type=str | None, help="some rows alone, as mnist-hard,mnist-3")
    parser.add_argument("--train", action="store_true", help="train each row anew, test it, and record it")
    parser.add_argument("--record", type=str | None, help="test a run that exists, and record it as the one of --rows")
    parser.add_argument(
        "--results", type=str | None, help="the folder of the records; results/ of the checkout without"
    )
    parser.add_argument("--readme", type=str | None, help="write all tables into this file, between its markers")
    options = parse(parser, arguments)
    chosen = [name for name in ("train", "record", "readme") if options[name]]
    if len(chosen) > 1 or (options["readme"] is not None and (options["table"] or options["rows"])):
        raise BoxlessError(
            "--train, --record and --readme exclude each other, and --readme writes all tables; give one."
        )
    directory = Path(options["results"]) if options["results"] is not None else results_directory()
    if options["readme"] is not None:
        _write_readme(Path(options["readme"]), directory)
        return 0
    table = _table(options["table"])
    rows = (
        list(table.rows) if options["rows"] is None else [table.row(key.strip()) for key in options["rows"].split(",")]
    )
    left_out: list[str] = []
    if options["record"] is not None:
        _record(_one(rows), Path(options["record"]), directory)
    elif options["train"]:
        left_out = _train_all(rows, directory)
    _print(table, rows, directory)
    for sentence in left_out:
        remark(sentence)
    return 1 if left_out else 0


def _table(name: str | None) -> Table:
    if name not in TABLES:
        hint = "" if name is None else did_you_mean(name, TABLES)
        lacking = "Which table is missing" if name is None else f"There is no table {name}"
        raise BoxlessError(f"{lacking}; there are {', '.join(TABLES)}{hint}")
    return TABLES[name]


def _one(rows: Sequence[Row]) -> Experiment:
    """The experiment of the only row."""
    if len(rows) != 1 or rows[0].experiment is None:
        raise BoxlessError("--record needs the row that the run stands for, one of ours, as in --rows mnist-hard.")
    return rows[0].experiment


def _train_all(rows: Sequence[Row], directory: Path) -> list[str]:
    """Train and record the experiments of the rows; returns a sentence on each that cannot be, while others can.

    Raises:
        BoxlessError: none of them can.
    """
    experiments = {row.experiment.name: row.experiment for row in rows if row.experiment is not None}
    left_out = []
    for name, experiment in experiments.items():
        try:
            _train(experiment, directory)
        except BoxlessError as error:
            left_out.append(f"{name} is left out: {error}")
            if len(left_out) == len(experiments):
                raise
            remark(left_out[-1])
    return left_out


def _train(experiment: Experiment, directory: Path) -> None:
    """Train where it is not trained yet, test, record."""
    from boxless.engine.run import train_and_keep_data

    out = RUNS / "reproduce" / (experiment.trained_as or experiment.name)
    recipe = recipe_of(experiment)
    if experiment.photos is not None:
        folder = _photos(experiment.photos)[0]  # written before the training, also where its other part alone is used
        recipe = _with_folder(recipe, None if recipe.data.folder is None else folder)
    resume = (out / RECIPE_FILE).is_file()
    if resume and read_recipe(out / RECIPE_FILE) != recipe:
        raise BoxlessError(f"{out} holds a run by another recipe; take it away to train {out.name} anew.")
    remark(f"{out.name}: {'going on in' if resume else 'training in'} {out}")
    with interruptible("interrupted; the same command goes on."):
        train_and_keep_data(recipe, out, resume, max_time=None, devices=1, progress=True)
        _record(experiment, out, directory)


def _record(experiment: Experiment, run: Path, directory: Path) -> None:
    """Test a run on scenes of its recipe, or on the photos that are held out, and write the result."""
    from boxless.data.landmarks import LANDMARKS_FILE
    from boxless.engine.evaluation import evaluate
    from boxless.engine.records import commit, learning_curve, read_record
    from boxless.hardware import fastest_device
    from boxless.methods.tusk.landmarks import evaluate_landmarks
    from boxless.models import load

    if not (run / RECIPE_FILE).is_file():
        raise BoxlessError(f"{run} is no run: it has no {RECIPE_FILE}; give the directory of a training.")
    recipe, record = read_recipe(run / RECIPE_FILE), read_record(run)
    if record is None:
        raise BoxlessError(f"{run} has no record of its training; train it to the end of an epoch at least.")
    as_told = recipe_of(experiment)
    data = replace(as_told.data, **experiment.scenes)
    parts = None if experiment.photos is None else _photos(experiment.photos)
    if parts is not None:
        data = DataConfig(folder=str(parts[1]))
    detector = load(run).to(fastest_device())
    k, threshold = experiment.k, experiment.threshold
    found = evaluate(detector, data, images=experiment.images, k=k, threshold=threshold, seed=TEST_SEED, progress=True)
    metrics = found.metrics()
    if parts is not None and (parts[1] / LANDMARKS_FILE).is_file():
        metrics |= evaluate_landmarks(detector, *parts).metrics()
    result = Result(
        name=experiment.name,
        recipe_name=experiment.recipe,
        recipe=replace(recipe, data=replace(recipe.data, folder=as_told.data.folder)),  # not where it lay here
        **asdict(record),
        seed=recipe.run.seed,
        evaluation=Terms(found.images, TEST_SEED, k, commit(), threshold),
        metrics=metrics,
        curve=learning_curve(run, record.steps, recipe.run.steps_per_epoch),
    )
    remark(f"recorded: {write_result(directory, result)}")


def _photos(name: str) -> tuple[Path, Path]:
    """The folders of a set, to learn from and to be tested on."""
    from boxless.engine.photos import photos

    return photos(name, RUNS / "reproduce" / "data")


def _with_folder(recipe: Recipe, folder: Path | None) -> Recipe:
    """The recipe on this folder, if there is one."""
    return recipe if folder is None else replace(recipe, data=replace(recipe.data, folder=str(folder.resolve())))


def _results(rows: Sequence[Row], directory: Path) -> list[Result | None]:
    return [None if row.experiment is None else read_result(directory, row.experiment.name) for row in rows]


def _print(table: Table, rows: Sequence[Row], directory: Path) -> None:
    results = _results(rows, directory)
    print_table(COLUMNS, rows_of(table, rows, results), title=title_of(table), left=LEFT)
    for line in makings_of(rows, results):
        remark(line)
    if not any(results):
        remark(f"nothing is recorded in {directory} yet: --train does it.")


def _write_readme(path: Path, directory: Path) -> None:
    from boxless.data.files import write_atomically

    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise BoxlessError(f"There is no file {path}; check the name behind --readme.") from error
    except UnicodeDecodeError as error:
        raise BoxlessError(f"{path} is no UTF-8 (byte {error.start}); check the name behind --readme.") from error
    tables = [(table, table.rows, _results(table.rows, directory)) for table in TABLES.values()]
    write_atomically(path, with_tables(text, tables, str(path)))
    remark(f"wrote the results into {path}")

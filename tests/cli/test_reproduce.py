"""``boxless reproduce``."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from boxless import evaluate
from boxless.cli import reproduce
from boxless.cli.main import main
from boxless.data.faces import is_tested
from boxless.engine.experiments import Experiment, Row, Table
from boxless.engine.recipe import read_recipe
from boxless.engine.records import commit, read_metrics, read_record
from boxless.engine.results import Result, Terms, read_result, results_directory, write_result
from boxless.engine.tables import TABLES
from boxless.methods.mist.config import MistClassifierTrainingConfig
from boxless.report.results import BEGIN, END, with_tables
from tests.data.faces_files import PERSONS, release
from tests.data.svhn_files import small_svhn
from tests.data.voc_files import annotation, entry

REPOSITORY = Path(__file__).parents[2]

Reproduced = Callable[[Table, str], Result]


@pytest.fixture
def tiny_table(tiny_recipe: Path, monkeypatch: pytest.MonkeyPatch) -> Table:
    """A table of one row of ours, which takes seconds, and one of the paper's alone."""
    ours = Row("ours", "three digits", "MIST", Experiment("tiny", str(tiny_recipe), images=8), (0.5, 0.9), (0.99, 0.99))
    measures = {"localization": "IOU 50 %", "both": "Both"}
    table = Table("tiny-table", "A tiny table", measures, (ours, Row("theirs", "three", "other", None, (0.2, 0.1))))
    monkeypatch.setattr(reproduce, "TABLES", {table.name: table})
    return table


def result_of(name: str, **metrics: float) -> Result:
    recipe = read_recipe("mist-classify-mnist")
    return Result(
        name, "mist-classify-mnist", recipe, "0a1b2c", "a machine", 600.0, 20, 3, Terms(8, 0, None, "3d4e5f"), metrics
    )


def test_a_recorded_result_stands_beside_the_paper_and_the_goal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    metrics = {"localization": 0.9961, "classification": 0.9912, "both": 0.98}
    write_result(tmp_path, result_of("mist-classify-mnist", **metrics))
    assert main(["reproduce", "mist-table2", "--results", str(tmp_path), "--rows", "mnist-hard,mnist-hard-xie20"]) == 0
    captured = capsys.readouterr()
    ours, theirs = [" ".join(line.split()) for line in captured.out.splitlines() if "mnist-hard" in line]
    assert ours == "mnist-hard MIST 99.61 / 99.12 / 98.00 97.8 / 98.8 / 97.5 99.5 / 99.0 / 98.6 paper"
    assert theirs == "mnist-hard Xie20 - 72.7 / 93.1 / 71.3 - -"
    assert "20 steps in 10 min, seed 3, commit 0a1b2c (tested by 3d4e5f), on a machine" in captured.err


def test_what_the_recipe_has_since_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    result = result_of("mist-classify-mnist", localization=0.9)
    recipe = result.recipe
    then = replace(recipe, run=replace(recipe.run, steps=7), training={"trust": 3.0}, model={"instances": 2})
    usual = replace(recipe, training=recipe.training | {"trust": MistClassifierTrainingConfig().trust})
    told = []
    for one in (result, replace(result, recipe=then), replace(result, recipe=usual)):
        write_result(tmp_path, one)
        assert main(["reproduce", "mist-table2", "--results", str(tmp_path), "--rows", "mnist-hard"]) == 0
        told.append(capsys.readouterr().err.strip())
    assert told[0].endswith("on a machine")
    changed = "model.instances 9, training.trust its default, run.steps 4400"
    assert told[1].endswith(f"on a machine; the recipe has changed since: {changed}")
    assert told[2] == told[0]  # to give what is the default anyway changes nothing


def test_a_row_is_trained_tested_and_recorded(
    tiny_table: Table, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["reproduce", "tiny-table", "--train", "--results", "records"]) == 0
    recorded = read_result(tmp_path / "records", "tiny")
    run = tmp_path / "runs" / "reproduce" / "tiny"
    recipe, record = read_recipe(run / "config.yaml"), read_record(run)
    assert recorded is not None
    assert record is not None
    assert recorded.recipe == recipe
    assert (recorded.commit, recorded.seconds, recorded.steps) == (record.commit, record.seconds, 2)
    assert recorded.metrics == evaluate(run, recipe.data, images=8).metrics()
    assert [row["step"] for row in recorded.curve] == [1, 2]
    assert [row["both"] for row in recorded.curve] == [row["val/both"] for row in read_metrics(run)]


def test_one_training_is_tested_on_other_scenes_too(
    tiny_table: Table, tiny_recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    on_two = Experiment("tiny-on-two", str(tiny_recipe), images=8, scenes={"counts": (2,)}, trained_as="tiny")
    table = replace(tiny_table, rows=(*tiny_table.rows, Row("two", "two digits", "MIST", on_two)))
    monkeypatch.setattr(reproduce, "TABLES", {table.name: table})
    assert main(["reproduce", "tiny-table", "--train", "--results", "records"]) == 0
    run = tmp_path / "runs" / "reproduce" / "tiny"
    assert [path.name for path in run.parent.iterdir()] == ["tiny"]
    recorded = read_result(tmp_path / "records", "tiny-on-two")
    assert recorded is not None
    data = replace(read_recipe(run / "config.yaml").data, counts=(2,))
    assert recorded.metrics == evaluate(run, data, images=8).metrics()
    assert recorded.steps == 2
    unsure = replace(on_two, name="tiny-sure", k=5, threshold="auto")
    rows = (*tiny_table.rows, Row("sure", "two digits", "MIST", unsure))
    monkeypatch.setattr(reproduce, "TABLES", {table.name: replace(table, rows=rows)})
    arguments = ["reproduce", "tiny-table", "--rows", "sure", "--record", str(run), "--results", "records"]
    assert main(arguments) == 0
    sure = read_result(tmp_path / "records", "tiny-sure")
    assert sure is not None
    assert (sure.evaluation.k, sure.evaluation.threshold) == (5, "auto")
    assert sure.metrics == evaluate(run, data, images=8, k=5, threshold="auto").metrics()


def test_a_row_whose_images_are_not_there_is_named_and_the_others_are_trained(
    tiny_table: Table,
    tiny_recipe: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BOXLESS_DATA", str(tmp_path / "nowhere"))
    of_photos = Row("photos", "photos", "MIST", Experiment("of-photos", str(tiny_recipe), photos="svhn"))
    table = replace(tiny_table, rows=(of_photos, *tiny_table.rows))
    monkeypatch.setattr(reproduce, "TABLES", {table.name: table})
    assert main(["reproduce", table.name, "--train", "--results", "records"]) == 1
    assert [file.name for file in Path("records").iterdir()] == ["tiny.json"]
    said = capsys.readouterr().err.splitlines()
    assert said[-1].startswith("of-photos is left out: ")
    assert "svhn" in said[-1]


def test_a_run_that_exists_is_recorded_without_training(
    tiny_table: Table, scenes_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    arguments = ["--rows", "ours", "--record", str(scenes_run), "--results", str(tmp_path)]
    assert main(["reproduce", "tiny-table", *arguments]) == 0
    terms = json.loads((tmp_path / "tiny.json").read_text())["evaluation"]
    assert terms == {"images": 8, "seed": 0, "k": None, "commit": commit(), "threshold": None}
    assert not (tmp_path / "runs").exists()


def test_a_run_to_record_needs_its_row(tiny_table: Table, scenes_run: Path, fails: Callable[..., str]) -> None:
    assert "--rows" in fails("reproduce", "tiny-table", "--record", str(scenes_run))


def test_another_recipe_in_the_way_is_not_trained_over(
    tiny_table: Table, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fails: Callable[..., str]
) -> None:
    monkeypatch.chdir(tmp_path)
    run = tmp_path / "runs" / "reproduce" / "tiny"
    run.mkdir(parents=True)
    (run / "config.yaml").write_text("method: mist-classify\n")
    assert "holds a run by another recipe" in fails("reproduce", "tiny-table", "--train", "--results", str(tmp_path))


def test_an_unknown_table_and_an_unknown_row_are_named(fails: Callable[..., str]) -> None:
    assert fails("reproduce", "mist-tabel2").endswith("did you mean mist-table2?")
    assert "has no row mnist-4; its rows are mnist-hard" in fails("reproduce", "mist-table2", "--rows", "mnist-4")


def test_outside_of_a_checkout_the_records_are_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fails: Callable[..., str]
) -> None:
    monkeypatch.setattr("boxless.engine.results.CHECKOUT", tmp_path)
    assert "by --results" in fails("reproduce", "mist-table2")


def test_a_broken_record_is_named(tmp_path: Path, fails: Callable[..., str]) -> None:
    (tmp_path / "mist-classify-mnist.json").write_text('{"name": "x"}')
    assert "mist-classify-mnist.json is no result" in fails("reproduce", "mist-table2", "--results", str(tmp_path))


def test_a_measure_of_nothing_survives_the_file(tmp_path: Path) -> None:
    write_result(tmp_path, result_of("x", both=float("nan"), f1=0.5))
    assert json.loads((tmp_path / "x.json").read_text())["metrics"] == {"both": None, "f1": 0.5}
    again = read_result(tmp_path, "x")
    assert again is not None
    assert again.metrics["both"] != again.metrics["both"]
    assert replace(again, metrics={}) == replace(result_of("x"), metrics={})


def test_a_readme_that_is_no_text_is_named(tmp_path: Path, fails: Callable[..., str]) -> None:
    (tmp_path / "README.md").write_bytes(b"caf\xe9")
    told = fails("reproduce", "--readme", str(tmp_path / "README.md"), "--results", str(tmp_path))
    assert "README.md is no UTF-8 (byte 3); check the name behind --readme." in told


def test_the_readme_gets_the_tables_between_its_markers(tmp_path: Path) -> None:
    readme = tmp_path / "README.md"
    readme.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n")
    write_result(tmp_path, result_of("mist-classify-mnist", localization=0.9, classification=0.8, both=0.7))
    assert main(["reproduce", "--readme", str(readme), "--results", str(tmp_path)]) == 0
    text = readme.read_text()
    assert text.startswith(f"before\n{BEGIN}\n**")
    assert text.endswith(f"{END}\nafter\n")
    assert "old" not in text.splitlines()
    row = "| mnist-hard | MIST | 90.00 / 80.00 / 70.00 | 97.8 / 98.8 / 97.5 | 99.5 / 99.0 / 98.6 | not yet |"
    assert row in text.splitlines()


def test_a_text_without_markers_is_left_alone(tmp_path: Path, fails: Callable[..., str]) -> None:
    (tmp_path / "README.md").write_text("no place\n")
    assert "lacks the markers" in fails("reproduce", "--readme", str(tmp_path / "README.md"))
    assert (tmp_path / "README.md").read_text() == "no place\n"


def test_the_readme_of_the_repository_shows_what_is_recorded() -> None:
    """`make results` brings it up to date."""
    tables = [(table, table.rows, reproduce._results(table.rows, results_directory())) for table in TABLES.values()]
    text = (REPOSITORY / "README.md").read_text()
    assert with_tables(text, tables, "README.md") == text


def test_each_experiment_has_its_recipe() -> None:
    """On scenes, or on one part of a set of photos."""
    for table in TABLES.values():
        for row in table.rows:
            if row.experiment is not None:
                folder = reproduce.recipe_of(row.experiment).data.folder
                assert folder in (None, row.experiment.photos and f"{row.experiment.photos}/train")


@pytest.fixture
def reproduced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Reproduced:
    """Trains and records the one experiment of a table by the text of its recipe; the sets of images lie in data/."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BOXLESS_DATA", str(tmp_path / "data"))

    def run(table: Table, recipe: str) -> Result:
        ((name, file),) = {(row.experiment.name, row.experiment.recipe) for row in table.rows if row.experiment}
        Path(file).write_text(recipe)
        monkeypatch.setattr(reproduce, "TABLES", {table.name: table})
        assert main(["reproduce", table.name, "--train", "--results", str(tmp_path)]) == 0
        recorded = read_result(tmp_path, name)
        assert recorded is not None
        return recorded

    return run


PHOTOS = """
method: mist-backbone
data: {folder: raccoon/train, validation_share: 0.4}
model: {instances: 2, channels: 3, backbone: squeezenet, shorter_edge: 64, classifier_channels: 4, heatmap_channels: 4}
training: {pretrained: false, heatmap_rate: 1e-3, task_rate: 1e-3}
run: {steps: 2, steps_per_epoch: 1, batch_size: 2, compile: false}
"""


def test_photos_are_learned_from_and_held_against_one_in_their_middle(
    reproduced: Reproduced, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Two photos are held out: in the first the middle lies in the only box, in the other in none of two."""
    held_out = {"a": [(10, 10, 60, 50)], "b": [(1, 1, 20, 20), (60, 40, 90, 60)]}
    learned_from = {name: [(20, 10, 70, 55)] for name in "cdefg"}
    raccoons(tmp_path / "data" / "raccoon", train=learned_from, test=held_out)
    experiment = Experiment("photos", "photos.yaml", photos="raccoon")
    rows = (
        Row("ours", "photos", "MIST", experiment),
        Row("guess", "photos", "middle", experiment, without_learning="guess_"),
    )
    measures = {"f1": "F1", "precision": "Precision", "recall": "Recall"}
    recorded = reproduced(Table("photos", "Photos", measures, rows), PHOTOS)
    assert (recorded.steps, recorded.evaluation.images, recorded.recipe.data.folder) == (2, 2, "raccoon/train")
    printed = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert "photos middle 40.00 / 50.00 / 33.33 - - -" in printed
    ours = next(line for line in printed if line.startswith("photos MIST"))
    assert ours.split()[2] == f"{100 * recorded.metrics['f1']:.2f}"


NUMBERS = """
method: mcmil
data: {layout: svhn, glyphs: digits, train_size: 8, validation_size: 4}
model: {channels: 3, object_size: 16, widths: [4, 4], strides: [2, 2, 1], paddings: [2, 2, 0]}
run: {steps: 2, steps_per_epoch: 1, batch_size: 2, compile: false}
"""


@pytest.mark.parametrize("folder", [None, "svhn/train"])
def test_house_numbers_are_composed_and_real_ones_read(
    folder: str | None, reproduced: Reproduced, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Also with real ones among the composed ones."""
    small_svhn(tmp_path / "data" / "svhn")
    mixed = "" if folder is None else "{folder: svhn/train, scenes_share: 0.5, validation_share: 0.2, "
    row = Row("ours", "numbers", "MCMIL", Experiment("numbers", "numbers.yaml", photos="svhn"), (0.051, 0.051))
    table = replace(TABLES["mcmil-svhn"], rows=(row,))
    recorded = reproduced(table, NUMBERS.replace("{", mixed or "{", 1))
    assert (recorded.steps, recorded.evaluation.images, recorded.recipe.data.folder) == (2, 3, folder)
    assert set(table.measures) <= recorded.metrics.keys()
    (ours,) = (line for line in capsys.readouterr().out.splitlines() if "MCMIL" in line and "5.10 / 5.10" in line)
    assert f"{100 * recorded.metrics['sequence_error']:.2f} /" in ours
    capsys.readouterr()
    run, photos = (str(tmp_path / "runs" / "reproduce" / name) for name in ("numbers", "data/svhn/test"))
    assert main(["evaluate", run, "--data", photos]) == 0
    assert "Sequences read wrong" in capsys.readouterr().out
    assert "Transcriptions" in (Path(run) / "report.html").read_text()


def raccoons(root: Path, **parts: dict[str, list[tuple[int, int, int, int]]]) -> None:
    """A set of photos of 96×64 pixels in the format of the raccoons: name to boxes (xmin, ymin, xmax, ymax)."""
    (root / "data").mkdir(parents=True)
    for part, photos in parts.items():
        lines = ["filename,width,height,class,xmin,ymin,xmax,ymax"]
        for name, boxes in photos.items():
            texts = [(str(a), str(b), str(c), str(d)) for a, b, c, d in boxes]
            annotation(root, name, *(entry("raccoon", box) for box in texts), size=(96, 64))
            lines += [f"{name}.jpg,96,64,raccoon,{','.join(box)}" for box in texts]
        (root / "data" / f"{part}_labels.csv").write_text("\n".join(lines) + "\n")


FACES = """
method: tusk
data: {folder: faces/train, validation_share: 0.2}
model: {instances: 2, prototypes: 3, channels: 3, net_channels: [4, 6], descriptor_size: 4, max_side: 32}
training: {prototype_steps: 1, naming_images: 4}
run: {steps: 1, steps_per_epoch: 1, batch_size: 2, compile: false}
"""


def test_landmarks_of_faces_stand_beside_an_untrained_network_and_the_mean_face(
    reproduced: Reproduced, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    release(tmp_path / "data" / "faces", [f"{person}_0.jpg" for person in PERSONS], [])
    experiment = Experiment("faces", "faces.yaml", photos="faces")
    kinds = {"TUSK": "", "untrained": "untrained_", "mean": "mean_"}
    rows = tuple(Row(name, "faces", name, experiment, without_learning=prefix) for name, prefix in kinds.items())
    table = Table("faces", "Faces", {"landmark_error": "error"}, rows, errors=("landmark_error",))
    recorded = reproduced(table, FACES)
    fitted_on = [name for name in PERSONS if not is_tested(f"{name}_0.jpg")]
    assert recorded.metrics["landmark_images_fitted_on"] == len(fitted_on)
    printed = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    for name, prefix in kinds.items():
        assert f"faces {name} {100 * recorded.metrics[f'{prefix}landmark_error']:.2f} - - -" in printed


def test_without_the_photos_their_place_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fails: Callable[..., str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("BOXLESS_DATA", raising=False)
    assert "in the variable BOXLESS_DATA" in fails("reproduce", "mist-raccoon", "--train", "--results", str(tmp_path))
    monkeypatch.setenv("BOXLESS_DATA", str(tmp_path))
    told = fails("reproduce", "mist-raccoon", "--train", "--results", str(tmp_path))
    assert "https://github.com/datitran/raccoon_dataset" in told


def test_rebuilt_images_stand_beside_their_mean_grey_and_both_beside_the_paper(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    metrics = {"rmse": 0.0512, "grey_rmse": 0.2345, "localization": 0.9821}
    write_result(tmp_path, result_of("mist-reconstruct-mnist-hard", **metrics))
    assert main(["reproduce", "mist-table1", "--results", str(tmp_path)]) == 0
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert "mnist-hard MIST 0.0512 / 98.21 0.053 0.045 paper" in lines
    assert "mnist-hard each image's mean grey 0.2345 / - - - -" in lines
    assert "mnist-hard grid - 0.062 - -" in lines


@pytest.mark.parametrize(
    "options", [["--train", "--record", "runs/x"], ["--train", "--readme", "r.md"], ["--rows", "9", "--readme", "r.md"]]
)
def test_options_that_exclude_each_other_are_refused(options: list[str], fails: Callable[..., str]) -> None:
    assert "exclude each other" in fails("reproduce", "mist-table5", *options)


def test_rows_may_have_blanks_between_them(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["reproduce", "mist-table2", "--rows", "mnist-hard, mnist-3"]) == 0
    assert "mnist-3" in capsys.readouterr().out

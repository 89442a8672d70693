"""``boxless evaluate``."""

from collections.abc import Callable
from pathlib import Path

import pytest

from boxless import evaluate
from boxless.cli import telling
from boxless.cli.main import main
from boxless.engine.marks import Mark
from boxless.engine.recipe import read_recipe


def test_scenes_of_test_digits_by_default(scenes_run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", str(scenes_run), "--images", "12"]) == 0
    printed = capsys.readouterr().out
    found = evaluate(scenes_run, read_recipe(scenes_run / "config.yaml").data, images=12)
    assert found.detection is not None
    for name, share in (("IOU 50 %", found.detection.localization), ("Both", found.detection.both)):
        assert next(line for line in printed.splitlines() if name in line).endswith(f"{100 * share:.2f} % ")
    report = (scenes_run / "report.html").read_text()
    assert "scene 0" in report
    assert "Learning" in report or "Training" in report


def test_a_folder_without_boxes_is_counted_and_classified_alone(
    scenes_run: Path, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["evaluate", str(scenes_run), "--data", str(folder), "--out", str(tmp_path), "--k", "true"]
    assert main(arguments) == 0
    printed = capsys.readouterr().out
    assert "Classif." in printed
    assert "IOU 50" not in printed
    assert "Images with every count right" in printed
    assert "2.png" in (tmp_path / "report.html").read_text()


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ((), ""),
        (("--k", "true"), ", as many as there are in each image"),
        (("--k", "2", "--threshold", "0.5"), ", 2 in each image, from a score of 0.5"),
    ],
)
def test_a_report_tells_what_was_asked_for_and_holds_that_against_no_paper(
    scenes_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: tuple[str, ...], told: str
) -> None:
    monkeypatch.setattr(telling, "marks", lambda *_: {"localization": Mark(paper=0.4321)})
    assert main(["evaluate", str(scenes_run), "--images", "4", "--out", str(tmp_path), *options]) == 0
    report = (tmp_path / "report.html").read_text()
    layout = read_recipe(scenes_run / "config.yaml").data.layout
    assert f"<h1>mist-classify on {layout}{told}</h1>" in report
    assert ("43.21" in report) == (not options)


def test_a_k_that_is_no_number_is_named(scenes_run: Path, fails: Callable[..., str]) -> None:
    assert "not 'many'" in fails("evaluate", str(scenes_run), "--k", "many")


def test_a_model_that_learned_from_a_folder_asks_for_other_images(
    scenes_run: Path, folder: Path, tmp_path: Path, fails: Callable[..., str]
) -> None:
    run = tmp_path / "run"
    run.mkdir()
    for name in ("model.json", "model.safetensors"):
        (run / name).write_bytes((scenes_run / name).read_bytes())
    (run / "config.yaml").write_text(f"method: mist-classify\ndata: {{folder: {folder}}}\n")
    assert "by --data FOLDER" in fails("evaluate", str(run))


def test_landmarks_are_of_tusk_which_is_told_at_once(scenes_run: Path, folder: Path, fails: Callable[..., str]) -> None:
    wrong = fails("evaluate", str(scenes_run), "--data", str(folder / "none"), "--landmarks", str(folder))
    assert "from the keypoints of tusk" in wrong


def test_landmarks_need_images_to_test_them_on(scenes_run: Path, fails: Callable[..., str]) -> None:
    assert "--data FOLDER" in fails("evaluate", str(scenes_run), "--landmarks", "faces/train")


def test_a_file_in_place_of_the_folder_for_the_report_is_told_before_detecting(
    scenes_run: Path, tmp_path: Path, fails: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("boxless.models.load", None)
    (tmp_path / "report").write_text("")
    told = fails("evaluate", str(scenes_run), "--out", str(tmp_path / "report"))
    assert "report is a file, where a folder is needed" in told


def test_a_file_in_place_of_its_folder_is_named(scenes_run: Path, tmp_path: Path, fails: Callable[..., str]) -> None:
    (tmp_path / "coco.json").write_text("{}")
    assert "give the folder that it lies in" in fails(
        "evaluate", str(scenes_run), "--data", str(tmp_path / "coco.json")
    )

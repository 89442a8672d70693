"""The threshold of a detector, chosen on images whose counts are known."""

import json
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from boxless import load
from boxless.cli.main import main
from boxless.data.folder import read_folder
from boxless.engine.calibration import calibrate
from boxless.engine.evaluation import evaluate
from boxless.engine.recipe import DataConfig
from boxless.engine.run import train
from boxless.engine.sources import Images, Scenes, training_sources
from boxless.methods.detector import Detector, Found
from boxless.metrics.counting import counting_scores
from tests.engine.tiny import tiny_recipe


@dataclass(frozen=True)
class Settings:
    class_names: tuple[str, ...] = ("a", "b")
    channels: int = 1
    max_side: int | None = None
    instances: int = 2


class Scored(Detector):
    """Candidates (label, score) by the width of an image."""

    method = "scored"
    config_type = Settings

    def __init__(self, candidates: dict[int, list[tuple[int, float]]], **given: object) -> None:
        super().__init__()
        self.candidates, self.config = candidates, Settings(**given)  # type: ignore[arg-type]
        self.register_parameter("unused", torch.nn.Parameter(torch.zeros(1)))

    def find(self, images: Tensor, k: int | None, threshold: float | None) -> list[Found]:
        rows = [row for row in self.candidates[images.shape[3]][:k] if row[1] >= (threshold or 0.0)]
        places = torch.full((len(rows), 2), 5.0)
        labels, scores = (torch.tensor([row[part] for row in rows]) for part in (0, 1))
        return [Found(places, places, scores.float(), labels.long())] * len(images)


class OfOneClass(Scored):
    labels_are = "ignored"


CANDIDATES = {20: [(0, 0.9), (0, 0.6), (1, 0.3)], 24: [(1, 0.8), (0, 0.5)], 30: [(1, 0.45)]}
LABELS = {20: "a a", 24: "b", 30: ""}  # all right from above 0.5 to 0.6


def folder(root: Path, labels: dict[int, str], boxes: bool = False) -> Path:
    for width in CANDIDATES:
        Image.fromarray(np.zeros((20, width), np.uint8)).save(root / f"{width}.png")
    rows = [f"{width}.png,{names}" for width, names in labels.items()]
    if rows:
        (root / "metadata.csv").write_text("\n".join(["file_name,labels", *rows]) + "\n")
    if boxes:  # many more than the labels say
        annotations = [{"id": n, "image_id": 20, "category_id": 1, "bbox": [n, 2, 3, 3]} for n in range(9)]
        images = [{"id": width, "file_name": f"{width}.png", "width": width, "height": 20} for width in CANDIDATES]
        categories = [{"id": 1, "name": "a"}, {"id": 2, "name": "b"}]
        content = {"images": images, "annotations": annotations, "categories": categories}
        (root / "coco.json").write_text(json.dumps(content))
    return root


def images(root: Path, labels_needed: bool = True) -> Images:
    return Images(read_folder(root, labels_needed=labels_needed), channels=1, max_side=None, places=True)


@pytest.mark.parametrize("boxes", [False, True])
def test_the_counts_of_the_labels_choose_it_and_no_box(boxes: bool, tmp_path: Path) -> None:
    detector = Scored(CANDIDATES)
    found = calibrate(detector, images(folder(tmp_path, LABELS, boxes)))
    assert found.threshold == pytest.approx(0.55)
    assert found.error == 0.0
    assert detector.calibrated_threshold == found.threshold
    assert [one.counts() for one in detector.detect(list(torch.zeros(1, 1, 20, 20)), threshold="auto")] == [{"a": 2}]


def test_a_method_without_classes_counts_the_number_that_it_was_told(tmp_path: Path) -> None:
    """Two an image: the widest gap where three of six candidates and one image short of one are counted."""
    one_class = {width: [(0, score) for _, score in rows] for width, rows in CANDIDATES.items()}
    detector = OfOneClass(one_class, class_names=("object",))
    found = calibrate(detector, images(folder(tmp_path, {}), labels_needed=False))
    assert found.error == pytest.approx(1 / 3)
    assert found.threshold == pytest.approx((0.3 + 0.45) / 2)


def test_images_without_labels_are_held_against_that_number_too(tmp_path: Path) -> None:
    one_class = {width: [(0, score) for _, score in rows] for width, rows in CANDIDATES.items()}
    detector = OfOneClass(one_class, class_names=("object",))
    counting = evaluate(detector, folder(tmp_path, {})).counting
    assert (counting.exact_total, counting.total_error) == (pytest.approx(1 / 3), pytest.approx(2 / 3))


def test_an_evaluation_counts_by_the_models_own_threshold_whatever_it_is_asked_for(tmp_path: Path) -> None:
    detector = Scored(CANDIDATES)
    assert evaluate(detector, folder(tmp_path, LABELS)).counted is None
    detector.calibrated_threshold = 0.48
    asked = [evaluate(detector, tmp_path, k=k, threshold=t) for k, t in ((1, None), (None, 0.85), (None, "auto"))]  # type: ignore[arg-type]
    for one in asked:
        assert one.counted is not None
        assert one.counted.total_error == pytest.approx(1 / 3)  # the a of 0.5 beside the b
        assert one.counted.error_by_class == (pytest.approx(1 / 3), 0.0)
        assert one.metrics()["calibrated_threshold"] == 0.48
        assert one.metrics()["calibrated_class_error"] == pytest.approx(1 / 6)
    assert [one.metrics()["total_error"] for one in asked] == pytest.approx([2 / 3, 2 / 3, 1 / 3])


def test_a_training_leaves_the_threshold_that_counts_its_validation_scenes_best(tmp_path: Path) -> None:
    recipe = tiny_recipe(steps=2)
    recipe = replace(recipe, data=replace(recipe.data, counts=(1, 2, 3)), model=recipe.model | {"background": True})
    trained = train(recipe, tmp_path, progress=False)
    assert trained.calibrated_threshold is not None
    assert load(tmp_path).calibrated_threshold == trained.calibrated_threshold

    _, validation, _ = training_sources(recipe.data, recipe.run.seed, channels=1, max_side=None)
    assert isinstance(validation, Scenes)
    batch = validation.batch(torch.arange(len(validation)))
    everything = trained.detect(list(batch.images), threshold=0.0)
    names = trained.config.class_names
    true = [[names[label] for label in row if label >= 0] for row in batch.labels.tolist()]

    def error(threshold: float) -> int:
        found = [one.above(threshold).names for one in everything]
        pairs = list(zip(found, true, strict=True))
        return sum(abs(one.count(name) - other.count(name)) for one, other in pairs for name in names)

    tried = sorted({1.0, *(float(score) for one in everything for score in one.scores)})
    assert error(trained.calibrated_threshold) == min(map(error, tried))


def test_a_run_of_before_there_were_thresholds_gets_one_by_going_on(tmp_path: Path) -> None:
    train(tiny_recipe(steps=2), tmp_path, progress=False)
    path = tmp_path / "model.json"
    description = json.loads(path.read_text())
    threshold = description.pop("threshold")
    path.write_text(json.dumps(description))
    assert load(tmp_path).calibrated_threshold is None
    train(tiny_recipe(steps=2), tmp_path, resume=True, progress=False)
    assert load(tmp_path).calibrated_threshold == threshold


def test_the_command_line_counts_by_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = tmp_path / "run"
    train(tiny_recipe(steps=2), run, progress=False)
    threshold = load(run).calibrated_threshold
    assert main(["evaluate", str(run), "--images", "4", "--threshold", "auto"]) == 0
    printed = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    data = DataConfig(layout="mnist-3", glyphs="digits")
    expected = evaluate(run, data, images=4, threshold="auto")
    assert expected.counted == counting_scores(expected.predicted, expected.true)
    assert f"counted from a score of {threshold:.3g} mean error" in printed
    assert f"all objects {expected.counted.total_error:.3g}" in printed
    for name, error in zip("0123456789", expected.counted.error_by_class, strict=True):
        assert f"{name} {error:.3g}" in printed
    assert f"score from {threshold:.4g}" in (run / "report.html").read_text()

    scene = tmp_path / "scene.png"
    Image.fromarray(np.full((80, 80), 128, np.uint8)).save(scene)
    assert main(["detect", str(run), str(scene), "--threshold", "auto", "--out", str(tmp_path / "found.json")]) == 0
    found = json.loads((tmp_path / "found.json").read_text())["annotations"]
    assert len(found) == len(load(run).detect(scene, threshold="auto"))


@pytest.mark.parametrize(("counted", "threshold", "error"), [(True, 0.5, 0.0), (False, 0.15, 1 / 3)])
def test_a_method_without_classes_is_told_the_numbers_where_they_are_asked_for(
    counted: bool, threshold: float, error: float, tmp_path: Path
) -> None:
    """2, 1 and none there; else its own K, which is 2, of all three."""
    detector = OfOneClass({20: [(0, 0.9), (0, 0.6)], 24: [(0, 0.8), (0, 0.3)], 30: [(0, 0.4)]}, class_names=("patch",))
    found = calibrate(detector, images(folder(tmp_path, LABELS)), counted=counted)
    assert found.threshold == pytest.approx(threshold)
    assert found.error == pytest.approx(error)

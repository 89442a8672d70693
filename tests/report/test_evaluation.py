"""From an evaluation to a report."""

from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from boxless.engine.evaluation import Evaluation, Transcriptions, evaluate
from boxless.engine.marks import Mark
from boxless.engine.recipe import DataConfig
from boxless.instances import Instances
from boxless.methods.detector import Detector, Found
from boxless.report.evaluation import examples, metric_rows, readings, report_of, telling
from boxless.report.html import render_report

SCENES = DataConfig(layout="mnist-3", glyphs="digits")


@dataclass(frozen=True)
class Settings:
    class_names: tuple[str, ...] = tuple("0123456789")
    channels: int = 1
    max_side: int | None = None


class OneInTheMiddle(Detector):
    """Finds one digit, a 4, where none is asked for."""

    method = "one-in-the-middle"
    config_type = Settings

    def __init__(self) -> None:
        super().__init__()
        self.config = Settings()
        self.register_parameter("unused", torch.nn.Parameter(torch.zeros(1)))

    def find(self, images: Tensor, k: int | None, threshold: float | None) -> list[Found]:
        one = Found(torch.full((1, 2), 39.5), torch.full((1, 2), 20.0), torch.ones(1), torch.tensor([4]))
        return [one] * len(images)


class Looking(OneInTheMiddle):
    """The same, and its heatmap is the image, turned over to tell it apart."""

    def heatmap(self, images: Tensor) -> Tensor:
        return 1 - images[:, 0]


@pytest.fixture(scope="module")
def evaluation() -> Evaluation:
    return evaluate(OneInTheMiddle(), SCENES, images=6)


def perfect(evaluation: Evaluation, index: int) -> Evaluation:
    """As if everything were found in one image."""
    predicted = list(evaluation.predicted)
    predicted[index] = evaluation.true[index]
    return replace(evaluation, predicted=predicted)


def test_the_first_images_are_shown_and_then_those_with_most_mistakes(evaluation: Evaluation) -> None:
    better = perfect(perfect(evaluation, 3), 4)
    assert telling(better, 4) == [0, 1, 2, 5]
    assert telling(better, 6) == [0, 1, 2, 5]


def test_an_example_is_the_scene_it_is_named_after(evaluation: Evaluation) -> None:
    assert evaluation.source is not None
    (example,) = examples(evaluation, Looking(), [4])
    scene = evaluation.source.batch(torch.tensor([4]))
    assert example.name == "scene 4"
    np.testing.assert_array_equal(example.image[..., 0], scene.images[0, 0].numpy())
    assert example.heatmap is not None
    np.testing.assert_allclose(example.heatmap, 1 - scene.images[0, 0].numpy(), atol=0.01)
    assert example.true is not None
    np.testing.assert_array_equal(example.true.centers, scene.centers[0].numpy())


def test_a_detector_without_a_heatmap_shows_none(evaluation: Evaluation) -> None:
    assert [example.heatmap for example in examples(evaluation, OneInTheMiddle(), [0, 1])] == [None, None]


def test_measures_stand_beside_what_they_are_held_against(evaluation: Evaluation) -> None:
    rows = {row.name: row for row in metric_rows(evaluation, {"both": Mark(paper=0.9, goal=0.95)})}
    assert evaluation.detection is not None
    assert rows["Both"].ours == evaluation.detection.both
    assert (rows["Both"].paper, rows["Both"].goal) == (0.9, 0.95)
    assert (rows["Classif."].paper, rows["Classif."].goal) == (None, None)
    assert rows["Mean error of the number of objects"].ours == 2.0


def test_without_places_there_are_no_scores_of_places_and_no_truth_is_drawn(evaluation: Evaluation) -> None:
    unknown = [Instances(np.zeros((3, 2)), np.zeros((3, 2)), labels=one.labels) for one in evaluation.true]
    of_places = ("detection", "centers", "average_precision", "confusion", "offsets", "sizes")
    counted = replace(evaluation, true=unknown, **dict.fromkeys(of_places))
    assert [row.name for row in metric_rows(counted)] == [
        "Classif.",
        "Images with every count right",
        "Mean error of the number of objects",
    ]
    assert [example.true for example in examples(counted, OneInTheMiddle(), telling(counted, 2))] == [None, None]


def test_the_report_holds_all_of_it(evaluation: Evaluation) -> None:
    problems = ["broken.jpg ends early."]
    page = render_report(report_of(replace(evaluation, problems=problems), OneInTheMiddle(), "a title", pictures=2))
    for told in ("a title", "IOU 50 %", "scene 0", "Confusion", "Offsets", "Counting", "broken.jpg ends early."):
        assert told in page


class Rebuilding(OneInTheMiddle):
    """Knows no classes, and rebuilds an image as it is, darker, from patches of one value."""

    knows_classes = False

    def __init__(self) -> None:
        super().__init__()
        self.config = Settings(("object",))

    def find(self, images: Tensor, k: int | None, threshold: float | None) -> list[Found]:
        return [replace(found, labels=torch.tensor([0])) for found in super().find(images, k, threshold)]

    def reconstruct(self, images: list[Tensor]) -> list[NDArray[np.float32]]:
        return [(0.5 * image[0]).numpy() for image in images]

    def rebuild_from(
        self, image: Tensor, found: Instances
    ) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
        patches = np.full((len(found), 4, 4), 0.25, np.float32)
        return (0.5 * image[0]).numpy(), patches, 2 * patches


@pytest.fixture(scope="module")
def rebuilding() -> Evaluation:
    return evaluate(Rebuilding(), SCENES, images=4)


def test_of_one_class_no_measure_of_classes_is_told(rebuilding: Evaluation) -> None:
    assert [row.name for row in metric_rows(rebuilding)] == [
        "RMSE of the images rebuilt",
        "The same of each image's mean colour",
        "IOU 50 %",
        "Precision, centre in the box",
        "Recall, centre in the box",
        "F1, centre in the box",
        "The same of one in the middle of each image",
        "IOU 50 AP",
        "Median distance from the true centre",
        "Median error of the size",
        "Images with the right count",
        "Mean error of the number of objects",
    ]
    page = render_report(report_of(rebuilding, Rebuilding(), "a title", pictures=2))
    for untold in ("Confusion", "Classif.", "by class", "every class"):
        assert untold not in page


def test_an_example_shows_how_it_is_rebuilt_from_what_was_found(rebuilding: Evaluation) -> None:
    (example,) = examples(rebuilding, Rebuilding(), [1])
    assert example.rebuilt is not None
    np.testing.assert_array_equal(example.rebuilt.image, 0.5 * example.image[..., 0])
    assert len(example.rebuilt.patches) == len(example.predicted) == 1
    assert example.rebuilt.decoded.mean() == 0.5


def test_transcriptions_are_shown_the_worst_first(evaluation: Evaluation) -> None:
    """Of six images the third is read wrong in one character, the fifth in two, which columns read right."""
    true = [(1, 2, 3)] * 6
    read = [*true[:2], (1, 2), true[0], (1, 4, 4), true[0]]
    read_wrong = replace(evaluation, transcriptions=Transcriptions(read, [*read[:4], *true[:2]], true))
    shown = readings(read_wrong, OneInTheMiddle(), 3)
    assert [one.name for one in shown] == ["scene 4", "scene 2", "scene 0"]
    assert [(one.read, one.by_columns, one.true) for one in shown] == [
        ("144", "123", "123"),
        ("12", "12", "123"),
        ("123", "123", "123"),
    ]
    assert evaluation.source is not None
    expected = evaluation.source.batch(torch.tensor([4])).images[0].permute(1, 2, 0).numpy()
    np.testing.assert_array_equal(shown[0].image, expected)
    page = render_report(report_of(read_wrong, OneInTheMiddle(), "read"))
    assert "read: 144, and 123 is there (by columns: 123)" in page
    assert "read: 123 ✓</figcaption>" in page
    assert "Transcriptions" not in render_report(report_of(evaluation, OneInTheMiddle(), "read"))

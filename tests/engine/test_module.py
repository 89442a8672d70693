"""What every method's training does around its steps."""

import math
from typing import Any

import pytest
import torch

from boxless.data.batch import Batch
from boxless.engine.module import TrainingDiverged, TrainingModule
from tests.engine.told import Told

SIZE = (20, 30)


def module(answers: list[tuple[int, float, float]], monkeypatch: pytest.MonkeyPatch) -> tuple[TrainingModule, Any]:
    """A training whose model answers so for every image, and what it logs."""
    training = TrainingModule(Told({SIZE: answers}), steps=1)
    logged: dict[str, Any] = {}
    monkeypatch.setattr(training, "log_dict", lambda values, **_: logged.update(values))
    return training, logged


def batch(places: bool) -> Batch:
    """An image with an a at (5, 6) and a b at (20, 12)."""
    centers, sizes = torch.tensor([[[5.0, 6.0], [20.0, 12.0]]]), torch.full((1, 2, 2), 6.0)
    labels = torch.tensor([[0, 1]])
    return (
        Batch(torch.zeros(1, 1, *SIZE), labels, centers, sizes) if places else Batch(torch.zeros(1, 1, *SIZE), labels)
    )


def validated(training: TrainingModule, batches: list[Batch]) -> None:
    training.on_validation_epoch_start()
    for number, one in enumerate(batches):
        training.validation_step(one, number)
    training.on_validation_epoch_end()


def test_with_places_the_score_is_the_share_found_at_its_place_with_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    training, logged = module([(0, 5, 6), (0, 20, 12)], monkeypatch)
    validated(training, [batch(places=True)])
    assert {name: float(value) for name, value in logged.items()} == {
        "val/classification": 0.5,
        "val/exact_counts": 0.0,
        "val/localization": 1.0,
        "val/both": 0.5,
        "val/score": pytest.approx(0.5, abs=1e-5),
    }


@pytest.mark.parametrize("order", [(True, False), (False, True)])
def test_where_some_places_are_unknown_the_score_is_of_the_labels(
    order: tuple[bool, bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    training, logged = module([(0, 5, 6), (1, 28, 1)], monkeypatch)
    validated(training, [batch(places) for places in order])
    assert {name: float(value) for name, value in logged.items()} == {
        "val/classification": 1.0,
        "val/exact_counts": 1.0,
        "val/score": 0.0,
    }


def test_of_a_users_images_no_box_chooses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there are boxes the shares of what is in its place are logged all the same."""
    training, logged = module([(0, 5, 6), (0, 20, 12)], monkeypatch)
    training.places_choose = False
    validated(training, [batch(places=True)])
    assert float(logged["val/both"]) == 0.5
    assert float(logged["val/score"]) == pytest.approx(-1.0, abs=1e-5)  # one a too many, one b too few


def test_validation_images_without_an_object_are_scored_by_what_is_found_in_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """No share of no objects is a number; a score that is none would never be the best, and the run have no model."""
    training, logged = module([(0, 5, 6), (1, 20, 12), (1, 9, 9)], monkeypatch)
    nothing = Batch(torch.zeros(1, 1, *SIZE), torch.zeros(1, 0, dtype=torch.int64), *[torch.zeros(1, 0, 2)] * 2)
    validated(training, [nothing])
    assert float(logged["val/score"]) == pytest.approx(-1.5, abs=1e-5)
    assert all(math.isfinite(value) for value in logged.values())


def test_without_places_what_is_found_too_often_is_wrong_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else the best model would be one that finds everything everywhere."""
    scores = []
    for answers in ([(0, 5, 6), (1, 20, 12)], [(0, 5, 6), (1, 20, 12), (1, 9, 9), (0, 1, 1), (0, 2, 2)], [(0, 5, 6)]):
        training, logged = module(answers, monkeypatch)
        validated(training, [batch(places=False)])
        scores.append(float(logged["val/score"]))
    assert scores == [0.0, -1.5, -0.5]  # mean error of the number of a class


def test_of_equal_validations_the_latest_is_the_best(monkeypatch: pytest.MonkeyPatch) -> None:
    training, logged = module([(0, 5, 6)], monkeypatch)
    training.steps = 100_000
    scores = []
    for steps_done in (0, 50_000, 100_000):
        training.step_count.fill_(steps_done)
        validated(training, [batch(places=False)])
        scores.append(torch.as_tensor(logged["val/score"], dtype=torch.float32))
    assert scores[0] < scores[1] < scores[2] < scores[0] + 1e-5


def test_of_images_without_labels_no_counts_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    training, logged = module([(0, 5, 6)], monkeypatch)
    validated(training, [Batch(torch.zeros(1, 1, *SIZE), torch.empty(1, 0, dtype=torch.int64))])
    assert "val/exact_counts" not in logged
    validated(training, [batch(places=False)])
    assert float(logged["val/exact_counts"]) == 0.0


def test_each_validation_counts_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    training, logged = module([(0, 5, 6)], monkeypatch)
    validated(training, [batch(places=False)])
    validated(training, [batch(places=True), batch(places=True)])
    assert float(logged["val/both"]) == 0.5


def test_padding_is_cut_off_before_detection(monkeypatch: pytest.MonkeyPatch) -> None:
    training, logged = module([(0, 5, 6), (1, 20, 12)], monkeypatch)
    padded = Batch(torch.zeros(1, 1, 40, 50), torch.tensor([[0, 1]]), extents=torch.tensor([SIZE]))
    validated(training, [padded])
    assert float(logged["val/classification"]) == 1.0


def test_losses_are_logged_as_means_over_samples_and_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    training, logged = module([], monkeypatch)
    training.note("loss", torch.tensor([1.0, 3.0]))
    training.note("loss", torch.tensor([5.0, 7.0]))
    training.note("other", torch.tensor([[1.0, 2.0], [3.0, 4.0]]))
    training.on_train_epoch_end()
    assert {name: float(value) for name, value in logged.items()} == {"loss": 4.0, "other": 2.5}
    logged.clear()
    training.note("loss", torch.tensor([9.0]))
    training.on_train_epoch_end()
    assert {name: float(value) for name, value in logged.items()} == {"loss": 9.0}


def test_a_sample_that_is_not_finite_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    training, _ = module([], monkeypatch)
    with pytest.raises(TrainingDiverged, match=r"loss is not finite at step 0, in sample 1, 3 of the batch"):
        training.note("loss", torch.tensor([[1.0, 0.0], [torch.nan, 0.0], [2.0, 2.0], [0.0, torch.inf]]))


def test_a_model_whose_classes_are_not_those_of_the_data_is_judged_by_places(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its kinds may be as many as it likes: all that it finds, and all that is there, are of one class."""
    monkeypatch.setattr(Told, "labels_are", "ignored")
    training, logged = module([(1, 5, 6), (1, 20, 12)], monkeypatch)
    validated(training, [batch(places=True)])
    assert (logged["val/localization"], logged["val/exact_counts"]) == (1.0, 1.0)
    assert "val/both" not in logged

import numpy as np
import pytest

from boxless.errors import BoxlessError
from boxless.instances import Instances
from boxless.metrics.detection import detection_counts
from boxless.report.verdicts import judge


def of(centers: list[list[float]], labels: list[int]) -> Instances:
    return Instances(centers, np.full((len(centers), 2), 20.0), labels=labels)


def test_each_of_right_mistaken_false_and_missed_is_told_apart() -> None:
    true = of([[10, 50], [50, 10], [90, 90]], [3, 8, 5])
    predicted = of([[70, 30], [51, 11], [12, 50]], [3, 3, 3])
    verdicts = judge(predicted, true)
    assert verdicts.right.tolist() == [[2, 0]]
    assert verdicts.mistaken.tolist() == [[1, 1]]
    assert verdicts.false.tolist() == [0]
    assert verdicts.missed.tolist() == [2]


def test_the_right_class_wins_over_a_nearer_wrong_one() -> None:
    true = of([[10, 50]], [3])
    verdicts = judge(of([[10, 50], [13, 50]], [8, 3]), true)
    assert verdicts.right.tolist() == [[1, 0]]
    assert verdicts.false.tolist() == [0]


def test_every_prediction_and_every_true_instance_is_judged_once_and_right_is_no_less_than_both() -> None:
    random = np.random.default_rng(0)
    for _ in range(30):
        true, predicted = (of(random.uniform(0, 60, (9, 2)).tolist(), random.integers(0, 3, 9).tolist()) for _ in "ab")
        verdicts = judge(predicted, true)
        predictions = [*verdicts.right[:, 0], *verdicts.mistaken[:, 0], *verdicts.false]
        truth = [*verdicts.right[:, 1], *verdicts.mistaken[:, 1], *verdicts.missed]
        assert sorted(predictions) == sorted(truth) == list(range(9))
        assert len(verdicts.right) >= detection_counts([predicted], [true])[2]


def test_different_class_names_are_refused() -> None:
    a, b = (Instances([[1, 1]], [[2, 2]], class_names=names) for names in (["x"], ["y"]))
    with pytest.raises(BoxlessError, match="name the classes"):
        judge(a, b)

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from boxless.errors import BoxlessError
from boxless.instances import Instances
from boxless.metrics.confusion import confusion_matrix
from boxless.metrics.prototypes import prototype_contingency

from .random_scenes import CLASSES, scenes, slow_center_pairs, slow_iou_pairs

SEEDS = st.integers(0, 10_000)


@given(SEEDS)
def test_the_matrix_is_that_of_plain_loops(seed: int) -> None:
    predicted, true = scenes(seed, 4)
    expected = np.zeros((CLASSES + 1, CLASSES + 1), int)
    for found, truth in zip(predicted, true, strict=True):
        pairs = slow_iou_pairs(found, truth)
        for i, j in pairs:
            expected[truth.labels[j], found.labels[i]] += 1
        for i in set(range(len(found))) - {i for i, _ in pairs}:
            expected[CLASSES, found.labels[i]] += 1
        for j in set(range(len(truth))) - {j for _, j in pairs}:
            expected[truth.labels[j], CLASSES] += 1
    np.testing.assert_array_equal(confusion_matrix(predicted, true, CLASSES), expected)


@given(SEEDS)
def test_without_a_threshold_a_prediction_goes_with_the_truth_that_its_centre_lies_in(seed: int) -> None:
    predicted, true = scenes(seed, 4)
    pairs = [
        (truth.labels[j], found.labels[i])
        for found, truth in zip(predicted, true, strict=True)
        for i, j in slow_center_pairs(found, truth)
    ]
    expected = np.zeros((CLASSES, CLASSES), int)
    for pair in pairs:
        expected[pair] += 1
    matrix = confusion_matrix(predicted, true, CLASSES, threshold=None)
    np.testing.assert_array_equal(matrix[:CLASSES, :CLASSES], expected)
    table = prototype_contingency(predicted, true, CLASSES, CLASSES, threshold=None)
    np.testing.assert_array_equal(table, expected.T)


@given(SEEDS)
def test_rows_sum_to_the_truth_and_columns_to_the_predictions(seed: int) -> None:
    predicted, true = scenes(seed, 4)
    matrix = confusion_matrix(predicted, true, CLASSES)
    for label in range(CLASSES):
        assert matrix[label].sum() == sum(len(one.of_class(label)) for one in true)
        assert matrix[:, label].sum() == sum(len(one.of_class(label)) for one in predicted)


def test_the_true_class_is_the_row() -> None:
    true = Instances([[10, 5]], [[30, 4]], labels=[0])
    predicted = Instances([[10, 5]], [[30, 4]], labels=[1])
    assert confusion_matrix([predicted], [true], 2).tolist() == [[0, 1, 0], [0, 0, 0], [0, 0, 0]]


def test_missed_is_the_last_column_and_invented_the_last_row() -> None:
    one, nothing = Instances([[10, 5]], [[30, 4]], labels=[1]), Instances([], [])
    assert confusion_matrix([nothing], [one], 2).tolist() == [[0, 0, 0], [0, 0, 1], [0, 0, 0]]
    assert confusion_matrix([one], [nothing], 2).tolist() == [[0, 0, 0], [0, 0, 0], [0, 1, 0]]


def test_a_label_past_the_classes_is_refused() -> None:
    one = Instances([[0, 0]], [[1, 1]], labels=[2])
    with pytest.raises(BoxlessError, match="label 2"):
        confusion_matrix([one], [Instances([], [])], classes=2)

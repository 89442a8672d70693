import dataclasses
import math
from typing import Any

import pytest

from boxless.methods.mist.config import MistClassifierConfig, MistClassifierTrainingConfig, MistReconstructorConfig


def test_rates_rise_over_the_warm_up_then_stay_then_fall_along_a_cosine() -> None:
    settings = MistClassifierTrainingConfig(warmup=10, decay=0.5)
    factors = [settings.rate_factor(step, 100) for step in range(100)]
    assert factors[:10] == pytest.approx([(step + 1) / 10 for step in range(10)])
    assert factors[10:51] == [1.0] * 41
    assert factors[50:] == pytest.approx([0.5 + 0.5 * math.cos(math.pi * step / 50) for step in range(50)])
    assert min(factors) > 0.0


@pytest.mark.parametrize(("warmup", "decay"), [(0, 0.0), (1, 0.0)])
def test_rates_may_stay_the_same(warmup: int, decay: float) -> None:
    settings = MistClassifierTrainingConfig(warmup=warmup, decay=decay)
    assert {settings.rate_factor(step, 7) for step in range(7)} == {1.0}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"reconstruction": 0.0}, 'keypoint_step "registration" needs'),
        ({"keypoint_steps": 0}, "keypoint_steps is at least 1"),
        ({"candidates": -1}, "candidates"),
        ({"heatmap_rate": 0.0}, "heatmap_rate"),
        ({"task_rate": -1e-3}, "task_rate"),
        ({"target_sigma": -1.0}, "target_sigma"),
        ({"averaging": 1.0}, "averaging"),
        ({"decay": 1.5}, "decay"),
        ({"warmup": -1}, "warmup"),
        ({"task_first": True}, "task_first"),
        ({"reconstruction": -1.0, "keypoint_step": "gradient"}, "reconstruction"),
    ],
)
def test_a_setting_that_makes_no_sense_is_named(given: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        MistClassifierTrainingConfig(**given)


def test_every_setting_is_described() -> None:
    for kind in (MistClassifierConfig, MistReconstructorConfig, MistClassifierTrainingConfig):
        described = "".join(part.__doc__ or "" for part in kind.__mro__)
        undescribed = [f.name for f in dataclasses.fields(kind) if f"        {f.name}:" not in described]
        assert undescribed == []


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"scales": ()}, "scales"),
        ({"scales": (0.0, 1.0)}, "scales"),
        ({"scales": (1.0, 1.0)}, "scales"),
        ({"scale_pooling": "sum"}, "scale_pooling"),
        ({"patch_size": 16}, "patch_size must be 32"),
        ({"channels": 2}, "channels"),
        ({"softmax_size": 4}, "softmax_size"),
    ],
)
def test_a_model_that_cannot_be_is_named(given: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        MistClassifierConfig(class_names=("a",), **given)

from dataclasses import asdict
from typing import Any

import pytest

from boxless.engine.tables.tusk import AS_IN_THE_PAPER
from boxless.methods.tusk.config import TuskConfig, TuskTrainingConfig
from boxless.plain import from_plain


def test_without_labels_the_classes_are_the_prototypes() -> None:
    config = TuskConfig(prototypes=3)
    assert config.class_names == ("kind 0", "kind 1", "kind 2")
    assert not config.named
    assert from_plain(TuskConfig, asdict(config), "test") == config
    assert TuskConfig(class_names=("a", "b")).named


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"channels": 2}, "channels must be 1"),
        ({"instances": 0}, "instances"),
        ({"prototypes": 0}, "prototypes"),
        ({"descriptor_size": 0}, "descriptor_size"),
        ({"net_channels": ()}, "net_channels"),
        ({"net_channels": (4, 0)}, "net_channels"),
        ({"object_size": 0.0}, "object_size"),
        ({"object_size": float("nan")}, "object_size"),
        ({"max_side": 0}, "max_side"),
        ({"shrink": 0.0}, "shrink is a factor above 0"),
        ({"shrink": 1.5}, "shrink is a factor above 0"),
        ({"kernel_size": 4}, "kernel_size"),
        ({"temperature": 0.01}, "temperature"),
        ({"temperature": float("nan")}, "temperature"),
        ({"variance": 0.0}, "variance"),
        ({"class_names": ("a", "a")}, "must differ"),
    ],
)
def test_a_model_that_cannot_be_is_refused(given: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        TuskConfig(**given)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"rate": 0.0}, "rate is above 0"),
        ({"prototype_rate": float("nan")}, "prototype_rate is above 0"),
        ({"prototype_steps": -1}, "prototype_steps is not negative"),
        ({"feature_weight": -1.0}, "feature_weight is not negative"),
        ({"adversary": 0.1, "information_weight": 0.0}, "needs information_weight above 0"),
        ({"prototype_loss": "mutual-information", "information_weight": 0.0}, "needs information_weight and"),
        ({"prototype_loss": "mutual-information", "prototype_steps": 0}, "prototype_steps above 0"),
        ({"warp_scale": 0.1, "warp_scale_spread": 0.1}, "warp_scale_spread"),
        ({"decay": 1.5}, "decay"),
        ({"averaging": 1.0}, "averaging"),
        ({"cluster_start": 1.5}, "cluster_start"),
    ],
)
def test_a_training_that_cannot_be_is_refused(given: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        TuskTrainingConfig(**given)


def test_the_defaults_are_the_paper_s_but_for_the_clusters() -> None:
    """Table 7, section 3.3; the row mnist-hard-small-paper of table 1 has the paper's weights and losses."""
    ours = TuskTrainingConfig()
    assert (ours.rate, ours.prototype_steps, ours.heatmap_weight, ours.mixture_variance) == (1e-3, 8, 0.01, 4e-4)
    paper = from_plain(TuskTrainingConfig, dict(AS_IN_THE_PAPER), "training")
    assert (paper.cluster_weight, paper.cluster_measure, paper.cluster_strength) == (0.01, "distance", 1.0)
    assert (paper.prototype_loss, paper.prototype_rate, paper.feature_weight) == ("wasserstein", 0.1, 100.0)
    model = TuskConfig()
    assert (model.instances, model.prototypes, model.kernel_size, model.descriptor_size) == (9, 10, 13, 32)

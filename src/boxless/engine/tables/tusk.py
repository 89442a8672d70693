"""TUSK's tables."""

from collections.abc import Mapping
from typing import Any

from boxless.engine.experiments import Experiment, Row, Table
from boxless.engine.tables.measures import DETECTION
from boxless.engine.tables.mist import HARD


def _ablation(name: str, training: Mapping[str, Any]) -> Experiment:
    """TUSK on mnist-hard with some of it taken away, in 1,200 steps of its recipe for two CPU cores."""
    given = {**BY_KMEANS, **training}
    return Experiment(f"tusk-ablation-{name}", "tusk-mnist", {"training": given, "run": {"steps": 1200}})


def _landmarks(k: int) -> Experiment:
    return Experiment(f"tusk-faces-{k}", f"tusk-faces-{k}", photos="faces")


BY_KMEANS = {"prototype_loss": "squares", "adversary": 0.0}  # from which all else is taken away
# The information begins after as many steps as in the whole training of 4,800: before, places are not found yet.
INFORMED = {"information_start": 0.4}
NO_EQUIVARIANCE = {"heatmap_weight": 0.0, "feature_weight": 0.0, "information_weight": 0.0}  # all of T(I)
AS_IN_THE_PAPER = {
    "cluster_start": 0.0,
    "cluster_strength": 1.0,
    "cluster_weight": 0.01,
    "feature_weight": 100.0,
    "information_weight": 0.0,
    "adversary": 0.0,
    "prototype_loss": "wasserstein",
    "prototype_rate": 0.1,
}

CLEVR = Experiment("tusk-clevr", "tusk-clevr", {"model": {"masks": False}}, photos="clevr")  # it has no true ones
CLEVR_WITH_MASKS = Experiment(
    "tusk-clevr6", "tusk-clevr", {"data": {"folder": "clevr_with_masks/train"}}, photos="clevr_with_masks"
)
RELEASED_TETROMINOES = Experiment(
    "tusk-tetrominoes-released", "tusk-tetrominoes", {"data": {"folder": "tetrominoes/train"}}, photos="tetrominoes"
)
SPRITES = Experiment("tusk-sprites", "tusk-sprites")
MORE_SPRITES = Experiment(
    "tusk-sprites-10",
    "tusk-sprites",
    k=10,
    threshold="auto",
    scenes={"counts": tuple(range(1, 11))},
    trained_as="tusk-sprites",
)
DISCOVERY = {"ari": "ARI", "shape": "Shape", "color": "Color", "size": "Size"}

TABLES = (
    Table(
        "tusk-table1",
        "TUSK, table 1: digits found and told apart, learned from images alone",
        DETECTION,
        (
            Row(
                "mnist-hard-large",
                "mnist-hard",
                "TUSK, with information between views",
                Experiment("tusk-mnist-large", "tusk-mnist-large"),
                (0.999, 0.928, 0.928),
                (0.999, 0.975, 0.975),
            ),
            Row(
                "mnist-hard",
                "mnist-hard",
                "the same, half the channels",
                Experiment("tusk-mnist", "tusk-mnist"),
                (0.999, 0.928, 0.928),
                (0.999, 0.975, 0.975),
            ),
            Row(
                "mnist-hard-paper",
                "mnist-hard",
                "half the channels, weights and losses as in the paper",
                Experiment("tusk-mnist-paper", "tusk-mnist", {"training": AS_IN_THE_PAPER}),
                (0.999, 0.928, 0.928),
            ),
            Row("mnist-hard-mist", "mnist-hard", "MIST, from counts", HARD, (0.978, 0.988, 0.975)),
            Row("mnist-hard-xie20", "mnist-hard", "Xie20, from counts", None, (0.727, 0.931, 0.713)),
            Row("mnist-hard-channel-wise", "mnist-hard", "channel-wise", None, (0.254, 0.755, 0.248)),
            Row("mnist-hard-supervised", "mnist-hard", "with boxes", None, (0.996, 0.987, 0.986)),
        ),
    ),
    Table(
        "tusk-table2",
        "TUSK, table 2: objects and their attributes discovered, learned from images alone",
        DISCOVERY,
        (
            Row(
                "tetrominoes",
                "tetrominoes",
                "TUSK",
                Experiment("tusk-tetrominoes", "tusk-tetrominoes"),
                (0.997, 0.913, 1.0),
                (0.997, 0.98, 1.0),
            ),
            Row(
                "tetrominoes-small",
                "tetrominoes, 35×35",
                "TUSK, half the channels",
                Experiment("tusk-tetrominoes-small", "tusk-tetrominoes-small"),
                (0.997, 0.913, 1.0),
            ),
            Row("sprites", "sprites, 1 to 6, for CLEVR6", "TUSK, half the channels", SPRITES),
            Row("clevr", "34 images of CLEVR, learned from 102", "TUSK, without masks", CLEVR),
            Row("tetrominoes-slots", "tetrominoes", "Slot Attention", None, (0.995,)),
            Row("clevr6-slots", "CLEVR6", "Slot Attention", None, (0.988,)),
            Row("tetrominoes-released", "tetrominoes, released", "TUSK", RELEASED_TETROMINOES, (0.997, 0.913, 1.0)),
            Row("clevr6", "CLEVR6", "TUSK", CLEVR_WITH_MASKS, (0.986, 0.535, 0.910, 0.958)),
        ),
    ),
    Table(
        "tusk-table3",
        "TUSK, table 3: landmarks by a linear map from keypoints that were learned from images alone",
        {"landmark_error": "error over the distance between the eyes, or over the image's side"},
        (
            Row("faces-4", "faces, K = 4", "TUSK, half the channels", _landmarks(4)),
            Row("faces-8", "faces, K = 8", "TUSK, half the channels", _landmarks(8)),
            Row("faces-4-untrained", "faces, K = 4", "untrained", _landmarks(4), without_learning="untrained_"),
            Row("faces-8-untrained", "faces, K = 8", "untrained", _landmarks(8), without_learning="untrained_"),
            Row("faces-mean", "faces", "the mean face", _landmarks(4), without_learning="mean_"),
            Row("celeba", "CelebA, K = 4", "TUSK", None, (0.1926,)),
            Row("celeba-jakab", "CelebA, K = 4", "Jakab, one face an image", None, (0.1942,)),
            Row("celeba-lorenz", "CelebA, K = 4", "Lorenz, one face an image", None, (0.1549,)),
            Row("celeba-he", "CelebA, K = 4", "He, tuned, one face an image", None, (0.1210,)),
            Row("human36m", "H36M, K = 16", "TUSK", None, (0.0668,)),
            Row("human36m-thewlis", "H36M, K = 16", "Thewlis, one person an image", None, (0.0751,)),
            Row("human36m-zhang", "H36M, K = 16", "Zhang, one person an image", None, (0.0491,)),
            Row("human36m-lorenz", "H36M, K = 16", "Lorenz, one person an image", None, (0.0279,)),
        ),
        errors=("landmark_error",),
    ),
    Table(
        "tusk-table4",
        "TUSK, table 4: what is taken away, on mnist-hard in 1,200 steps of the small network",
        DETECTION,
        (
            Row(
                "no-clusters",
                "no k-means, no equivariance",
                "TUSK",
                _ablation("no-clusters", {"cluster_weight": 0.0} | NO_EQUIVARIANCE),
                (0.999, 0.407, 0.407),
            ),
            Row(
                "no-equivariance",
                "no equivariance",
                "TUSK",
                _ablation("no-equivariance", NO_EQUIVARIANCE),
                (0.996, 0.784, 0.780),
            ),
            Row(
                "not-iterative",
                "all losses in one step",
                "TUSK",
                _ablation("not-iterative", {"prototype_steps": 0} | INFORMED),
                (0.999, 0.716, 0.716),
            ),
            Row(
                "no-information",
                "no information between views",
                "TUSK",
                _ablation("no-information", {"information_weight": 0.0}),
            ),
            Row("full", "nothing", "TUSK", _ablation("full", INFORMED), (0.999, 0.928, 0.928)),
        ),
    ),
    Table(
        "tusk-table5",
        "TUSK, table 5: the model of scenes of up to six objects on scenes of up to ten",
        DISCOVERY,
        (
            Row("sprites", "sprites, 1 to 6, for CLEVR6", "TUSK", SPRITES),
            Row("sprites-10", "sprites, 1 to 10, for CLEVR10", "TUSK", MORE_SPRITES),
            Row("clevr6", "CLEVR6", "TUSK", CLEVR_WITH_MASKS, (0.986, 0.535, 0.910, 0.958)),
            Row("clevr10", "CLEVR10", "TUSK", None, (0.976, 0.525, 0.907, 0.979)),
        ),
    ),
)

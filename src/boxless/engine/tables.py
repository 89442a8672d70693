"""The papers' tables: what each row reached there, what we aim at, and the experiment of ours that answers it.

The numbers are those of PROTOCOL 3; shares are in [0, 1].
"""

from collections.abc import Mapping
from typing import Any

from boxless.engine.experiments import Experiment, Row, Table


def _rebuilding(layout: str) -> Experiment:
    name = f"mist-reconstruct-{layout}"
    return Experiment(name, "mist-reconstruct-mnist" if layout == "mnist-hard" else name)


def _one_grey(key: str, data: str, layout: str) -> Row:
    return Row(f"{key}-grey", data, "each image's mean grey", _rebuilding(layout), without_learning="grey_")


def _ablation(name: str, training: Mapping[str, Any]) -> Experiment:
    """TUSK on mnist-hard with some of it taken away, in 1,200 steps of its recipe for two CPU cores."""
    return Experiment(f"tusk-ablation-{name}", "tusk-mnist", {"training": training, "run": {"steps": 1200}})


def _landmarks(k: int) -> Experiment:
    return Experiment(f"tusk-faces-{k}", f"tusk-faces-{k}", photos="faces")


# The information begins after as many steps as in the whole training of 4,800: before, places are not found yet.
INFORMED = {"information_start": 0.4}
NO_EQUIVARIANCE = {"heatmap_weight": 0.0, "feature_weight": 0.0, "information_weight": 0.0}  # all of T(I)
AS_IN_THE_PAPER = {
    "cluster_start": 0.0,
    "cluster_strength": 1.0,
    "cluster_weight": 0.01,
    "feature_weight": 100.0,
    "information_weight": 0.0,
    "prototype_loss": "wasserstein",
    "prototype_rate": 0.1,
}

REBUILT = (
    ("mnist-easy", "mnist-easy", "mnist-easy"),
    ("mnist-hard", "mnist-hard", "mnist-hard"),
    ("gabor-16", "Gabor noise, K = 16", "gabor16"),
    ("gabor-36", "Gabor noise, K = 36", "gabor36"),
)


def _reading(recipe: str, seed: int = 0) -> Experiment:
    """An MCMIL training, tested on the plain images of MNIST."""
    name = recipe if seed == 0 else f"{recipe}-seed{seed}"
    return Experiment(name, recipe, {"run": {"seed": seed}}, scenes={"layout": "mnist-single"}, images=10_000)


def _scattered(layout: str) -> Experiment:
    """The model of extended MNIST on scenes of more digits."""
    name = "mcmil-mnist"
    return Experiment(f"{name}-on-{layout}", name, scenes={"layout": layout}, trained_as=name)


def _house_numbers(recipe: str) -> Experiment:
    return Experiment(recipe, recipe, photos="svhn")


PAPERS_NUMBERS = (0.051, 0.051)  # on all of SVHN's test images, read by columns, trained on its real ones
CIFAR = Experiment("mcmil-cifar10", "mcmil-cifar10", photos="cifar10")
CIFAR_CROSS_ENTROPY = Experiment("mcmil-cifar10-cross-entropy", "mcmil-cifar10-cross-entropy", photos="cifar10")
HARD = Experiment("mist-classify-mnist", "mist-classify-mnist")
RACCOON = Experiment("mist-backbone-raccoon", "mist-backbone-raccoon", photos="raccoon_among_photos")
RANDOM_RACCOON = Experiment(
    "mist-backbone-raccoon-random", "mist-backbone-raccoon-random", photos="raccoon_among_photos"
)
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
DETECTION = {"localization": "IOU 50 %", "classification": "Classif.", "both": "Both"}

TABLES = {
    table.name: table
    for table in (
        Table(
            "mist-table1",
            "MIST, table 1: images rebuilt from patches that are found without any label",
            {"rmse": "RMSE in [0, 1]", "localization": "IOU 50 %"},
            (
                Row("mnist-easy", "mnist-easy", "MIST", _rebuilding("mnist-easy"), (0.038,), (0.030,)),
                Row("mnist-hard", "mnist-hard", "MIST", _rebuilding("mnist-hard"), (0.053,), (0.045,)),
                Row("gabor-16", "Gabor noise, K = 16", "MIST", _rebuilding("gabor16"), (0.095,), (0.080,)),
                Row("gabor-36", "Gabor noise, K = 36", "MIST", _rebuilding("gabor36"), (0.095,), (0.080,)),
                Row("mnist-easy-grid", "mnist-easy", "grid", None, (0.039,)),
                Row("mnist-hard-grid", "mnist-hard", "grid", None, (0.062,)),
                Row("mnist-easy-channel-wise", "mnist-easy", "channel-wise", None, (0.042,)),
                Row("mnist-hard-channel-wise", "mnist-hard", "channel-wise", None, (0.128,)),
                Row("mnist-easy-esl16", "mnist-easy", "Esl16", None, (0.100,)),
                Row("mnist-hard-esl16", "mnist-hard", "Esl16", None, (0.154,)),
                Row("mnist-easy-zha18", "mnist-easy", "Zha18", None, (0.169,)),
                Row("mnist-hard-zha18", "mnist-hard", "Zha18", None, (0.191,)),
                *(_one_grey(*row) for row in REBUILT),
            ),
            errors=("rmse",),
            plain=("rmse",),
        ),
        Table(
            "mist-table2",
            "MIST, tables 2 and 3: digits found and named, learned from counts",
            DETECTION,
            (
                Row("mnist-hard", "mnist-hard", "MIST", HARD, (0.978, 0.988, 0.975), (0.995, 0.99, 0.986)),
                Row(
                    "mnist-hard-paper",
                    "mnist-hard",
                    "MIST, as in the paper",
                    Experiment("mist-classify-mnist-paper", "mist-classify-mnist-paper"),
                    (0.978, 0.988, 0.975),
                ),
                Row("mnist-hard-supervised", "mnist-hard", "with boxes", None, (0.996, 0.987, 0.986)),
                Row("mnist-hard-channel-wise", "mnist-hard", "channel-wise", None, (0.254, 0.755, 0.248)),
                Row("mnist-hard-xie20", "mnist-hard", "Xie20", None, (0.727, 0.931, 0.713)),
                Row(
                    "mnist-3",
                    "mnist-3",
                    "MIST",
                    Experiment("mist-classify-mnist3", "mist-classify-mnist3"),
                    (0.995, 0.969, 0.966),
                    (0.998, 0.99, 0.99),
                ),
                Row("mnist-3-xie20", "mnist-3", "Xie20", None, (0.954, 0.974, 0.922)),
                Row(
                    "mnist-crowded",
                    "mnist-crowded",
                    "MIST",
                    Experiment(
                        "mist-classify-crowded",
                        "mist-classify-mnist",
                        {"data": {"layout": "mnist-crowded"}, "run": {"steps": 2400}},
                    ),
                ),
            ),
        ),
        Table(
            "mist-table5",
            "MIST, table 5: trained on numbers of digits that vary, tested with the true number",
            {"average_precision": "IOU 50 AP", "average_precision_of_any_class": "IOU 50 AP, any class"},
            (
                Row("9", "{9}", "MIST", HARD, (0.922,), (0.97,)),
                Row(
                    "6-9",
                    "{6, 7, 8, 9}",
                    "MIST",
                    Experiment("mist-classify-k-6-9", "mist-classify-k", {"data": {"counts": [6, 7, 8, 9]}}, k="true"),
                    (0.901,),
                    (0.97,),
                ),
                Row(
                    "3-9",
                    "{3, 4, 5, 6, 7, 8, 9}",
                    "MIST",
                    Experiment(
                        "mist-classify-k-3-9",
                        "mist-classify-k",
                        {"data": {"counts": [3, 4, 5, 6, 7, 8, 9]}},
                        k="true",
                    ),
                    (0.908,),
                    (0.97,),
                ),
            ),
        ),
        Table(
            "mist-scales",
            "MIST, supplements A and B: digits of 14 to 36 pixels found with their sizes, learned from counts",
            {
                "localization": "IOU 50 % by predicted sizes",
                "median_size_error": "median error of the size",
                "classification": "Classif.",
                "both": "Both",
            },
            (
                Row(
                    "2021",
                    "mnist-scales",
                    "MIST, CVPR 2021",
                    Experiment("mist-classify-scales", "mist-classify-scales"),
                    goal=(0.90, 0.10),
                ),
                Row(
                    "2018",
                    "mnist-scales",
                    "MIST, arXiv 2018",
                    Experiment("mist-classify-scales-2018", "mist-classify-scales-2018"),
                ),
            ),
            errors=("median_size_error",),
        ),
        Table(
            "mist-raccoon",
            "MIST on photos of raccoons, which the paper has not: found from their number in each",
            {"f1": "F1 by centre", "precision": "Precision", "recall": "Recall"},
            (
                Row("pretrained", "40 held-out photos", "MIST, pretrained SqueezeNet", RACCOON),
                Row("random", "40 held-out photos", "MIST, random SqueezeNet", RANDOM_RACCOON),
                Row("guess", "40 held-out photos", "one in the middle of each", RACCOON, without_learning="guess_"),
            ),
        ),
        Table(
            "mcmil-mnist",
            "MCMIL, sections 5.1 and 5.2: plain MNIST images read, learned from which digits are in an image",
            {"image_error": "images read wrong"},
            (
                Row("extended", "two digits, not apart", "MCMIL", _reading("mcmil-mnist"), (0.0037,), (0.0030,)),
                Row("extended-1", "the same, seed 1", "MCMIL", _reading("mcmil-mnist", 1), (0.0037,), (0.0030,)),
                Row("extended-2", "the same, seed 2", "MCMIL", _reading("mcmil-mnist", 2), (0.0037,), (0.0030,)),
                Row("single", "single digits", "MCMIL", _reading("mcmil-mnist-single"), (0.0048,), (0.0040,)),
                Row(
                    "cross-entropy",
                    "single digits",
                    "cross-entropy",
                    _reading("mcmil-mnist-cross-entropy"),
                    (0.0054,),
                ),
                Row("maxima", "two digits, not apart", "traditional MIL", _reading("mcmil-mnist-maxima"), (0.054,)),
            ),
            errors=("image_error",),
        ),
        Table(
            "mcmil-cifar10",
            "MCMIL, section 5.1: CIFAR-10's test images named, learned from all of its others",
            {"image_error": "images named wrong"},
            (
                Row("likelihood", "CIFAR-10", "MCMIL", CIFAR, (0.087,)),
                Row("cross-entropy", "CIFAR-10", "cross-entropy", CIFAR_CROSS_ENTROPY, (0.084,)),
            ),
            errors=("image_error",),
        ),
        Table(
            "mcmil-scenes",
            "MCMIL beyond the paper: the network of extended MNIST, which learned from two digits an image, on more",
            DETECTION | {"exact_sets": "digit sets right"},
            (
                Row("scattered", "2 to 9 digits on 96 to 160 pixels", "MCMIL", _scattered("mnist-scattered")),
                Row("mnist-3", "3 digits on 80 pixels", "MCMIL", _scattered("mnist-3")),
                Row("mnist-hard", "9 digits on 80 pixels", "MCMIL", _scattered("mnist-hard")),
            ),
        ),
        Table(
            "mcmil-svhn",
            "MCMIL, section 5.3: 256 real house numbers of SVHN's test set read, learned from which digits are there",
            {
                "sequence_error": "sequences read wrong",
                "column_sequence_error": "by the paper's rule of columns",
                "exact_sets": "digit sets right",
            },
            (
                Row("composed", "composed of real digits", "MCMIL", _house_numbers("mcmil-svhn"), PAPERS_NUMBERS),
                Row("real", "the same and 205 real ones", "MCMIL", _house_numbers("mcmil-svhn-real"), PAPERS_NUMBERS),
            ),
            errors=("sequence_error", "column_sequence_error"),
        ),
        Table(
            "tusk-table1",
            "TUSK, table 1: digits found and told apart, learned from images alone",
            {"localization": "Localization", "classification": "Classification", "both": "Both"},
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
            {"localization": "Localization", "classification": "Classification", "both": "Both"},
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
}

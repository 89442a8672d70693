"""MIST's tables."""

from boxless.engine.experiments import Experiment, Row, Table
from boxless.engine.tables.measures import DETECTION


def _rebuilding(layout: str) -> Experiment:
    name = f"mist-reconstruct-{layout}"
    return Experiment(name, "mist-reconstruct-mnist" if layout == "mnist-hard" else name)


def _one_grey(key: str, data: str, layout: str) -> Row:
    return Row(f"{key}-grey", data, "each image's mean grey", _rebuilding(layout), without_learning="grey_")


HARD = Experiment("mist-classify-mnist", "mist-classify-mnist")
RACCOON = Experiment("mist-backbone-raccoon", "mist-backbone-raccoon", photos="raccoon_among_photos")
RANDOM_RACCOON = Experiment(
    "mist-backbone-raccoon-random", "mist-backbone-raccoon-random", photos="raccoon_among_photos"
)
REBUILT = (
    ("mnist-easy", "mnist-easy", "mnist-easy"),
    ("mnist-hard", "mnist-hard", "mnist-hard"),
    ("gabor-16", "Gabor noise, K = 16", "gabor16"),
    ("gabor-36", "Gabor noise, K = 36", "gabor36"),
)

TABLES = (
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
            Row(
                "mnist-hard-supervised",
                "mnist-hard",
                "with boxes",
                Experiment("supervised-mnist", "supervised-mnist"),
                (0.996, 0.987, 0.986),
            ),
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
)

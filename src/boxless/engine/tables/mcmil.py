"""MCMIL's tables."""

from boxless.engine.experiments import Experiment, Row, Table
from boxless.engine.tables.measures import DETECTION


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

TABLES = (
    Table(
        "mcmil-mnist",
        "MCMIL, sections 5.1 and 5.2: plain MNIST images read, learned from which digits are in an image",
        {"image_error": "images read wrong"},
        (
            Row(
                "extended",
                "two digits, not apart, warped a little",
                "MCMIL",
                _reading("mcmil-mnist"),
                (0.0037,),
                (0.0030,),
            ),
            Row("extended-1", "the same, seed 1", "MCMIL", _reading("mcmil-mnist", 1), (0.0037,), (0.0030,)),
            Row("extended-2", "the same, seed 2", "MCMIL", _reading("mcmil-mnist", 2), (0.0037,), (0.0030,)),
            Row(
                "single",
                "single digits, warped a little",
                "MCMIL",
                _reading("mcmil-mnist-single"),
                (0.0048,),
                (0.0040,),
            ),
            Row(
                "cross-entropy",
                "single digits, warped a little",
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
)

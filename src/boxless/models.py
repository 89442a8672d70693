"""Load a model: from a run, from a model directory, or one that ships with the package."""

from os import PathLike
from pathlib import Path

from boxless.engine.recipe import RECIPE_FILE
from boxless.errors import BoxlessError
from boxless.methods.detector import CONFIG_FILE, Detector, read_description
from boxless.methods.registry import UnknownMethod, model_type

SHIPPED = Path(__file__).parent / "shipped"


def shipped_models() -> list[str]:
    """The names of the models in the package."""
    return sorted(path.parent.name for path in SHIPPED.glob(f"*/{CONFIG_FILE}"))


def load(model: str | Path) -> Detector:
    """A trained detector, on the CPU and in eval mode.

    Args:
        model: a run directory, a directory that ``save`` wrote, or the name of a shipped model.

    Raises:
        BoxlessError: there is none, or its files are broken.
    """
    if not isinstance(model, str | PathLike):
        raise BoxlessError(f"model is a directory, or the name of a shipped model, not {model!r}.")
    directory = Path(model)
    if directory.is_file():
        raise BoxlessError(f"{model} is a file; give the folder that it lies in, which is the run or the model.")
    if not directory.is_dir():
        if str(model) not in shipped_models():
            names = ", ".join(shipped_models()) or "none"
            raise BoxlessError(f"There is no folder {model}, and no shipped model of that name (there are: {names}).")
        directory = SHIPPED / str(model)
    elif (directory / RECIPE_FILE).is_file() and not (directory / CONFIG_FILE).is_file():
        raise BoxlessError(
            f"{model} is a run that was broken off before it had a model; go on with boxless train --resume --out "
            f"{model}."
        )
    try:
        kind = model_type(read_description(directory)["method"])
    except UnknownMethod as error:
        raise BoxlessError(f"{directory / CONFIG_FILE}: {error}") from error
    return kind.load(directory)

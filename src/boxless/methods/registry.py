"""The fixed list of methods, by name. Nothing outside of it can be loaded."""

from importlib import import_module
from typing import Any

from boxless.errors import BoxlessError
from boxless.methods.detector import Detector

MODELS = {"mist-classify": ("boxless.methods.mist.model", "MistClassifier")}
TRAININGS = {"mist-classify": ("boxless.methods.mist.training", "MistClassifierTraining")}


def model_type(method: str) -> type[Detector]:
    """The model class of a method; imports no Lightning.

    Raises:
        BoxlessError: there is no such method.
    """
    found: type[Detector] = _lookup(MODELS, method)
    return found


def training_type(method: str) -> Any:
    """The LightningModule class of a method.

    Raises:
        BoxlessError: there is no such method.
    """
    return _lookup(TRAININGS, method)


def _lookup(table: dict[str, tuple[str, str]], method: str) -> Any:
    if method not in table:
        raise BoxlessError(f"There is no method {method!r}; there are {', '.join(table)}.")
    module, name = table[method]
    return getattr(import_module(module), name)

"""The fixed list of methods, by name. Nothing outside of it can be loaded. Importing it imports no torch."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from boxless.errors import BoxlessError

if TYPE_CHECKING:
    from boxless.methods.detector import Detector

_MIST, _MCMIL, _TUSK = "boxless.methods.mist", "boxless.methods.mcmil", "boxless.methods.tusk"

MODELS = {
    "mist-classify": (f"{_MIST}.classification.model", "MistClassifier"),
    "mist-reconstruct": (f"{_MIST}.reconstruction.model", "MistReconstructor"),
    "mist-backbone": (f"{_MIST}.backbone.model", "MistBackbone"),
    "supervised": (f"{_MIST}.supervised.model", "Supervised"),
    "mcmil": (f"{_MCMIL}.model", "McmilDetector"),
    "tusk": (f"{_TUSK}.model", "Tusk"),
}
TRAININGS = {
    "mist-classify": (f"{_MIST}.classification.training", "MistClassifierTraining"),
    "mist-reconstruct": (f"{_MIST}.reconstruction.training", "MistReconstructorTraining"),
    "mist-backbone": (f"{_MIST}.backbone.training", "MistBackboneTraining"),
    "supervised": (f"{_MIST}.supervised.training", "SupervisedTraining"),
    "mcmil": (f"{_MCMIL}.training", "McmilTraining"),
    "tusk": (f"{_TUSK}.training", "TuskTraining"),
}
MODEL_SETTINGS = {
    "mist-classify": (f"{_MIST}.config", "MistClassifierConfig"),
    "mist-reconstruct": (f"{_MIST}.config", "MistReconstructorConfig"),
    "mist-backbone": (f"{_MIST}.backbone.config", "MistBackboneConfig"),
    "supervised": (f"{_MIST}.config", "MistClassifierConfig"),
    "mcmil": (f"{_MCMIL}.config", "McmilConfig"),
    "tusk": (f"{_TUSK}.config", "TuskConfig"),
}
TRAINING_SETTINGS = {
    "mist-classify": (f"{_MIST}.config", "MistClassifierTrainingConfig"),
    "mist-reconstruct": (f"{_MIST}.config", "MistReconstructorTrainingConfig"),
    "mist-backbone": (f"{_MIST}.backbone.config", "MistBackboneTrainingConfig"),
    "supervised": (f"{_MIST}.config", "HeatmapTrainingConfig"),
    "mcmil": (f"{_MCMIL}.config", "McmilTrainingConfig"),
    "tusk": (f"{_TUSK}.config", "TuskTrainingConfig"),
}


class UnknownMethod(BoxlessError):
    """A name that is not in the list."""


def model_type(method: str) -> type[Detector]:
    """The model class of a method; imports no Lightning.

    Raises:
        UnknownMethod: there is no such method.
    """
    found: type[Detector] = _lookup(MODELS, method)
    return found


def training_type(method: str) -> Any:
    """The LightningModule class of a method.

    Raises:
        UnknownMethod: there is no such method.
    """
    return _lookup(TRAININGS, method)


def settings_types(method: str) -> tuple[type[Any], type[Any]]:
    """The dataclasses of the settings of a method's model and of its training; imports no torch.

    Raises:
        UnknownMethod: there is no such method.
    """
    return _lookup(MODEL_SETTINGS, method), _lookup(TRAINING_SETTINGS, method)


def _lookup(table: dict[str, tuple[str, str]], method: str) -> Any:
    if method not in table:
        raise UnknownMethod(f"There is no method {method!r}; there are {', '.join(table)}.")
    module, name = table[method]
    return getattr(import_module(module), name)

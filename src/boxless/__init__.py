"""boxless finds, counts and classifies every object in an image, learning without a single box.

Importing it imports neither torch nor Lightning; each name loads what it needs when it is first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from boxless.engine.evaluation import evaluate
    from boxless.engine.export import export
    from boxless.engine.recipe import DataConfig, Recipe, RunConfig
    from boxless.engine.run import train
    from boxless.errors import BoxlessError
    from boxless.instances import Instances
    from boxless.models import load

__version__ = "0.1.0"
__all__ = ["BoxlessError", "DataConfig", "Instances", "Recipe", "RunConfig", "evaluate", "export", "load", "train"]

_HOMES = {
    "BoxlessError": "boxless.errors",
    "DataConfig": "boxless.engine.recipe",
    "Instances": "boxless.instances",
    "Recipe": "boxless.engine.recipe",
    "RunConfig": "boxless.engine.recipe",
    "evaluate": "boxless.engine.evaluation",
    "export": "boxless.engine.export",
    "load": "boxless.models",
    "train": "boxless.engine.run",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'boxless' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])

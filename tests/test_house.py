"""Who may import whom: DESIGN.md, section 3, over the whole package."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import boxless

ROOT = Path(boxless.__file__).parent
METHODS = [path.name for path in (ROOT / "methods").iterdir() if (path / "__init__.py").is_file()]
SHARED = {"errors", "instances", "exits", "run_lengths", "image_progress", "hardware", "plain", "models"}
ALLOWED = {
    "ops": set[str](),
    "nets": {"ops"},
    "metrics": set[str](),
    "data": {"ops"},
    "methods": {"nets", "ops", "metrics", "data", "engine"},  # engine: its training alone, see below
    "engine": {"methods", "metrics", "data"},
    "report": {"engine", "methods", "metrics", "data"},
    "cli": {"report", "engine", "methods", "data"},
}
"""Folder to the folders that it may import; beside them all may import the modules beside the folders."""


def modules(folder: str) -> list[Path]:
    return sorted((ROOT / folder).rglob("*.py"))


def imported(path: Path) -> Iterator[str]:
    """The modules that a file imports, wherever it does."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports relatively"
            yield f"{node.module}"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def folders_of(path: Path) -> set[str]:
    """The parts of boxless that a file imports, but for its own and the modules beside the folders."""
    parts = {name.split(".")[1] for name in imported(path) if name.startswith("boxless.")}
    own = path.relative_to(ROOT).parts[0]
    return {part for part in parts - {own} - SHARED if (ROOT / part).is_dir()}


@pytest.mark.parametrize("folder", ALLOWED)
def test_imports_go_downwards_only(folder: str) -> None:
    assert modules(folder)
    upwards = {str(path): wrong for path in modules(folder) if (wrong := folders_of(path) - ALLOWED[folder])}
    assert not upwards


def test_ops_need_torch_alone() -> None:
    others = {name.split(".")[0] for path in modules("ops") for name in imported(path)}
    assert others - set(sys.stdlib_module_names) == {"torch", "boxless"}


@pytest.mark.parametrize("method", METHODS)
def test_a_method_imports_no_other(method: str) -> None:
    wanted = {f"boxless.methods.{other}" for other in METHODS if other != method}
    for path in modules(f"methods/{method}"):
        assert not any(name.startswith(tuple(wanted)) for name in imported(path)), path


def test_what_a_model_is_made_of_knows_neither_lightning_nor_how_it_is_trained() -> None:
    """Followed through all that it imports within the package."""
    models = [path for path in modules("methods") if path.name == "model.py"]
    assert len(models) >= 5
    seen: set[Path] = set()
    queue = list(models)
    while queue:
        path = queue.pop()
        if path in seen:
            continue
        seen.add(path)
        for name in imported(path):
            assert name.split(".")[0] not in ("lightning", "torchmetrics"), path
            assert not name.startswith(("boxless.engine", "boxless.report", "boxless.cli")), path
            parts = name.split(".")[1:]
            if name.startswith("boxless.") and (file := ROOT.joinpath(*parts).with_suffix(".py")).is_file():
                queue.append(file)

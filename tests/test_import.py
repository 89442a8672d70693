"""What importing costs, and what it must not need. Each test has an interpreter of its own."""

import subprocess
import sys

HEAVY = ("torch", "lightning", "torchvision", "torchmetrics", "numpy", "scipy", "sklearn", "matplotlib", "PIL")


def run(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_importing_boxless_is_quick_and_imports_nothing_heavy() -> None:
    code = f"""
import sys, time
began = time.perf_counter()
import boxless
print(time.perf_counter() - began)
print([name for name in {HEAVY!r} if name in sys.modules])
"""
    seconds, loaded = zip(*(run(code).split("\n", 1) for _ in range(3)), strict=True)
    assert min(map(float, seconds)) < 0.6  # 0.3 on a machine that does nothing else
    assert [text.strip() for text in loaded] == ["[]"] * 3


def test_the_settings_of_a_method_and_the_recipes_need_no_torch() -> None:
    """The command line makes its options of them."""
    code = """
import sys
from boxless.methods.registry import settings_types
from boxless.engine.recipe import read_recipe, recipe_names
settings_types("mist-classify")
settings_types("tusk")
[read_recipe(name) for name in recipe_names()]
print("torch" in sys.modules, "lightning" in sys.modules)
"""
    assert run(code).split() == ["False", "False"]


def test_detection_needs_no_lightning() -> None:
    code = """
import sys
from boxless import load
try:
    load("no such model")
except ValueError:
    pass
import boxless.methods.mist.model
import boxless.methods.tusk.model
print([name for name in ("lightning", "torchmetrics", "matplotlib", "sklearn") if name in sys.modules])
"""
    assert run(code).strip() == "[]"


def test_every_module_and_public_name_imports_without_torchvision() -> None:
    code = """
import sys
sys.modules["torchvision"] = None
import pkgutil, importlib, boxless
names = [module.name for module in pkgutil.walk_packages(boxless.__path__, "boxless.")]
for name in names:
    importlib.import_module(name)
print(len(names))
print([name for name in boxless.__all__ if name not in dir(boxless) or not hasattr(boxless, name)])
print(hasattr(boxless, "pickle"))
"""
    number, missing, others = run(code).splitlines()
    assert int(number) > 60
    assert (missing, others) == ("[]", "False")

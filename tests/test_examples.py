"""The examples run, with fewer steps; what they reach is printed by the whole of them."""

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

EXAMPLES = Path(__file__).parents[1] / "examples"


def example(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_events_in_time(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    module = example("events_in_time")
    monkeypatch.setattr(module, "STEPS", 100)
    monkeypatch.setattr(module, "BATCH", 2)
    module.main()
    told = capsys.readouterr().out
    assert "step 100 of 100" in told
    assert "events found and named" in told


def test_runs_of_a_kind_are_events_at_their_middle() -> None:
    module = example("events_in_time")
    kinds = [4, 4, 1, 1, 1, 4, 0, 0, 2]
    log_probs = module.torch.full((5, 9), -9.0)
    log_probs[kinds, range(9)] = 0.0
    assert module.found_in(log_probs) == [(1, 12), (0, 26), (2, 32)]

from contextlib import nullcontext

import pytest


@pytest.fixture
def exact(monkeypatch: pytest.MonkeyPatch) -> None:
    """Detection in float32 on every machine, for comparisons up to rounding."""
    monkeypatch.setattr("boxless.methods.detector.autocast", lambda device: nullcontext())

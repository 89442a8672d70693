"""That nothing is left on the CPU where a model lies on a GPU, seen on machines without one."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from boxless import hardware
from boxless.hardware import fastest_device
from boxless.methods.registry import MODELS
from boxless.models import shipped_models

pytest.importorskip("torch.utils.backend_registration")


def test_every_model_finds_and_learns_on_a_gpu_what_it_does_on_the_cpu() -> None:
    names = [*MODELS, *shipped_models()]
    done = subprocess.run(
        [sys.executable, "-m", "tests.on_a_gpu", *names],
        capture_output=True,
        text=True,
        timeout=300,
        cwd=Path(__file__).parent.parent,
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    assert list(told["found"]) == names
    for name, (here, there) in (told["found"] | told["learned"]).items():
        assert there == pytest.approx(here, rel=1e-3, abs=1e-3, nan_ok=True), name
        assert len(here) > 0


@pytest.mark.parametrize(("has_gpu", "device"), [(True, "cuda"), (False, "cpu")])
def test_the_fastest_device_is_a_gpu_where_there_is_one(
    has_gpu: bool, device: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hardware.torch.cuda, "is_available", lambda: has_gpu)
    assert fastest_device() == device

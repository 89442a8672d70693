import shutil
import sysconfig
from pathlib import Path

import pytest
import torch

from boxless import hardware
from boxless.hardware import autocast, can_compile, has_bf16, machine


def product_type(device: str = "cpu", enabled: bool = True) -> torch.dtype:
    a = torch.ones(2, 2)
    with autocast(device, enabled):
        return (a @ a).dtype


@pytest.mark.parametrize("units", [True, False])
def test_products_are_in_bf16_where_the_machine_has_the_units(units: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hardware, "has_bf16", lambda device: units)
    assert product_type() == (torch.bfloat16 if units else torch.float32)
    assert product_type(enabled=False) == torch.float32


def test_either_unit_of_the_processor_will_do(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = has_bf16.__wrapped__
    for amx, avx in ((True, True), (True, False), (False, True), (False, False)):
        monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda amx=amx: amx, raising=False)
        monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda avx=avx: avx, raising=False)
        assert asked("cpu") is (amx or avx)


def test_a_torch_that_cannot_tell_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(torch.cpu, "_is_amx_tile_supported", raising=False)
    monkeypatch.delattr(torch.cpu, "_is_avx512_bf16_supported", raising=False)
    assert has_bf16.__wrapped__("cpu") is False


@pytest.mark.skipif(torch.cuda.is_available(), reason="is about machines without a GPU")
def test_without_a_gpu_it_can_nothing() -> None:
    assert has_bf16("cuda") is False
    assert can_compile("mps") is False
    assert has_bf16("mps") is False


def test_to_compile_python_has_headers(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """They are a package of their own on Debian and Ubuntu, where a compiler may well be without them."""
    monkeypatch.setattr(shutil, "which", lambda name: f"/a/{name}")
    monkeypatch.setattr(sysconfig, "get_path", lambda name: str(tmp_path))
    assert not can_compile("cpu")
    (tmp_path / "Python.h").touch()
    assert can_compile("cpu")


def test_a_processor_needs_a_compiler_to_compile(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "Python.h").touch()
    monkeypatch.setattr(sysconfig, "get_path", lambda name: str(tmp_path))
    monkeypatch.setattr(shutil, "which", lambda name: None)
    assert not can_compile("cpu")
    monkeypatch.setattr(shutil, "which", lambda name: "/a/clang++" if name == "clang++" else None)
    assert can_compile("cpu")


def test_the_machine_is_one_line_with_what_a_time_depends_on() -> None:
    line = machine()
    assert "\n" not in line
    assert f"{torch.get_num_threads()} threads, torch {torch.__version__}" in line
    assert ("bf16 units" in line) == has_bf16()
    assert not line.startswith(",")

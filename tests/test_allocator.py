"""Memory that the command line keeps."""

import os
import platform
import subprocess
import sys

import pytest

TAKE_AND_GIVE_BACK = """
import resource
from boxless.allocator import keep_freed_memory
print(keep_freed_memory())
import torch
def faults():
    torch.ones(2**23).sum()  # 32 MB, taken, filled and given back
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(20):
        torch.ones(2**23).sum()
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
print(faults())
"""


def kept_and_faults(**environment: str) -> tuple[str, int]:
    """What it says, and how many pages the system had to give for twenty times 32 MB."""
    own = {name: value for name, value in os.environ.items() if not name.startswith(("MALLOC_", "THP_"))}
    command = [sys.executable, "-c", TAKE_AND_GIVE_BACK]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=own | environment)
    kept, faults = done.stdout.split()
    return kept, int(faults)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="of glibc")
def test_what_is_freed_is_kept_unless_the_environment_says_how() -> None:
    kept, few = kept_and_faults()
    assert kept == "True"
    left_alone, many = kept_and_faults(MALLOC_MMAP_THRESHOLD_="1000000")
    assert left_alone == "False"
    if many == 0:
        pytest.skip("this system counts no page faults")
    assert many > 4 * few  # where the kernel gives huge pages by itself there are not many either


def test_elsewhere_nothing_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    from boxless import allocator

    monkeypatch.setattr(allocator.platform, "libc_ver", lambda: ("", ""))
    monkeypatch.delenv(allocator.HUGE_PAGES, raising=False)
    assert not allocator.keep_freed_memory()
    assert allocator.HUGE_PAGES not in os.environ

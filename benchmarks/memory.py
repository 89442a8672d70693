"""The memory that a case of a benchmark takes, measured in a process of its own."""

import os
import resource
import subprocess
import sys
from pathlib import Path


def peak_memory() -> int:
    """MiB of this process alone: getrusage counts also the process that started it, until the new program began."""
    status = Path("/proc/self/status")
    if not status.exists():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    line = next(line for line in status.read_text(encoding="utf-8").splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) // 1024


def memory_of(benchmark: str, case: str, whose: str, *options: str, exact: bool = False) -> int:
    """MiB that a script prints for one of its cases, called with ``--memory-of`` and the options.

    Args:
        benchmark: the script.
        case, whose: of what.
        options: that go before.
        exact: glibc keeps nothing back that is freed, which is slower: the peak is then what is in use at once.
    """
    command = [sys.executable, benchmark, *options, "--memory-of", case, whose]
    environment = os.environ | ({"MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_TRIM_THRESHOLD_": "0"} if exact else {})
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
    return int(done.stdout.split()[-1])

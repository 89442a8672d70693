"""The memory that a case of a benchmark takes, measured in a process of its own."""

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


def memory_of(benchmark: str, case: str, whose: str, *options: str) -> int:
    """MiB that a script prints for one of its cases, called with ``--memory-of`` and the options."""
    command = [sys.executable, benchmark, *options, "--memory-of", case, whose]
    return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()[-1])

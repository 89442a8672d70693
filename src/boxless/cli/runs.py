"""Where runs lie: runs/NAME-1, runs/NAME-2 and so on, under the directory one is in."""

import re
from pathlib import Path

RUNS = Path("runs")


def next_run(name: str, first: int = 1) -> Path:
    """The directory with the next number, which is not there yet."""
    return RUNS / f"{name}-{max(_numbers(name), default=first - 1) + 1}"


def newest_run(name: str) -> Path | None:
    """The directory with the highest number."""
    numbers = _numbers(name)
    return RUNS / f"{name}-{max(numbers)}" if numbers else None


def _numbers(name: str) -> list[int]:
    pattern = re.compile(re.escape(name) + "-([1-9][0-9]*)")
    names = [path.name for path in RUNS.iterdir()] if RUNS.is_dir() else []
    return [int(match[1]) for match in map(pattern.fullmatch, names) if match]

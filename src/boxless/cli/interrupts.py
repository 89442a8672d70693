"""What Ctrl-C says: how to go on."""

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def interruptible(sentence: str) -> Iterator[None]:
    """An interrupt in here ends with this sentence; Lightning's, which comes as an exit, too."""
    try:
        yield
    except (KeyboardInterrupt, SystemExit) as stop:
        raise KeyboardInterrupt(sentence) from stop

"""What Ctrl-C says: how to go on."""

import sys
from _thread import interrupt_main
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Timer
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sys import UnraisableHookArgs

AGAIN_AFTER = 0.05  # seconds, by when a destructor has ended


@contextmanager
def interruptible(sentence: str) -> Iterator[None]:
    """An interrupt in here ends with this sentence; Lightning's, which comes as an exit, too.

    What is raised in a destructor Python drops. An interrupt that fell there is raised anew.
    """
    told = sys.unraisablehook

    def tell(dropped: "UnraisableHookArgs") -> None:
        if issubclass(dropped.exc_type, KeyboardInterrupt):
            again = Timer(AGAIN_AFTER, interrupt_main)
            again.daemon = True
            again.start()
        else:
            told(dropped)

    sys.unraisablehook = tell
    try:
        yield
    except (KeyboardInterrupt, SystemExit) as stop:
        raise KeyboardInterrupt(sentence) from stop
    finally:
        sys.unraisablehook = told

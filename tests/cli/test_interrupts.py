"""Ctrl-C is heard wherever it falls."""

import signal
import sys
import time

import pytest

from boxless.cli.interrupts import interruptible


class Dying:
    """Its destructor is where the interrupt falls, and Python drops what a destructor raises."""

    def __del__(self) -> None:
        signal.raise_signal(signal.SIGINT)


def kill_and_wait(seconds: float) -> None:
    del [Dying()][0]
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        time.sleep(0.01)


def test_an_interrupt_that_falls_into_a_destructor_is_heard() -> None:
    before = sys.unraisablehook
    with pytest.raises(KeyboardInterrupt, match=r"^go on$"), interruptible("go on"):
        kill_and_wait(20.0)
    assert sys.unraisablehook is before


def test_other_errors_of_destructors_are_told_as_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    told = []
    monkeypatch.setattr(sys, "unraisablehook", lambda dropped: told.append(dropped.exc_type))

    class Broken:
        def __del__(self) -> None:
            raise ValueError

    with interruptible("go on"):
        del [Broken()][0]
    assert told == [ValueError]


@pytest.mark.parametrize("stop", [KeyboardInterrupt, SystemExit(1)])
def test_an_interrupt_ends_with_the_sentence(stop: BaseException) -> None:
    with pytest.raises(KeyboardInterrupt, match=r"^go on$"), interruptible("go on"):
        raise stop

"""The clock is the test's."""

from typing import Any, cast

import lightning as L
import pytest

from boxless.engine import stopping
from boxless.engine.stopping import StopInTime


class Trainer:
    """What of Lightning's the callback asks for; of several processes one may be late alone."""

    should_stop = False

    def __init__(self, another_is_late: bool = False) -> None:
        self.another_is_late = another_is_late

    @property
    def strategy(self) -> "Trainer":
        return self

    def reduce_boolean_decision(self, decision: bool, all: bool) -> bool:
        return decision and self.another_is_late if all else decision or self.another_is_late


def stopped(trainer: Trainer, monkeypatch: pytest.MonkeyPatch, times: list[float]) -> list[bool]:
    """Whether the run is to stop after the steps that end at these times, of ten seconds."""
    now = [100.0]
    monkeypatch.setattr(stopping.time, "monotonic", lambda: now[0])
    callback, found = StopInTime(10.0), []
    for time in times:
        now[0] = 100.0 + time
        callback.on_train_batch_end(cast(Any, trainer), cast(L.LightningModule, None), None, None, 0)
        found.append(trainer.should_stop)
    return found


def test_it_ends_after_the_step_in_which_its_time_is_up(monkeypatch: pytest.MonkeyPatch) -> None:
    assert stopped(Trainer(), monkeypatch, [4.0, 9.9, 10.1, 12.0]) == [False, False, True, True]


def test_all_processes_stop_with_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    assert stopped(Trainer(another_is_late=True), monkeypatch, [4.0]) == [True]

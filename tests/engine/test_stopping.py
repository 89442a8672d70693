"""The clock is the test's: a step takes as long as it says."""

import logging
from typing import Any, cast

import lightning as L
import pytest

from boxless.engine import stopping
from boxless.engine.stopping import LOOKED_AT, StopInTime


class Trainer:
    """What of Lightning's the callback asks for."""

    is_global_zero = True
    should_stop = False
    num_training_batches = 40

    @property
    def strategy(self) -> "Trainer":
        return self

    def reduce_boolean_decision(self, decision: bool, all: bool) -> bool:
        return decision


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [0.0]
    monkeypatch.setattr(stopping.time, "monotonic", lambda: now[0])
    return now


def run_epochs(clock: list[float], seconds: float, epochs: int, first: float = 1.0) -> int:
    """How many epochs of 40 steps of one second are begun; ``first`` is what the very first step takes."""
    trainer = Trainer()
    callback, module, lightning = StopInTime(seconds), cast(L.LightningModule, None), cast(Any, trainer)
    for epoch in range(epochs):
        callback.on_train_epoch_start(lightning, module)
        for step in range(trainer.num_training_batches):
            clock[0] += first if epoch == step == 0 else 1.0
            callback.on_train_batch_end(lightning, module, None, None, step)
        callback.on_train_epoch_end(lightning, module)
        if trainer.should_stop:
            return epoch + 1
    return epochs


@pytest.mark.parametrize(("seconds", "epochs"), [(1.0, 1), (79.0, 1), (81.0, 2), (119.0, 2), (1000.0, 5)])
def test_it_ends_before_an_epoch_that_would_not_end_in_time(clock: list[float], seconds: float, epochs: int) -> None:
    assert run_epochs(clock, seconds, 5) == epochs


@pytest.mark.parametrize(
    ("seconds", "told"), [(41.0, None), (49.0, None), (28.0, "0.4 min late: after 40 steps"), (16.0, "0.6 min late")]
)
def test_a_first_epoch_that_will_be_late_is_told_once_and_early(
    clock: list[float], caplog: pytest.LogCaptureFixture, seconds: float, told: str | None
) -> None:
    """The first step, which compiles, takes 13 s of the 52."""
    with caplog.at_level(logging.WARNING, "boxless"):
        run_epochs(clock, seconds + (11 if told is None else 0), 2, first=13.0)
    messages = [record.getMessage() for record in caplog.records]
    assert len(messages) == (told is not None)
    assert told is None or told in messages[0]
    assert LOOKED_AT < 20

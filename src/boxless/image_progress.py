"""Progress over many images: a bar with rate and time left on a terminal, a line now and then elsewhere."""

import time
from collections.abc import Iterable, Iterator
from typing import Self, TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

T = TypeVar("T")

LINE_EVERY = 30.0  # seconds, where there is no terminal


class ImageProgress:
    """Used as a context; shows nothing where ``shown`` is false.

    Args:
        work: what is done, in a word.
        total: images; None where that is not known.
        shown: at all.
    """

    def __init__(self, work: str, total: int | None, shown: bool = True) -> None:
        self.work, self.total, self.shown, self.done = work, total, shown, 0
        self.console = Console(stderr=True, highlight=False, markup=False, emoji=False)
        self._bar: Progress | None = None
        self._began = self._told = time.monotonic()

    def __enter__(self) -> Self:
        self._began = self._told = time.monotonic()
        if self.shown and self.console.is_terminal:
            columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
            rate = TextColumn("{task.fields[rate]} left")
            self._bar = Progress(*columns, rate, TimeRemainingColumn(), console=self.console, transient=True)
            self._bar.start()
            self._task = self._bar.add_task(self.work, total=self.total, rate="")
        return self

    def __exit__(self, *details: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    def advance(self, images: int) -> None:
        """So many images more are done."""
        self.done += images
        now = time.monotonic()
        rate = f"{self.done / max(now - self._began, 1e-9):,.0f} images/s"
        if self._bar is not None:
            self._bar.update(self._task, completed=self.done, rate=rate)
        elif self.shown and now - self._told > LINE_EVERY:
            self._told = now
            total = "" if self.total is None else f" of {self.total:,}"
            self.say(f"{self.work}: {self.done:,}{total} images, {rate}")

    def over(self, items: Iterable[T]) -> Iterator[T]:
        """The items, each of which is an image that is done when the next is asked for."""
        for item in items:
            yield item
            self.advance(1)

    def say(self, sentence: str) -> None:
        """A line of its own, above the bar."""
        self.console.print(sentence, soft_wrap=True)

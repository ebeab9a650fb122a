"""How far a run is: a bar for each platform on a terminal, now and then a line elsewhere."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, Protocol

import click
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from ._console import console, plain

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from rich.progress import TaskID

    from .._clock import Clock
    from ..scrapers.values import Outcome

__all__ = ["Expecting", "shown_progress"]

_LINE_EVERY: Final = 10.0


class Expecting(Protocol):
    """A run, as far as its progress goes."""

    @property
    def expected(self) -> Mapping[str, int]:
        """How many accounts are asked for, by platform; empty before the first outcome."""
        ...


@contextmanager
def shown_progress(
    run: Expecting, titles: Mapping[str, str], clock: Clock
) -> Iterator[Callable[[Outcome], None]]:
    """Show on stderr how far `run` is; hand each of its outcomes to what is given."""
    screen = console(sys.stderr)
    if not screen.is_terminal:
        yield _Lines(run, titles, clock).took
        return
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[without]}", style="red"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=screen, transient=True) as bar:
        yield _Bars(run, titles, bar).took


class _Bars:
    def __init__(self, run: Expecting, titles: Mapping[str, str], bar: Progress) -> None:
        self._run = run
        self._titles = titles
        self._bar = bar
        self._without: dict[str, int] = {}
        self._tasks: dict[str, TaskID] = {}

    def took(self, outcome: Outcome) -> None:
        """Move the bar of the outcome's platform."""
        platform = outcome.platform
        if platform is None or not _was_asked_for(outcome):
            return
        if not self._tasks:
            for name, total in sorted(self._run.expected.items()):
                title = plain(self._titles.get(name, name))
                self._tasks[name] = self._bar.add_task(title, total=total, without="")
        task = self._tasks[platform]
        if outcome.status != "success":
            self._without[platform] = self._without.get(platform, 0) + 1
            self._bar.update(task, without=f"{self._without[platform]:,} without")
        self._bar.advance(task)


class _Lines:
    def __init__(self, run: Expecting, titles: Mapping[str, str], clock: Clock) -> None:
        self._run = run
        self._titles = titles
        self._clock = clock
        self._done: dict[str, int] = {}
        self._without: dict[str, int] = {}
        self._next = clock.monotonic() + _LINE_EVERY

    def took(self, outcome: Outcome) -> None:
        """Count the outcome; write a line when its platform is done, or none came for long."""
        platform = outcome.platform
        if platform is None or not _was_asked_for(outcome):
            return
        done = self._done[platform] = self._done.get(platform, 0) + 1
        without = self._without.get(platform, 0) + (outcome.status != "success")
        self._without[platform] = without
        expected = self._run.expected
        if done == expected[platform]:
            title = plain(self._titles.get(platform, platform))
            told = f", {without:,} without a snapshot" if without else ""
            click.echo(f"{title}: done{told}", err=True)
        elif self._clock.monotonic() >= self._next:
            whole = sum(expected.values())
            click.echo(f"{sum(self._done.values()):,} of {whole:,} accounts", err=True)
        else:
            return
        self._next = self._clock.monotonic() + _LINE_EVERY


def _was_asked_for(outcome: Outcome) -> bool:
    """Tell whether the run counts the account among those expected."""
    return outcome.skipped in (None, "budget")

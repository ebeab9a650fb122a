"""What the costs of watching queries are measured with, on SQLite and on a server."""

from __future__ import annotations

import time
from contextlib import closing
from typing import TYPE_CHECKING, Final

from benchmarks._database import IN_MEMORY, QUERIES, Turns, Work, make_engine, monitor

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import ExitStack

    from benchmarks._database_peers import PeerProcess
    from hhs_perf import Monitor

PAIR: Final = "an empty pair of listeners"
JUDGED: Final = ("core", "connect")
WORDS: Final[dict[Work, str]] = {
    "core": "a select on a connection",
    "connect": "a connection and a select on it",
    "orm": "a select of an instance",
    "lazy": "a lazy load, one of 50 in a request",
}


class Clock:
    """The CPU time of this process and of the turns of the peers' processes."""

    def __init__(self) -> None:
        self.elsewhere = 0.0

    def __call__(self) -> float:
        """Return the seconds so far."""
        return time.process_time() + self.elsewhere

    def turn_of(self, process: PeerProcess, work: Work) -> Callable[[], None]:
        """Return a turn in another process."""

        def turn() -> None:
            self.elsewhere += process.turn(work)

        return turn


def instrumented(stack: ExitStack, detail: str, url: str = IN_MEMORY) -> tuple[Turns, Monitor]:
    """Return the turns of ours on an engine of its own, each in a scope and with a flush."""
    mine = stack.enter_context(closing(monitor(detail)))
    engine = make_engine(url)
    stack.callback(engine.dispose)
    mine.database.instrument(engine)
    turns = Turns(engine, lambda: mine.database.scope("turn"), mine.metrics.flush)
    return turns, mine


def saw_all(mine: Monitor, work: Work, rounds: int) -> None:
    """Make sure that what was measured did its job."""
    mine.metrics.flush()
    counted = sum(each.count for each in mine.database.statements)
    assert counted >= rounds * QUERIES[work]

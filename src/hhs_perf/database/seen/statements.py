"""What is known of each statement since the process began."""

from __future__ import annotations

from collections import Counter
from operator import add
from threading import RLock
from typing import TYPE_CHECKING, Final, TypeVar

from ..._fork import renew_after_fork
from ...collectors.database import ERRORS, EXECUTED, FETCH, QUERIES, ROWS
from .shapes import Shape

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ...metrics import Registry
    from ..lines import Line

__all__ = ["DRAIN_AT", "OTHER", "Statement", "StatementBook", "Taken"]

OTHER: Final = "other"
"""The key of the statement that takes what is past the bound."""

_T = TypeVar("_T")

Taken = tuple[float, float, int, int]
"""One execution: seconds to execute, seconds to fetch, rows, sets of parameters."""

_Columns = tuple[tuple[float, ...], tuple[float, ...], tuple[int, ...], tuple[int, ...]]
_NOTHING: Final[_Columns] = ((), (), (), ())
_OTHER_SHAPE: Final = Shape("other statements", "other", has_rows=None)
_MOST_STATEMENTS: Final = 4096
_MOST_ROUTES: Final = 20
_MOST_LINES: Final = 5
DRAIN_AT: Final = 512
"""Executions that may wait; as many may be drained late, when a slot of the metrics ends."""


class Statement:
    """One statement of one monitor.

    What was executed waits in `waiting` until the next drain, or its seconds alone in `plain`,
    where nothing else is known of it; all else is guarded by the book. It knows nothing of its
    monitor: SQLAlchemy keeps it with what it compiled, for as long as that is of use.
    """

    __slots__ = (
        "count", "errors", "execute_total", "executed", "fetch_total", "first_seen", "is_streamed",
        "key", "last_seen", "lines", "monotonic", "most_rows", "plain", "routes", "rows", "shape",
        "slow", "slowest", "take", "waiting",
    )  # fmt: skip

    def __init__(self, key: str, shape: Shape, now: float, monotonic: Callable[[], float]) -> None:
        self.key = key
        self.monotonic = monotonic
        self.shape = shape
        self.waiting: list[Taken] = []
        self.take: Callable[[Taken], None] = self.waiting.append
        self.plain: list[float] = []
        self.first_seen = now
        self.last_seen = now
        self.lines: Counter[Line] = Counter()
        self.routes: Counter[str] = Counter()
        self.restart()

    def restart(self) -> None:
        """Begin at nothing."""
        self.count = 0
        self.executed = 0
        self.execute_total = 0.0
        self.fetch_total = 0.0
        self.rows = 0
        self.most_rows = 0
        self.errors = 0
        self.slow = 0
        self.slowest = 0.0
        self.is_streamed = False

    @property
    def total(self) -> float:
        """Seconds executing and fetching, all executions together."""
        return self.execute_total + self.fetch_total

    def add_line(self, line: Line | None) -> None:
        """Remember a line that sent it."""
        if line is not None and (line in self.lines or len(self.lines) < _MOST_LINES):
            self.lines[line] += 1

    def add_route(self, route: str, times: int) -> None:
        """Remember a route, or scope, that sent it."""
        if route in self.routes or len(self.routes) < _MOST_ROUTES:
            self.routes[route] += times


class StatementBook:
    """Holds the statements of one monitor, at most 4,096; the rest is the statement `other`."""

    def __init__(self, metrics: Registry, name: str) -> None:
        self.metrics = metrics
        self._name = name
        self._held: dict[str, Statement] = {}
        self.get: Callable[[str], Statement | None] = self._held.get
        # Guards what statements hold, and the two fields below; reentrant, since a finalizer that
        # runs a query may come in between.
        self.lock = RLock()
        self._is_draining = False
        self.since = metrics.now()
        self._fetch = metrics.timer(FETCH)
        self._queries = metrics.counter(QUERIES)
        self._executed = metrics.counter(EXECUTED)
        self._rows = metrics.counter(ROWS)
        self._errors = metrics.counter(ERRORS)
        renew_after_fork(self)

    def __iter__(self) -> Iterator[Statement]:
        """Go through the statements seen so far."""
        return iter(tuple(self._held.values()))

    def add(self, shape: Shape) -> Statement:
        """Get or create the statement of a shape."""
        with self.lock:
            key = shape.key
            held = self._held.get(key)
            if held is None:
                if len(self._held) >= _MOST_STATEMENTS:
                    key = OTHER
                    held = self._held.get(key)
                if held is None:
                    if key is OTHER:
                        shape = _OTHER_SHAPE
                    held = Statement(key, shape, self.metrics.now(), self.metrics.monotonic)
                    self._held[key] = held
            return held

    def fail(self, statement: Statement, seconds: float) -> None:
        """Take an execution that raised."""
        with self.lock:
            statement.errors += 1
        self._errors.add(1)
        statement.take((seconds, 0.0, 0, 0))

    def fail_later(self, statement: Statement) -> None:
        """Take an error of an execution that was taken before."""
        with self.lock:
            statement.errors += 1
        self._errors.add(1)

    def fail_untimed(self, statement: Statement) -> None:
        """Take what raised, and was not timed."""
        with self.lock:
            statement.errors += 1
            statement.count += 1
        self._errors.add(1)
        self._queries.add(1)

    def __call__(self) -> None:
        """Drain all: the registry calls it before each flush."""
        for statement in self:
            if statement.waiting or statement.plain:
                self.drain(statement)

    def drain(self, statement: Statement) -> None:
        """Move what is waiting into the totals and the metrics."""
        with self.lock:
            if self._is_draining:
                return  # a finalizer came in between: what it added is for the next time
            self._is_draining = True
            try:
                chunk, plain = _all_of(statement.waiting), _all_of(statement.plain)
                n = len(chunk) + len(plain)
                if not n:
                    return
                executes, fetches, rows, sets = zip(*chunk, strict=True) if chunk else _NOTHING
                seconds = list(map(add, executes, fetches)) + plain
                statement.last_seen = self.metrics.now()
                statement.count += n
                executed = sum(sets) + len(plain)
                statement.executed += executed
                statement.execute_total += sum(executes) + sum(plain)
                statement.fetch_total += sum(fetches)
                statement.slowest = max(statement.slowest, max(seconds))  # noqa: PLW3301 - a call's arguments cost
                # Drivers say -1 where they cannot tell.
                is_known = min(rows, default=0) >= 0
                seen = sum(rows) if is_known else sum(each for each in rows if each > 0)
                statement.rows += seen
                statement.most_rows = max(statement.most_rows, max(rows, default=0))
                fetched = fetches if all(fetches) else [each for each in fetches if each]
            finally:
                self._is_draining = False
        self.metrics.timer(self._name, statement=statement.key).record_all(seconds)
        if fetched:
            self._fetch.record_all(fetched)
        self._queries.add(n)
        self._executed.add(executed)
        if seen:
            self._rows.add(seen)

    def after_fork_in_child(self) -> None:
        """Begin at nothing: what the parent saw is the parent's to tell."""
        self.lock = RLock()
        self._is_draining = False
        self.since = self.metrics.now()
        for statement in self:
            statement.waiting.clear()
            statement.plain.clear()
            statement.routes.clear()
            statement.lines.clear()
            statement.restart()


def _all_of(buffer: list[_T]) -> list[_T]:
    """Take what is in a list to which others append meanwhile."""
    n = len(buffer)
    taken = buffer[:n]
    del buffer[:n]
    return taken

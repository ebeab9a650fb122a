"""The slow statements: the latest, and one of each to look closer at."""

from __future__ import annotations

from collections import deque
from threading import RLock
from typing import TYPE_CHECKING, Any, Final
from weakref import ref

import attrs

from ..._fork import renew_after_fork
from ..addresses import root_of

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection, Engine
    from sqlalchemy.sql import ClauseElement

    from ..lines import Line

__all__ = ["MOST_SOURCE_BYTES", "Origin", "SlowBook", "SlowStatement", "Source", "source_of"]

Origin = tuple["Connection", Any, str, Any]
"""Connection, what SQLAlchemy compiled or None, and the text and parameters that the driver got."""

_MOST_SHOWN: Final = 100
_MOST_KEPT: Final = 200
_MOST_PARAMETERS: Final = 1000
_LARGEST_SOURCE: Final = 40_000
_SIZED: Final = (str, bytes, bytearray, memoryview, set)
_ABOUT: Final = 32  # bytes of a number or a date
MOST_SOURCE_BYTES: Final = 4_000_000
"""About how many bytes of statements and parameters are kept for plans, all together."""


@attrs.frozen(kw_only=True, eq=False)
class Source:
    """What it takes to ask the database for the plan of a statement; nothing of it is shown.

    `clause` is SQLAlchemy's tree, None for driver SQL; `parameters` are as the driver got them,
    None where they are too large to keep; `size` is about how many bytes both take.
    """

    engine: ref[Engine] = attrs.field(repr=False)
    clause: ClauseElement | None = attrs.field(repr=False)
    driver_sql: str = attrs.field(repr=False)
    parameters: Any = attrs.field(repr=False)
    size: int


@attrs.frozen(kw_only=True, eq=False)
class SlowStatement:
    """An execution that took longer than HHS_PERF_SLOW_QUERY.

    `seconds` is the time to execute and to fetch, `fetch_seconds` the latter part; `rows` is None
    where the driver does not say; `at` is a place on the timeline.
    """

    key: str
    sql: str
    seconds: float
    fetch_seconds: float
    rows: int | None
    line: Line | None
    route: str | None
    at: float
    failed: bool = False
    source: Source | None = attrs.field(repr=False, default=None)

    @property
    def engine(self) -> Engine | None:
        """The engine that ran it, None once that is gone."""
        return None if self.source is None else self.source.engine()

    @property
    def clause(self) -> ClauseElement | None:
        """SQLAlchemy's tree of it, None for driver SQL."""
        return None if self.source is None else self.source.clause

    @property
    def driver_sql(self) -> str:
        """The text that the driver got; it may hold values, and is never shown."""
        return self.sql if self.source is None else self.source.driver_sql

    @property
    def parameters(self) -> Any:
        """The parameters that the driver got; never shown."""
        return None if self.source is None else self.source.parameters


class SlowBook:
    """Keeps the latest slow executions, and the latest one of each statement."""

    def __init__(self) -> None:
        self._lock = RLock()  # guards both; reentrant, as a finalizer may end a query
        self._latest: deque[SlowStatement] = deque(maxlen=_MOST_SHOWN)
        self._by_key: dict[str, SlowStatement] = {}
        renew_after_fork(self)

    def add(self, slow: SlowStatement) -> None:
        """Keep an execution; the list itself keeps nothing of its parameters."""
        with self._lock:
            self._latest.append(attrs.evolve(slow, source=None))
            self._by_key.pop(slow.key, None)
            self._by_key[slow.key] = slow
            held = sum(each.source.size for each in self._by_key.values() if each.source)
            while held > MOST_SOURCE_BYTES or len(self._by_key) > _MOST_KEPT:
                oldest = self._by_key.pop(next(iter(self._by_key)))
                held -= oldest.source.size if oldest.source else 0

    def latest(self) -> tuple[SlowStatement, ...]:
        """Give the latest executions, the newest first."""
        with self._lock:
            return tuple(reversed(self._latest))

    def by_statement(self) -> tuple[SlowStatement, ...]:
        """Give the latest slow execution of each statement."""
        with self._lock:
            return tuple(self._by_key.values())

    def after_fork_in_child(self) -> None:
        """Begin at nothing."""
        self._lock = RLock()
        self._latest.clear()
        self._by_key.clear()


def source_of(origin: Origin) -> Source | None:
    """Keep what a plan takes, unless it is very large."""
    connection, compiled, statement, parameters = origin
    if len(statement) > _LARGEST_SOURCE:
        return None
    size = _size_of(parameters)
    return Source(
        # Engines with options of their own come and go; the one that they were made from stays.
        engine=ref(root_of(connection.engine)),
        clause=None if compiled is None else compiled.statement,
        driver_sql=statement,
        parameters=None if size is None else parameters,
        size=len(statement) + (size or 0),
    )


def _size_of(parameters: object) -> int | None:
    """Give about how many bytes parameters take, None where they are too many or too large."""
    try:
        size = _added_up(parameters)
    except Exception:  # noqa: BLE001 - parameters are the host's, and may do as they like
        return None
    return size if size <= _LARGEST_SOURCE else None


def _added_up(parameters: object) -> int:
    """Add up one set of parameters, or the sets of an executemany."""
    if parameters is None:
        return 0
    values: Any = parameters.values() if isinstance(parameters, dict) else parameters
    if not isinstance(parameters, dict | list | tuple) or len(values) > _MOST_PARAMETERS:
        return _LARGEST_SOURCE + 1
    size = 0
    for value in values:
        if isinstance(value, dict | list | tuple):
            size += _added_up(value)
        else:
            size += len(value) if isinstance(value, _SIZED) else _ABOUT
        if size > _LARGEST_SOURCE:
            break
    return size

"""The slow statements: the latest, and one of each to look closer at."""

from __future__ import annotations

from collections import deque
from threading import RLock
from typing import TYPE_CHECKING, Any, Final
from weakref import ref

import attrs

from ..._fork import renew_after_fork

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection, Engine
    from sqlalchemy.sql import ClauseElement

    from ..lines import Line

__all__ = ["Origin", "SlowBook", "SlowStatement", "Source", "root_of", "source_of"]

Origin = tuple["Connection", Any, str, Any]
"""Connection, what SQLAlchemy compiled or None, and the text and parameters that the driver got."""

_MOST_SHOWN: Final = 100
_MOST_KEPT: Final = 200
_LONGEST_SQL: Final = 100_000
_MOST_PARAMETERS: Final = 1000
_LONGEST_PARAMETER: Final = 10_000


@attrs.frozen(kw_only=True, eq=False)
class Source:
    """What it takes to ask the database for the plan of a statement; nothing of it is shown.

    `clause` is SQLAlchemy's tree, None for driver SQL; `parameters` are as the driver got them,
    None where they are too large to keep.
    """

    engine: ref[Engine] = attrs.field(repr=False)
    clause: ClauseElement | None = attrs.field(repr=False)
    driver_sql: str = attrs.field(repr=False)
    parameters: Any = attrs.field(repr=False)


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
            if len(self._by_key) >= _MOST_KEPT:
                del self._by_key[next(iter(self._by_key))]
            self._by_key[slow.key] = slow

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
    engine = connection.engine
    if len(statement) > _LONGEST_SQL:
        return None
    return Source(
        # Engines with options of their own come and go; the one that they were made from stays.
        engine=ref(root_of(engine)),
        clause=None if compiled is None else compiled.statement,
        driver_sql=statement,
        parameters=parameters if _is_small(parameters) else None,
    )


def root_of(engine: Engine) -> Engine:
    """Give the engine that `engine` with its options was made from."""
    while True:
        made_from: Engine | None = getattr(engine, "_proxied", None)
        if made_from is None:
            return engine
        engine = made_from


def _is_small(parameters: object) -> bool:
    try:
        return _are_few_and_short(parameters)
    except Exception:  # noqa: BLE001 - parameters are the host's, and may do as they like
        return False


def _are_few_and_short(parameters: object) -> bool:
    values: Any
    if isinstance(parameters, dict):
        values = parameters.values()
    elif isinstance(parameters, list | tuple):
        values = parameters
    else:
        return parameters is None
    if len(values) > _MOST_PARAMETERS:
        return False
    return all(
        not isinstance(value, str | bytes | bytearray | memoryview | list | tuple | dict | set)
        or len(value) <= _LONGEST_PARAMETER
        for value in values
    )

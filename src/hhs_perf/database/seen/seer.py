"""From an execution that a listener saw to all that is kept of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from ..lines import application_line
from ..profile import MOST_QUERIES, ProfiledQuery, digest_of
from .fetching import Fetch
from .holding import rows_held
from .shapes import Shapes, is_another
from .slow import SlowBook, SlowStatement, source_of
from .statements import DRAIN_AT

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy.engine import Dialect, Engine

    from ..._faults import Faults
    from ..._scope import RequestScope
    from ...metrics import Registry
    from ..lines import Line
    from ..scopes import QueryScope
    from .shapes import Shape
    from .slow import Origin
    from .statements import Statement, StatementBook

__all__ = ["Seer", "Teller"]

BORDER: Final = "seeing a query"


class Seer:
    """Keeps what the listeners of one monitor see.

    Queries belong to the scopes of `owner`: `open_request` makes the one of a request that sends
    its first query, `current` finds the one in force. `meet` gets to know an engine.
    """

    def __init__(
        self,
        *,
        book: StatementBook,
        metrics: Registry,
        faults: Faults,
        slow_from: float,
        owner: object,
        meet: Callable[[Engine], None],
        open_request: Callable[[RequestScope], QueryScope | None],
        current: Callable[[], QueryScope | None],
    ) -> None:
        self.book = book
        self.shapes = Shapes()
        self.slow_book = SlowBook()
        self.slow_from = slow_from
        self.owner = owner
        # Says whose a statement is that SQLAlchemy keeps with what it compiled.
        self.mark = object()
        self.open_request = open_request
        self.current = current
        self.monotonic = metrics.monotonic
        self.metrics = metrics
        self._faults = faults
        self._meet = meet

    def fault(self, error: Exception) -> None:
        """Take what went wrong in here; the query knows nothing of it."""
        self._faults.note(BORDER, error)

    def recognised(self, context: Any, sql: str) -> tuple[Statement, Shape, bool] | None:
        """Give the statement and the shape of `sql`, None for the library's own.

        And whether its rows are the application's: those of a sequence's value are not. It is kept
        upon what SQLAlchemy compiled, where the next execution finds it.
        """
        shape = self.shapes.of(context, sql)
        # SQLAlchemy asks the server of a new engine who it is within the pool's `connect` event,
        # to which nobody may begin to listen meanwhile: no query of the application's.
        if shape.role == "own" or not getattr(context.root_connection, "_allow_autobegin", True):
            return None
        self._meet(context.root_connection.engine)
        # Statements of one text may have shapes of several roles: `get()` and a lazy load.
        statement = self.book.get(shape.key) or self.book.add(shape)
        if context.compiled is not None and sql is getattr(context, "statement", None):
            columns = len(getattr(context.compiled, "_result_columns", None) or ())
            held = rows_held(shape, context.dialect, columns)
            context.compiled._hhs_perf = (self.mark, statement, shape, held)  # noqa: SLF001 - a name of ours
        return statement, shape, not is_another(context, sql)

    def teller(self) -> Teller:
        """Give what takes executions whose rows were fetched, or given up."""
        return Teller(self)

    def failed(self, context: Any, sql: str, parameters: Any, began: float, execute: float) -> None:
        """Take an execution that raised."""
        found = self.recognised(context, sql)
        if found is None:
            return
        statement = found[0]
        self.book.fail(statement, execute)
        origin = (context.root_connection, context.compiled, sql, parameters)
        scope = self.current()
        if scope is not None:
            scope.take(statement)
            if scope.profiled is not None:
                profiled = self.profile(scope, statement, origin, began, execute)
                if profiled is not None:
                    profiled.failed = True
        line = application_line()
        with self.book.lock:
            statement.add_line(line)
        if execute > self.slow_from:
            self.slow(statement, origin, execute, 0.0, None, line, failed=True)

    def failed_fetching(self, context: Any) -> None:
        """Take an error of rows that were taken for fetched when the execution was told."""
        if isinstance(context.cursor_fetch_strategy, Fetch):
            return  # it tells of it itself
        found = self.recognised(context, context.statement)
        if found is not None:
            self.book.fail_later(found[0])

    def failed_outside(self, step: str, dialect: Dialect) -> None:
        """Take a step of a transaction that raised: no query of the application's, but an error."""
        shape = self.shapes.of_text(step, dialect)
        statement = self.book.get(shape.key) or self.book.add(shape)
        self.book.fail_untimed(statement)
        with self.book.lock:
            statement.add_line(application_line())

    def slow(
        self,
        statement: Statement,
        origin: Origin,
        execute: float,
        fetch: float,
        rows: int | None,
        line: Line | None,
        *,
        failed: bool = False,
    ) -> None:
        """Keep a slow execution."""
        scope = self.current()
        with self.book.lock:
            statement.slow += 1
            statement.add_line(line)
        self.slow_book.add(
            SlowStatement(
                key=statement.key,
                sql=statement.shape.sql,
                seconds=execute + fetch,
                fetch_seconds=fetch,
                rows=rows if rows is not None and rows >= 0 else None,
                line=line,
                route=None if scope is None else scope.label(),
                at=self.metrics.now(),
                failed=failed,
                source=source_of(origin),
            )
        )

    def profile(
        self,
        scope: QueryScope,
        statement: Statement,
        origin: Origin,
        began: float,
        execute: float,
        rows: int = 0,
    ) -> ProfiledQuery | None:
        """Add an execution to the profile of its scope, None past the bound."""
        held = scope.profiled
        if held is None:
            return None
        if len(held) >= MOST_QUERIES:
            scope.left_out += 1
            return None
        _, _, sql, parameters = origin
        query = ProfiledQuery(
            statement.key,
            statement.shape.sql,
            began=began,
            execute=execute,
            failed=False,
            line=application_line(),
            same=digest_of(sql, parameters),
            # One plan of each statement is enough.
            source=None if any(q.key == statement.key for q in held) else source_of(origin),
        )
        query.rows = rows
        held.append(query)
        return query


class Teller:
    """Takes an execution whose rows were fetched, or given up, when it is called with it.

    A strategy that fetched all at once adds it to what waits itself, where it ended before the
    metrics' `due_at` and took no longer than `slow_from`.
    """

    __slots__ = ("_seer", "drain", "metrics", "slow_from")

    def __init__(self, seer: Seer) -> None:
        self._seer = seer
        self.drain = seer.book.drain
        self.metrics = seer.metrics
        self.slow_from = seer.slow_from

    def __call__(self, query: Fetch, failed: bool = False) -> None:  # noqa: FBT001, FBT002 - by position, for speed
        """Take the execution; `failed` says that fetching raised."""
        try:
            statement = query.statement
            execute, fetch, rows = query.execute, query.fetch, query.rows
            if failed:
                self._seer.book.fail(statement, execute)
            else:
                statement.take((execute, fetch, rows, 1))
            seconds = execute + fetch
            due_at = self.metrics.due_at
            if len(statement.waiting) >= DRAIN_AT or query.began + seconds >= due_at:
                self.drain(statement)
            profiled = query.profiled
            if profiled is not None:
                profiled.fetch, profiled.rows, profiled.failed = fetch, rows, failed
            if seconds > self.slow_from:
                line = application_line()
                self._seer.slow(statement, query.origin, execute, fetch, rows, line, failed=failed)
        except Exception as error:  # noqa: BLE001 - a named border; a finalizer may call it
            self.fault(error)

    def fault(self, error: Exception) -> None:
        """Take what went wrong in here."""
        self._seer.fault(error)

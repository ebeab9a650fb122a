"""Fetching rows, timed and counted.

SQLAlchemy fetches through a strategy object, which `sqlalchemy.engine.cursor` keeps to itself:
`selftest` says whether this works with the version at hand.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sqlalchemy.engine import cursor as _cursor

from .statements import DRAIN_AT

if TYPE_CHECKING:
    from ..profile import ProfiledQuery
    from .seer import Teller
    from .slow import Origin
    from .statements import Statement

__all__ = ["DEFAULT_FETCH", "Fetch", "TimedFetch", "TimedStream", "UntouchedFetch"]

DEFAULT_FETCH: Final[Any] = getattr(_cursor, "_DEFAULT_FETCH", None)
_CLOSED: Final[Any] = getattr(_cursor, "_NO_CURSOR_DQL", None)


class Fetch:
    """An execution whose rows are still to be fetched; calls `tell` once, at the result's end.

    Only fetching is timed: what the application does between two batches is its own. A result
    dropped before its end is told when it is collected. It is all that is kept of an execution
    meanwhile: `execute` seconds from `began` on, and in `origin` what a closer look takes, should
    it turn out to be slow.
    """

    __slots__ = ()

    began: float
    execute: float
    fetch: float
    origin: Origin
    profiled: ProfiledQuery | None
    rows: int
    tell: Teller | None
    statement: Statement


_FIELDS: Final = (
    "began", "execute", "fetch", "origin", "profiled", "rows", "statement", "tell",
)  # fmt: skip


class _Told(Fetch, _cursor.CursorFetchStrategy):
    """What becomes of a strategy that told the end: nothing is left to do, by a finalizer least."""

    __slots__ = _FIELDS

    def soft_close(self, result: Any, dbapi_cursor: Any) -> None:  # noqa: ARG002 - SQLAlchemy's signature
        """End."""
        result.cursor_strategy = _CLOSED

    hard_close = soft_close


class TimedFetch(_Told):
    """Fetches from the cursor as SQLAlchemy's own strategy does."""

    __slots__ = ()

    def __init__(
        self, tell: Teller, statement: Statement, began: float, execute: float, origin: Origin
    ) -> None:
        self.tell = tell
        self.statement = statement
        self.began = began
        self.execute = execute
        self.origin = origin
        self.fetch = 0.0
        self.rows = 0
        self.profiled = None

    def fetchall(self, result: Any, dbapi_cursor: Any) -> Any:
        """Fetch what is left."""
        monotonic = self.statement.monotonic
        began = monotonic()
        try:
            rows = dbapi_cursor.fetchall()
        except BaseException as error:
            self._failed(result, dbapi_cursor, began, error)
            raise
        self.fetch += monotonic() - began
        self.rows += len(rows)
        result._soft_close()  # noqa: SLF001 - as the strategy does that this one replaces
        return rows

    def fetchone(self, result: Any, dbapi_cursor: Any, hard_close: bool = False) -> Any:  # noqa: FBT001, FBT002 - SQLAlchemy's signature
        """Fetch a row."""
        monotonic = self.statement.monotonic
        began = monotonic()
        try:
            row = dbapi_cursor.fetchone()
        except BaseException as error:
            self._failed(result, dbapi_cursor, began, error)
            raise
        self.fetch += monotonic() - began
        if row is None:
            result._soft_close(hard=hard_close)  # noqa: SLF001 - likewise
        else:
            self.rows += 1
        return row

    def fetchmany(self, result: Any, dbapi_cursor: Any, size: int | None = None) -> Any:
        """Fetch some rows."""
        began = self.statement.monotonic()
        try:
            rows = dbapi_cursor.fetchmany() if size is None else dbapi_cursor.fetchmany(size)
        except BaseException as error:
            self._failed(result, dbapi_cursor, began, error)
            raise
        self.fetch += self.statement.monotonic() - began
        if rows:
            self.rows += len(rows)
        else:
            result._soft_close()  # noqa: SLF001 - likewise
        return rows

    def yield_per(self, result: Any, dbapi_cursor: Any, num: int) -> None:
        """Go on in batches of `num`, still timed."""
        super().yield_per(result, dbapi_cursor, num)
        result.cursor_strategy = TimedStream(self, result.cursor_strategy)

    def soft_close(self, result: Any, dbapi_cursor: Any) -> None:  # noqa: ARG002 - SQLAlchemy's signature
        """Tell the end."""
        result.cursor_strategy = _CLOSED
        tell = self.tell
        if tell is not None:
            self.tell = None
            tell(self)

    hard_close = soft_close

    def _touched(self, _: Any) -> TimedFetch:
        # Who iterates holds on to the method of an `UntouchedFetch`, which this has been.
        return self

    def _failed(self, result: Any, dbapi_cursor: Any, began: float, error: BaseException) -> None:
        self.fetch += self.statement.monotonic() - began
        self.end(failed=True)
        self.handle_exception(result, dbapi_cursor, error)

    def end(self, *, failed: bool = False) -> None:
        """Tell the end, unless that was told."""
        tell, self.tell = self.tell, None
        if tell is not None:
            tell(self, failed)

    def __del__(self) -> None:
        tell = self.tell
        if tell is not None:
            self.tell = None
            tell(self)


class UntouchedFetch(TimedFetch):
    """A fetch of which nothing was asked so far: all that most ever are until they end at once.

    Made without a call, as that costs: `tell`, `statement`, `began` and `execute` are set, and the
    rest when it is asked for anything but all rows.
    """

    __slots__ = ()

    def fetchall(self, result: Any, dbapi_cursor: Any) -> Any:
        """Fetch everything."""
        statement = self.statement
        monotonic = statement.monotonic
        began = monotonic()
        try:
            rows = dbapi_cursor.fetchall()
        except BaseException as error:
            self._touched(result)._failed(result, dbapi_cursor, began, error)  # noqa: SLF001 - it itself
            raise
        ended = monotonic()
        execute, fetch, tell = self.execute, ended - began, self.tell
        if ended < tell.metrics.due_at and execute + fetch <= tell.slow_from:  # type: ignore[union-attr] # not told yet
            # What `tell` would do: written out, as most queries end here, and calls cost.
            self.__class__ = _Told  # type: ignore[assignment] # of the same layout
            waiting = statement.waiting
            waiting.append((execute, fetch, len(rows), 1))
            if len(waiting) >= DRAIN_AT:
                try:
                    tell.drain(statement)  # type: ignore[union-attr] # likewise
                except Exception as error:  # noqa: BLE001 - a named border: seeing a query
                    tell.fault(error)  # type: ignore[union-attr] # likewise
        else:
            touched = self._touched(result)
            touched.fetch = fetch
            touched.rows = len(rows)
        result._soft_close()  # noqa: SLF001 - as the strategy does that this one replaces
        return rows

    def fetchone(self, result: Any, dbapi_cursor: Any, hard_close: bool = False) -> Any:  # noqa: FBT001, FBT002 - SQLAlchemy's signature
        """Fetch a row."""
        return self._touched(result).fetchone(result, dbapi_cursor, hard_close)

    def fetchmany(self, result: Any, dbapi_cursor: Any, size: int | None = None) -> Any:
        """Fetch some rows."""
        return self._touched(result).fetchmany(result, dbapi_cursor, size)

    def yield_per(self, result: Any, dbapi_cursor: Any, num: int) -> None:
        """Go on in batches of `num`, still timed."""
        self._touched(result).yield_per(result, dbapi_cursor, num)

    def soft_close(self, result: Any, dbapi_cursor: Any) -> None:
        """Tell the end."""
        self._touched(result).soft_close(result, dbapi_cursor)

    hard_close = soft_close

    def end(self, *, failed: bool = False) -> None:
        """Tell the end, unless that was told."""
        self._touched(None).end(failed=failed)

    def _touched(self, result: Any) -> TimedFetch:
        self.fetch = 0.0
        self.rows = 0
        self.profiled = None
        if result is not None:
            context = result.context
            self.origin = (
                context.root_connection, context.compiled, context.statement, context.parameters[0],
            )  # fmt: skip
        self.__class__ = TimedFetch  # type: ignore[assignment] # likewise
        return self

    def __del__(self) -> None:
        self.end()


class TimedStream(Fetch, _cursor.ResultFetchStrategy):
    """Fetches through a strategy of SQLAlchemy's that holds rows back, as for `yield_per`."""

    __slots__ = (*_FIELDS, "_inner", "_is_fetching")

    def __init__(self, before: TimedFetch, inner: Any) -> None:
        self._inner = inner
        self._is_fetching = False
        for field in _FIELDS:
            setattr(self, field, getattr(before, field))
        before.tell = None
        self.statement.is_streamed = True

    @classmethod
    def from_server(cls, before: TimedFetch, context: Any) -> TimedStream:
        """Fetch as SQLAlchemy does from a server-side cursor: the first row is fetched here."""
        began = before.statement.monotonic()
        try:
            inner = _cursor.BufferedRowCursorFetchStrategy(
                context.cursor, context.execution_options
            )
        except BaseException:
            before.fetch += before.statement.monotonic() - began
            before.end(failed=True)
            raise
        before.fetch += before.statement.monotonic() - began
        return cls(before, inner)

    @property
    def alternate_cursor_description(self) -> Any:  # type: ignore[override] # a plain field there
        """What the strategy below says in place of the cursor."""
        return self._inner.alternate_cursor_description

    def fetchall(self, result: Any, dbapi_cursor: Any) -> Any:
        """Fetch what is left."""
        rows = self._timed(self._inner.fetchall, result, dbapi_cursor)
        self.rows += len(rows)
        self._end()
        return rows

    def fetchone(self, result: Any, dbapi_cursor: Any, hard_close: bool = False) -> Any:  # noqa: FBT001, FBT002 - SQLAlchemy's signature
        """Fetch a row."""
        row = self._timed(self._inner.fetchone, result, dbapi_cursor, hard_close)
        if row is None:
            self._end()
        else:
            self.rows += 1
        return row

    def fetchmany(self, result: Any, dbapi_cursor: Any, size: int | None = None) -> Any:
        """Fetch some rows."""
        rows = self._timed(self._inner.fetchmany, result, dbapi_cursor, size)
        self.rows += len(rows)
        if not rows:
            self._end()
        return rows

    def yield_per(self, result: Any, dbapi_cursor: Any, num: int) -> None:
        """Go on in batches of `num`."""
        before = result.cursor_strategy
        self._inner.yield_per(result, dbapi_cursor, num)
        if result.cursor_strategy is not before:  # another monitor's has put itself there
            self._inner = result.cursor_strategy
            result.cursor_strategy = self

    def soft_close(self, result: Any, dbapi_cursor: Any) -> None:
        """Tell the end, unless fetching is under way, which does."""
        self._inner.soft_close(result, dbapi_cursor)
        if not self._is_fetching:
            self._end()

    def hard_close(self, result: Any, dbapi_cursor: Any) -> None:
        """Do as `soft_close`."""
        self._inner.hard_close(result, dbapi_cursor)
        if not self._is_fetching:
            self._end()

    def handle_exception(self, result: Any, dbapi_cursor: Any, err: BaseException) -> Any:
        """Raise, as the strategy below does."""
        return self._inner.handle_exception(result, dbapi_cursor, err)

    def _timed(self, fetch: Any, *arguments: Any) -> Any:
        self._is_fetching = True
        began = self.statement.monotonic()
        try:
            return fetch(*arguments)
        except BaseException:
            self.fetch += self.statement.monotonic() - began
            began = self.statement.monotonic()
            self._end(failed=True)
            raise
        finally:
            self.fetch += self.statement.monotonic() - began
            self._is_fetching = False

    def _end(self, *, failed: bool = False) -> None:
        tell, self.tell = self.tell, None
        if tell is not None:
            tell(self, failed)

    def __del__(self) -> None:
        self._end()

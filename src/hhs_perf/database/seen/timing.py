"""The functions that time what is executed, as listeners and in place of a dialect's methods."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sqlalchemy.engine.interfaces import ExecuteStyle

from ..._scope import current as current_request
from ..lines import application_line
from ..n_plus_one.watch import MEANT
from ..scopes import FOLD_AT
from ..scopes import current as current_scope
from .fetching import DEFAULT_FETCH, Fetch, TimedFetch, TimedStream, UntouchedFetch
from .holding import FETCHED, NO_ROWS, UNKNOWN
from .statements import DRAIN_AT

if TYPE_CHECKING:
    from collections.abc import Callable

    from .layers import Way
    from .seer import Seer

__all__ = ["EVENTS", "Maker", "makers"]

EVENTS: Final = ("do_execute", "do_executemany", "do_execute_no_params")
"""The events, and the methods of dialects, by which SQLAlchemy executes."""

_EXECUTE: Final = ExecuteStyle.EXECUTE  # to look up a member of an enumeration is a call
_new: Final[Any] = object.__new__

if TYPE_CHECKING:
    Below = Callable[..., Any]
    Maker = Callable[[Below | None, Way], Callable[..., Any]]


def makers(  # noqa: C901, PLR0915 - one closure over what every query needs: attributes cost
    seer: Seer, *, full: bool, fetching: bool
) -> dict[str, Maker]:
    """Give what makes each of the functions.

    A maker takes the method below, which gets the dialect first as the function does, or None for
    that of the dialect's class; and the way by which the function is called. A listener's is at
    work where SQLAlchemy asks the dialect's listeners, a layer's where it does not.
    """
    monotonic, fault, recognised = seer.monotonic, seer.fault, seer.recognised
    metrics, drain, slow_from = seer.metrics, seer.book.drain, seer.slow_from
    open_request, profile, fetched = seer.open_request, seer.profile, seer.teller()
    me, mark, current = seer.owner, seer.mark, seer.current
    scope_of_block, scope_of_request = current_scope.get, current_request.get

    def succeeded(  # noqa: C901, PLR0912 - in one piece, and by position: calls cost
        began: float,
        execute: float,
        cursor: Any,
        sql: str,
        parameters: Any,
        context: Any,
        sets: int,
    ) -> None:
        is_streaming = False
        try:
            found = recognised(context, sql)
            if found is None:
                return
            statement, shape, is_its_own = found
            scope = current()
            if scope is not None:
                scope.take(statement)
            strategy = context.cursor_fetch_strategy
            if (
                fetching
                and is_its_own
                and (strategy is DEFAULT_FETCH or isinstance(strategy, Fetch))
                and (shape.has_rows or (shape.has_rows is None and cursor.description is not None))
                and context.execute_style is _EXECUTE
            ):
                origin = (context.root_connection, context.compiled, sql, parameters)
                query: Any = TimedFetch(fetched, statement, began, execute, origin)
                if scope is not None and scope.profiled is not None:
                    query.profiled = profile(scope, statement, origin, began, execute)
                if strategy is not DEFAULT_FETCH:  # another monitor's
                    query = TimedStream(query, strategy)
                elif context._is_server_side or "stream_results" in context.execution_options:  # noqa: SLF001 - as SQLAlchemy decides
                    is_streaming = True
                    query = TimedStream.from_server(query, context)
                    is_streaming = False
                context.cursor_fetch_strategy = query
            else:
                rows = cursor.rowcount if full and is_its_own else 0
                statement.take((execute, 0.0, rows, sets))
                if len(statement.waiting) >= DRAIN_AT or began + execute >= metrics.due_at:
                    drain(statement)
                if execute > slow_from or (scope is not None and scope.profiled is not None):
                    origin = (context.root_connection, context.compiled, sql, parameters)
                    if scope is not None:
                        profile(scope, statement, origin, began, execute, rows)
                    if execute > slow_from:
                        seer.slow(statement, origin, execute, 0.0, rows, application_line())
            if full and scope is not None and scope.watch is not None:
                scope.watch.taken(shape, context, execute)
        except MEANT:
            raise
        except Exception as error:
            if is_streaming:
                raise  # the database's: SQLAlchemy itself would have met it
            fault(error)

    def raised(began: float, sql: str, parameters: Any, context: Any) -> None:
        try:
            seer.failed(context, sql, parameters, began, monotonic() - began)
        except Exception as error:  # noqa: BLE001 - likewise
            fault(error)

    def make_execute(below: Below | None, layer: Way) -> Callable[..., Any]:  # noqa: C901, PLR0915 - likewise
        listens = layer.listens

        def do_execute(  # noqa: C901, PLR0912, PLR0915 - likewise
            dialect: Any, cursor: Any, sql: str, parameters: Any, context: Any = None
        ) -> None:
            # `is_at_work`, written out.
            if dialect._has_events is not listens or layer.is_off or context is None:  # noqa: SLF001 - see layers
                (below or dialect.__class__.do_execute)(dialect, cursor, sql, parameters, context)
                return
            began = monotonic()
            try:
                if below is None:
                    type(dialect).do_execute(dialect, cursor, sql, parameters, context)
                else:
                    below(dialect, cursor, sql, parameters, context)
            except MEANT:  # of another monitor's, which comes after this one: it was executed
                succeeded(began, monotonic() - began, cursor, sql, parameters, context, 1)
                raise
            except BaseException:
                raised(began, sql, parameters, context)
                raise
            execute = monotonic() - began
            try:
                whose, statement, shape, held = context.compiled._hhs_perf  # noqa: SLF001 - set by the seer
                is_known = whose is mark and sql is context.statement and execute <= slow_from
            except AttributeError:  # the first time, or a default of a statement not ready yet
                is_known = False
            if not is_known:
                succeeded(began, execute, cursor, sql, parameters, context, 1)
                return
            # What `succeeded` does, for one that was seen before and goes as most do: nearly every
            # query comes by here, and half of what it costs would be the calls.
            try:
                scope = scope_of_block()
                if scope is None:
                    request = scope_of_request()
                    if request is not None and request.is_open:
                        scope = request.queries or open_request(request)
                if scope is not None:
                    if scope.owner is not me:
                        scope = current()
                    if scope is not None and scope.profiled is not None:
                        succeeded(began, execute, cursor, sql, parameters, context, 1)
                        return
                if not full:
                    plain = statement.plain
                    plain.append(execute)
                    if len(plain) >= DRAIN_AT or began + execute >= metrics.due_at:
                        drain(statement)
                else:
                    rows = cursor.rowcount if held > FETCHED or not fetching else -1
                    if held == NO_ROWS or 0 <= rows <= held or not fetching:
                        waiting = statement.waiting
                        waiting.append((execute, 0.0, rows, 1))
                        if len(waiting) >= DRAIN_AT or began + execute >= metrics.due_at:
                            drain(statement)
                    elif (
                        held == UNKNOWN
                        or context.cursor_fetch_strategy is not DEFAULT_FETCH
                        or context._is_server_side  # noqa: SLF001 - as SQLAlchemy decides
                        or context.execute_style is not _EXECUTE
                        or "stream_results" in context.execution_options
                    ):
                        succeeded(began, execute, cursor, sql, parameters, context, 1)
                        return
                    else:
                        # Not the context itself: it holds the strategy, and neither would be freed
                        # in time.
                        query = _new(UntouchedFetch)
                        query.tell = fetched
                        query.statement = statement
                        query.began = began
                        query.execute = execute
                        context.cursor_fetch_strategy = query
                if scope is not None:
                    seen = scope.seen
                    seen.append(statement)
                    if len(seen) >= FOLD_AT:
                        scope.counts()
                    watch = scope.watch
                    if full and watch is not None:
                        loop = watch.loops.get(shape.key)
                        if loop is None:
                            watch.taken(shape, context, execute)
                        else:
                            waits = loop.waiting
                            waits.append(execute)
                            if len(waits) >= loop.look_in:
                                watch.look(loop, context)
            except MEANT:
                raise
            except Exception as error:  # noqa: BLE001 - a named border: seeing a query
                fault(error)

        return do_execute

    def make_executemany(below: Below | None, layer: Way) -> Callable[..., Any]:
        def do_executemany(
            dialect: Any, cursor: Any, sql: str, parameters: Any, context: Any = None
        ) -> None:
            execute = below or dialect.__class__.do_executemany
            if not is_at_work(dialect, context, layer):
                execute(dialect, cursor, sql, parameters, context)
                return
            began = monotonic()
            try:
                execute(dialect, cursor, sql, parameters, context)
            except BaseException:
                raised(began, sql, parameters, context)
                raise
            seconds = monotonic() - began
            # SQLAlchemy hands over a sequence of sets, whatever the host gave.
            succeeded(began, seconds, cursor, sql, parameters, context, len(parameters))

        return do_executemany

    def make_execute_no_params(below: Below | None, layer: Way) -> Callable[..., Any]:
        def do_execute_no_params(dialect: Any, cursor: Any, sql: str, context: Any = None) -> None:
            execute = below or dialect.__class__.do_execute_no_params
            if not is_at_work(dialect, context, layer):
                execute(dialect, cursor, sql, context)
                return
            began = monotonic()
            try:
                execute(dialect, cursor, sql, context)
            except BaseException:
                raised(began, sql, None, context)
                raise
            succeeded(began, monotonic() - began, cursor, sql, None, context, 1)

        return do_execute_no_params

    made = (make_execute, make_executemany, make_execute_no_params)
    return dict(zip(EVENTS, made, strict=True))


def is_at_work(dialect: Any, context: Any, layer: Way) -> bool:
    """Tell whether a function is to see an execution: the other way does where it is not."""
    is_its_turn = dialect._has_events is layer.listens  # noqa: SLF001 - see layers
    return is_its_turn and not layer.is_off and context is not None

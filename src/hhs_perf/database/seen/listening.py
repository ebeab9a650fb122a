"""The listener that sees every query: SQLAlchemy's `do_execute` events.

A listener of `before_cursor_execute` costs each new connection the set-up of its dispatch, which
these do not. A listener of `do_execute` that executes must return True, which ends the chain: so
this one calls the listeners that come after it, as SQLAlchemy would have done.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import event
from sqlalchemy.engine.interfaces import Dialect, ExecuteStyle

from ..._scope import current as current_request
from ..lines import application_line
from ..n_plus_one.watch import MEANT
from ..scopes import FOLD_AT
from ..scopes import current as current_scope
from .fetching import DEFAULT_FETCH, Fetch, TimedFetch, TimedStream
from .statements import DRAIN_AT

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy.engine import Engine

    from .seer import Seer

__all__ = ["Listener"]

_EVENTS: Final = ("do_execute", "do_executemany", "do_execute_no_params")


class Listener:
    """Times what one or all engines execute, and hands it to the seer.

    `full` counts rows and looks for N+1 queries besides, and times fetching where `times_fetching`
    says that this works.
    """

    def __init__(self, seer: Seer, *, full: bool, times_fetching: bool) -> None:
        functions = _functions(seer, full=full, fetching=full and times_fetching)
        self._functions = dict(zip(_EVENTS, functions, strict=True))

    def attach(self, target: Engine | type[Engine]) -> bool:
        """See what `target` executes; tell whether that is before all its other listeners.

        SQLAlchemy adds a listener behind those that are there, and one of them that executes by
        itself ends the chain.
        """
        is_first = True
        for name, function in self._functions.items():
            if not event.contains(target, name, function):
                event.listen(target, name, function)
            is_first = _put_first(target, name, function) and is_first
        return is_first

    def detach(self, target: Engine | type[Engine]) -> None:
        """Leave `target` alone again."""
        for name, function in self._functions.items():
            if event.contains(target, name, function):
                event.remove(target, name, function)


def _put_first(target: Engine | type[Engine], name: str, function: Callable[..., bool]) -> bool:
    try:
        if isinstance(target, type):
            chains = list(getattr(Dialect.dispatch, name)._clslevel.values())  # noqa: SLF001 - no public way
            before: Any = ()
        else:
            chain = getattr(target.dialect.dispatch, name)
            chains, before = [chain.listeners], chain.parent_listeners
        for listeners in chains:
            if function in listeners and listeners[0] is not function:
                listeners.remove(function)
                listeners.appendleft(function)
    except (AttributeError, TypeError):  # a later version keeps them otherwise
        return False
    return not before


def _functions(  # noqa: C901, PLR0915 - one closure over what every query needs: attributes cost
    seer: Seer, *, full: bool, fetching: bool
) -> tuple[Callable[..., bool], Callable[..., bool], Callable[..., bool]]:
    monotonic, fault, recognised = seer.monotonic, seer.fault, seer.recognised
    metrics, drain, slow_from = seer.metrics, seer.book.drain, seer.slow_from
    open_request, profile, fetched = seer.open_request, seer.profile, seer.teller()
    me, mark, current = seer.owner, seer.mark, seer.current
    scope_of_block, scope_of_request = current_scope.get, current_request.get

    def rest(
        name: str, this: Callable[..., bool], dialect: Any, arguments: tuple[Any, ...]
    ) -> None:
        """Do what comes after this listener: the others, then the dialect."""
        is_after = False
        for function in getattr(dialect.dispatch, name):
            if function is this:
                is_after = True
            elif is_after and function(*arguments):
                return
        getattr(dialect, name)(*arguments)

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
                and context.execute_style is ExecuteStyle.EXECUTE
            ):
                # Not the context itself: it holds the strategy, and neither would be freed in time.
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

    def do_execute(  # noqa: C901, PLR0912, PLR0915 - likewise
        cursor: Any, sql: str, parameters: Any, context: Any
    ) -> bool:
        began = monotonic()
        try:
            dialect = context.dialect
            chain = dialect.dispatch.do_execute
            try:  # len(chain) is the same, and dearer
                listeners = len(chain.listeners) + len(chain.parent_listeners)
            except AttributeError:
                listeners = len(chain)
            if listeners == 1:
                dialect.do_execute(cursor, sql, parameters, context)
            else:
                rest("do_execute", do_execute, dialect, (cursor, sql, parameters, context))
        except MEANT:  # of another monitor's, which comes after this one: it was executed
            succeeded(began, monotonic() - began, cursor, sql, parameters, context, 1)
            raise
        except BaseException:
            raised(began, sql, parameters, context)
            raise
        execute = monotonic() - began
        try:
            whose, statement, shape = context.compiled._hhs_perf  # noqa: SLF001 - set by the seer
            is_its_own = sql is context.statement
        except AttributeError:  # the first time, or for a default of a statement not ready yet
            whose = None
        if whose is not mark or not is_its_own or execute > slow_from:
            succeeded(began, execute, cursor, sql, parameters, context, 1)
            return True
        # What `succeeded` does, for one that was seen before and goes as most do: nearly every
        # query comes by here, and half of what it costs would be the calls.
        try:
            scope = scope_of_block()
            if scope is None:
                request = scope_of_request()
                if request is not None and request.is_open:
                    scope = request.queries or open_request(request)
            if scope is not None and scope.owner is not me:
                scope = current()
            if scope is not None and scope.profiled is not None:
                succeeded(began, execute, cursor, sql, parameters, context, 1)
                return True
            if fetching and shape.has_rows is not False:
                if (
                    shape.has_rows is None
                    or context.cursor_fetch_strategy is not DEFAULT_FETCH
                    or context._is_server_side  # noqa: SLF001 - as SQLAlchemy decides
                    or context.execute_style is not ExecuteStyle.EXECUTE
                    or "stream_results" in context.execution_options
                ):
                    succeeded(began, execute, cursor, sql, parameters, context, 1)
                    return True
                # Not the context itself: it holds the strategy, and neither would be freed in time.
                origin = (context.root_connection, context.compiled, sql, parameters)
                context.cursor_fetch_strategy = TimedFetch(
                    fetched, statement, began, execute, origin
                )
            else:
                waiting = statement.waiting
                waiting.append((execute, 0.0, cursor.rowcount if full else 0, 1))
                if len(waiting) >= DRAIN_AT or began + execute >= metrics.due_at:
                    drain(statement)
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
                        waiting = loop.waiting
                        waiting.append(execute)
                        if len(waiting) >= loop.look_in:
                            watch.look(loop, context)
        except MEANT:
            raise
        except Exception as error:  # noqa: BLE001 - a named border: seeing a query
            fault(error)
        return True

    def do_executemany(cursor: Any, sql: str, parameters: Any, context: Any) -> bool:
        began = monotonic()
        try:
            given = (cursor, sql, parameters, context)
            rest("do_executemany", do_executemany, context.dialect, given)
        except BaseException:
            raised(began, sql, parameters, context)
            raise
        execute = monotonic() - began
        # SQLAlchemy hands over a sequence of sets, whatever the host gave.
        succeeded(began, execute, cursor, sql, parameters, context, len(parameters))
        return True

    def do_execute_no_params(cursor: Any, sql: str, context: Any) -> bool:
        began = monotonic()
        try:
            given = (cursor, sql, context)
            rest("do_execute_no_params", do_execute_no_params, context.dialect, given)
        except BaseException:
            raised(began, sql, None, context)
            raise
        succeeded(began, monotonic() - began, cursor, sql, None, context, 1)
        return True

    return do_execute, do_executemany, do_execute_no_params

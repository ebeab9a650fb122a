"""What happens around queries: engines that connect for the first time, transactions that fail."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Final
from weakref import WeakKeyDictionary

from sqlalchemy import Engine, event
from sqlalchemy.engine import Connection
from sqlalchemy.engine.default import DefaultDialect

from ..lines import callers
from ..marks import OWN_POOL
from .layers import Layer, sleeps

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from sqlalchemy.engine import ExceptionContext

    from .layers import Way
    from .seer import Seer

__all__ = ["Surroundings"]

_MOST_FRAMES: Final = 60
_MOST_LAYERS: Final = 20  # of other monitors' and other libraries'
_HANDLER: Final[Any] = getattr(Connection, "_handle_dbapi_exception", None)
_STEPS: Final = {
    "do_begin": "BEGIN",
    "do_begin_twophase": "BEGIN",
    "do_commit": "COMMIT",
    "do_commit_twophase": "COMMIT PREPARED",
    "do_prepare_twophase": "PREPARE TRANSACTION",
    "do_rollback": "ROLLBACK",
    "do_rollback_twophase": "ROLLBACK PREPARED",
}


class Surroundings:
    """Meets engines before their first connection, and counts errors that belong to no execution.

    Where nobody else listens to a dialect, layers over its methods do what the listeners do, if
    `lays_over` says that this works: `connect` for the ones, and for the others `is_disconnect`,
    which SQLAlchemy asks of every error.
    """

    def __init__(
        self, seer: Seer, meet: Callable[[Engine], None], *, lays_over: Callable[[], bool]
    ) -> None:
        self._seer = seer
        self._meet = meet
        self._lays_over = lays_over
        self._over_all: list[Layer] = []
        self._over_one: WeakKeyDictionary[Engine, Layer] = WeakKeyDictionary()

    def attach(self, target: Engine | type[Engine]) -> None:
        """Listen to one engine, or to all."""
        if not event.contains(target, "handle_error", self._failed):
            event.listen(target, "handle_error", self._failed)
        if isinstance(target, type):
            if not event.contains(target, "do_connect", self._connects):
                event.listen(target, "do_connect", self._connects)
            if self._lays_over() and not self._over_all:
                over: Any = DefaultDialect
                self._over_all.append(Layer(over, "connect", self._make_connect))

    def met(self, engine: Engine) -> None:
        """Lay over what is asked of an engine's errors."""
        if self._lays_over() and engine not in self._over_one:
            try:
                layer = Layer(engine.dialect, "is_disconnect", self._make_is_disconnect)
            except (AttributeError, TypeError):  # one that cannot be written to
                return
            self._over_one[engine] = layer

    def detach(self, target: Engine | type[Engine]) -> None:
        """Leave it alone again."""
        for name, listener in (("handle_error", self._failed), ("do_connect", self._connects)):
            if event.contains(target, name, listener):
                event.remove(target, name, listener)
        if isinstance(target, type):
            while self._over_all:
                self._over_all.pop().lift()
        else:
            layer = self._over_one.pop(target, None)
            if layer is not None:
                layer.lift()

    def _make_connect(self, below: Any, way: Way) -> Callable[..., Any]:
        def connect(dialect: Any, *arguments: Any, **named: Any) -> Any:
            if not way.is_off:
                self._connects(dialect)
            return below(dialect, *arguments, **named)

        return connect

    def _make_is_disconnect(self, below: Any, way: Way) -> Callable[..., Any]:
        def is_disconnect(dialect: Any, error: Any, connection: Any, cursor: Any) -> bool:
            if not way.is_off and not dialect._has_events:  # noqa: SLF001 - see layers
                self._asked_of(dialect, error)
            asked = below or dialect.__class__.is_disconnect
            return bool(asked(dialect, error, connection, cursor))

        return is_disconnect

    @sleeps
    def _connects(self, dialect: Any, *_: object) -> None:
        """Get to know the engine that is connecting: the event does not say which it is."""
        try:
            for frame in callers(sys._getframe(1), _MOST_FRAMES):  # noqa: SLF001 - see lines
                # `Engine.raw_connection` is the only way to a connection.
                if frame.f_code is Engine.raw_connection.__code__:
                    engine = frame.f_locals.get("self")
                    if not isinstance(engine, Engine) or engine.dialect is not dialect:
                        return
                    if not hasattr(engine.pool, OWN_POOL):
                        self._meet(engine)
                    return
        except Exception as error:  # noqa: BLE001 - a named border: seeing a query
            self._seer.fault(error)

    @sleeps
    def _failed(self, context: ExceptionContext) -> None:
        """Count what a COMMIT raises, as for a constraint that is deferred."""
        try:
            execution = context.execution_context
            if context.connection is not None and not context.is_pre_ping:
                self._count(
                    context.statement, execution, context.original_exception, context.dialect
                )
        except Exception as error:  # noqa: BLE001 - likewise
            self._seer.fault(error)

    def _asked_of(self, dialect: Any, error: BaseException) -> None:
        """Count an error in the same way, where no listener is told of it."""
        try:
            for frame in callers(sys._getframe(2), _MOST_LAYERS):  # noqa: SLF001 - see lines
                if frame.f_code is _HANDLER.__code__:
                    known = frame.f_locals
                    self._count(known["statement"], known["context"], error, dialect)
                    return
        except Exception as fault:  # noqa: BLE001 - likewise
            self._seer.fault(fault)

    def _count(
        self, statement: str | None, execution: Any, error: BaseException, dialect: Any
    ) -> None:
        if statement is not None:
            return  # executing raised: that was counted
        if execution is not None:
            self._seer.failed_fetching(execution)
            return
        step = _step_of(error.__traceback__)
        if step is not None:
            self._seer.failed_outside(step, dialect)


def _step_of(traceback: TracebackType | None) -> str | None:
    while traceback is not None:
        step = _STEPS.get(traceback.tb_frame.f_code.co_name)
        if step is not None:
            return step
        traceback = traceback.tb_next
    return None

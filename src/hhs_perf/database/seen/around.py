"""What happens around queries: engines that connect for the first time, transactions that fail."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import Engine, event

from ..marks import OWN_POOL

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from sqlalchemy.engine import ExceptionContext

    from .seer import Seer

__all__ = ["Surroundings"]

_MOST_FRAMES: Final = 60
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
    """Meets engines before their first connection, and counts errors that belong to no query."""

    def __init__(self, seer: Seer, meet: Callable[[Engine], None]) -> None:
        self._seer = seer
        self._meet = meet

    def attach(self, target: Engine | type[Engine]) -> None:
        """Listen to one engine, or to all."""
        if not event.contains(target, "handle_error", self._failed):
            event.listen(target, "handle_error", self._failed)
        if isinstance(target, type) and not event.contains(target, "do_connect", self._connects):
            event.listen(target, "do_connect", self._connects)

    def detach(self, target: Engine | type[Engine]) -> None:
        """Leave it alone again."""
        for name, listener in (("handle_error", self._failed), ("do_connect", self._connects)):
            if event.contains(target, name, listener):
                event.remove(target, name, listener)

    def _connects(self, dialect: Any, *_: object) -> None:
        """Get to know the engine that is connecting: the event does not say which it is."""
        try:
            frame, left = sys._getframe(1), _MOST_FRAMES  # noqa: SLF001 - see lines.application_line
            while frame is not None and left:
                # `Engine.raw_connection` is the only way to a connection.
                if frame.f_code is Engine.raw_connection.__code__:
                    engine = frame.f_locals.get("self")
                    if not isinstance(engine, Engine) or engine.dialect is not dialect:
                        return
                    if not hasattr(engine.pool, OWN_POOL):
                        self._meet(engine)
                    return
                frame, left = frame.f_back, left - 1  # type: ignore[assignment] # None at the end
        except Exception as error:  # noqa: BLE001 - a named border: seeing a query
            self._seer.fault(error)

    def _failed(self, context: ExceptionContext) -> None:
        """Count what a COMMIT raises, as for a constraint that is deferred."""
        try:
            is_of_a_query = context.statement is not None or context.execution_context is not None
            if not is_of_a_query and context.connection is not None and not context.is_pre_ping:
                step = _step_of(context.original_exception.__traceback__)
                if step is not None:
                    self._seer.failed_outside(step, context.dialect)
        except Exception as error:  # noqa: BLE001 - likewise
            self._seer.fault(error)


def _step_of(traceback: TracebackType | None) -> str | None:
    while traceback is not None:
        step = _STEPS.get(traceback.tb_frame.f_code.co_name)
        if step is not None:
            return step
        traceback = traceback.tb_next
    return None

"""Lazy loads by SQLAlchemy's public API alone: dearer, and without the time they take.

Used where `selftest` finds that the ORM no longer says of a statement what it is for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import event
from sqlalchemy.orm import Session

from .findings import path_advice
from .watch import MEANT

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy.orm import ORMExecuteState

    from ..scopes import QueryScope
    from ..seen.shapes import Shape

__all__ = ["PublicWatch"]


class PublicWatch:
    """Tells the scope in force of lazy loads, from the event `do_orm_execute`."""

    def __init__(
        self,
        current: Callable[[], QueryScope | None],
        shape_of: Callable[[str, Any], Shape],
        fault: Callable[[Exception], None],
    ) -> None:
        self._current = current
        self._shape_of = shape_of
        self._fault = fault

    def attach(self) -> None:
        """Listen to all sessions."""
        if not event.contains(Session, "do_orm_execute", self._orm_execute):
            event.listen(Session, "do_orm_execute", self._orm_execute)

    def detach(self) -> None:
        """Listen no more."""
        if event.contains(Session, "do_orm_execute", self._orm_execute):
            event.remove(Session, "do_orm_execute", self._orm_execute)

    def _orm_execute(self, state: ORMExecuteState) -> None:
        try:
            scope = self._current()
            watch = None if scope is None else scope.watch
            parent, path = state.lazy_loaded_from, state.loader_strategy_path
            if watch is None or not state.is_relationship_load or parent is None or path is None:
                return
            advice = path_advice(path.path)
            shape = self._shape_of(f"SELECT {advice[1]}", state.session.get_bind().dialect)
            watch.lazy_load(shape, parent.key, advice)
        except MEANT:
            raise
        except Exception as error:  # noqa: BLE001 - a named border: seeing a query
            self._fault(error)

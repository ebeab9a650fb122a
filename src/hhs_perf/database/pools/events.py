"""What a pool tells by public events: the rare ones always, all of them where it is not timed."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Final
from weakref import ref

from sqlalchemy import event

from ..lines import callers
from ..marks import OWN_POOL
from ..seen.layers import Layer, sleeps
from ..selftest import abilities
from .holders import current_task

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Engine
    from sqlalchemy.pool import ConnectionPoolEntry

    from ..seen.layers import Way
    from .ledger import Ledger

__all__ = ["PoolEvents"]

_MOST_LAYERS: Final = 20


class PoolEvents:
    """Listens to a pool by way of an engine, so that pools that replace it are heard too.

    A pool that `is_timed` itself tells what happens often better. `holds` says whether checkouts
    and returns are to be heard: a pool that lends one connection to many has none to time.
    """

    def __init__(self, engine: Engine, ledger: Ledger, *, is_timed: bool, holds: bool) -> None:
        self._engine = ref(engine)
        self._ledger = ledger
        self._is_timed = is_timed
        self._holds = holds
        self._listened: list[tuple[str, Callable[..., None]]] = []
        self._layer: Layer | None = None

    def listen(self) -> None:
        """Begin."""
        engine = self._engine()
        heard: dict[str, Callable[..., None]] = {
            "connect": self._connected,
            "close": self._closed,
            "close_detached": self._closed,
            "invalidate": self._invalidated,
            "soft_invalidate": self._invalidated,
        }
        if self._holds:
            heard |= {"checkout": self._checked_out, "checkin": self._checked_in}
        if not self._is_timed:
            heard["do_connect"] = self._connecting
        for name, function in heard.items():
            event.listen(engine, name, function)
            self._listened.append((name, function))
        if engine is not None and not self._is_timed and abilities().layers is None:
            try:
                self._layer = Layer(engine.dialect, "connect", self._make_connect)
            except (AttributeError, TypeError):  # one that cannot be written to
                return

    def close(self) -> None:
        """End; an engine that is gone took its listeners along."""
        engine = self._engine()
        if engine is not None:
            for name, function in self._listened:
                if event.contains(engine, name, function):
                    event.remove(engine, name, function)
        self._listened.clear()
        if self._layer is not None:
            self._layer.lift()
            self._layer = None

    def _make_connect(self, below: Any, way: Way) -> Callable[..., Any]:
        """Do what `_connecting` does, while no listener of the dialect's is asked."""

        def connect(dialect: Any, *arguments: Any, **named: Any) -> Any:
            if not way.is_off and not dialect._has_events:  # noqa: SLF001 - see layers
                self._connecting_unasked()
            return (below or dialect.__class__.connect)(dialect, *arguments, **named)

        return connect

    def _connecting_unasked(self) -> None:
        try:
            for frame in callers(sys._getframe(2), _MOST_LAYERS):  # noqa: SLF001 - told nobody else
                record = frame.f_locals.get("connection_record")
                if record is not None:
                    self._ledger.connecting(record)
                    return
        except Exception as exc:  # noqa: BLE001 - a named border: the new connection
            self._ledger.faults.note("timing a new connection", exc)

    @sleeps
    def _connecting(self, _: object, record: ConnectionPoolEntry, __: object, ___: object) -> None:
        self._ledger.connecting(record)

    def _connected(self, _: object, record: ConnectionPoolEntry) -> None:
        try:
            if not _is_ours(record):
                self._ledger.connects_anew(record)
        except Exception as exc:  # noqa: BLE001 - a named border: the event
            self._ledger.faults.note("counting a new connection", exc)

    def _closed(self, _: object, record: object = None) -> None:
        try:
            if not _is_ours(record):
                self._ledger.closed()
        except Exception as exc:  # noqa: BLE001 - a named border: the event
            self._ledger.faults.note("counting a closed connection", exc)

    def _invalidated(self, *_: object) -> None:
        try:
            self._ledger.invalidated()
        except Exception as exc:  # noqa: BLE001 - a named border: the event
            self._ledger.faults.note("counting an invalidation", exc)

    def _checked_out(self, _: object, record: object, __: object) -> None:
        ledger = self._ledger
        try:
            if _is_ours(record):
                return
            ledger.lend(record, current_task())
            with ledger.lock:
                ledger.taken_by_event += 1
        except Exception as exc:  # noqa: BLE001 - a named border: the event
            ledger.faults.note("timing a checkout", exc)

    def _checked_in(self, _: object, record: object) -> None:
        try:
            self._ledger.returned(record)
        except Exception as exc:  # noqa: BLE001 - a named border: the event
            self._ledger.faults.note("timing the return of a connection", exc)


def _is_ours(record: object) -> bool:
    """Tell a connection of the library's own, made as the host makes its."""
    return hasattr(getattr(record, "_ConnectionRecord__pool", None), OWN_POOL)

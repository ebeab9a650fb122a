"""Hearing of every query: SQLAlchemy's `do_execute` events, and the methods of the same names.

A listener of `before_cursor_execute` costs each new connection the set-up of its dispatch, which
these do not. A listener of `do_execute` that executes must return True, which ends the chain: so
this one calls the listeners that come after it, as SQLAlchemy would have done. Where there are no
others it sleeps, and a layer over the method does its work: see `layers`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final
from weakref import WeakKeyDictionary

from sqlalchemy import Engine, event
from sqlalchemy.engine.default import DefaultDialect
from sqlalchemy.engine.interfaces import Dialect

from .layers import Layer, Way, all_dialects, fall_asleep, sleeps
from .timing import EVENTS, makers

if TYPE_CHECKING:
    from collections.abc import Callable

    from .seer import Seer
    from .timing import Maker

__all__ = ["Listener"]

_ASKED: Final = "_has_events"


class Listener:
    """Times what one or all engines execute, and hands it to the seer.

    `full` counts rows and looks for N+1 queries besides, and times fetching where `times_fetching`
    says that this works; `lays_over` says whether layers do.
    """

    def __init__(self, seer: Seer, *, full: bool, times_fetching: bool, lays_over: bool) -> None:
        self._makers = makers(seer, full=full, fetching=full and times_fetching)
        self._listeners = {name: _listener(name, make) for name, make in self._makers.items()}
        self._lays_over = lays_over
        self._over_all: list[Layer] = []
        self._over_one: WeakKeyDictionary[Engine, list[Layer]] = WeakKeyDictionary()
        # Classes of dialects whose listeners are always asked.
        self._awake: list[type[Dialect]] = []

    def attach(self, target: Engine | type[Engine]) -> bool:
        """See what `target` executes; tell whether that is before all its other listeners.

        SQLAlchemy adds a listener behind those that are there, and one of them that executes by
        itself ends the chain.
        """
        is_first = True
        for name, listener in self._listeners.items():
            if not event.contains(target, name, listener):
                event.listen(target, name, listener)
            is_first = _put_first(target, name, listener) and is_first
        if self._lays_over:
            self._lay_over(target)
        return is_first

    def detach(self, target: Engine | type[Engine]) -> None:
        """Leave `target` alone again."""
        for name, listener in self._listeners.items():
            if event.contains(target, name, listener):
                event.remove(target, name, listener)
        if isinstance(target, type):
            layers, self._over_all = self._over_all, []
            awake, self._awake = self._awake, []
            for cls in awake:
                if _ASKED in vars(cls):
                    delattr(cls, _ASKED)
        else:
            layers = self._over_one.pop(target, [])
        for layer in reversed(layers):
            layer.lift()

    def fall_asleep(self, engine: Engine) -> None:
        """Let the listeners of an engine sleep again, after others of ours were registered."""
        if self._over_all or engine in self._over_one:
            fall_asleep(engine)

    def wake(self, cls: type[Dialect]) -> None:
        """Have the listeners asked of dialects that execute by methods of their own.

        A layer over the methods of all others does not see what those do.
        """
        if _ASKED not in vars(cls) and _executes_otherwise(cls):
            setattr(cls, _ASKED, True)
            self._awake.append(cls)

    def _lay_over(self, target: Engine | type[Engine]) -> None:
        if isinstance(target, type):
            if not self._over_all:
                over: Any = DefaultDialect
                self._over_all = [Layer(over, name, make) for name, make in self._makers.items()]
                for cls in all_dialects():
                    self.wake(cls)
        elif target not in self._over_one:
            try:
                self._over_one[target] = [
                    Layer(target.dialect, name, make) for name, make in self._makers.items()
                ]
            except (AttributeError, TypeError):  # one that cannot be written to: it is listened to
                return
        fall_asleep(target)


def _executes_otherwise(cls: type[Dialect]) -> bool:
    return any(name in vars(base) for base in cls.__mro__ for name in EVENTS if _is_apart(base))


def _is_apart(base: type) -> bool:
    return base is not DefaultDialect and base is not Dialect


def _listener(name: str, make: Maker) -> Callable[..., bool]:
    def rest(dialect: Any, *arguments: Any) -> None:
        """Do what comes after this listener: the others, then the dialect."""
        is_after = False
        for function in getattr(dialect.dispatch, name):
            if function is listener:
                is_after = True
            elif is_after and function(*arguments):
                return
        getattr(dialect, name)(*arguments)

    take = make(rest, Way(listens=True))

    @sleeps
    def listener(*arguments: Any) -> bool:
        take(arguments[-1].dialect, *arguments)
        return True

    return listener  # type: ignore[no-any-return] # it is marked only


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

"""Methods of dialects with a function of ours laid over them.

SQLAlchemy asks the listeners of a dialect's events one by one, at a price that a query feels; its
method it calls in any case. So where nobody else listens, our listeners sleep: they are
registered, and SQLAlchemy's own note that there are listeners is taken back, which the next that
registers sets anew. Until then the function over the method does what they do.
"""

# ruff: noqa: SLF001 - that note, and the listeners of classes, are kept to itself by SQLAlchemy

from __future__ import annotations

from types import FunctionType, MethodType
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy.engine.default import DefaultDialect
from sqlalchemy.engine.events import DialectEvents
from sqlalchemy.engine.interfaces import Dialect

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sqlalchemy import Engine

__all__ = ["Layer", "Way", "all_dialects", "fall_asleep", "sleeps"]

_LAYER: Final = "_hhs_perf_layer"
_SLEEPS: Final = "_hhs_perf_sleeps"
_EVENTS: Final = tuple(
    name for name, value in vars(DialectEvents).items()
    if isinstance(value, FunctionType) and not name.startswith("_")
)  # fmt: skip


class Way:
    """How a function comes to be called: by SQLAlchemy's events, for ever, if it `listens`."""

    __slots__ = ("is_off", "listens")

    def __init__(self, *, listens: bool) -> None:
        self.listens = listens
        self.is_off = False


class Layer(Way):
    """One function over a method of `target`, a dialect or a class of dialects.

    `make` gets what lies below, which takes the dialect first, or None where that is to be asked
    of the dialect's class each time, so that a layer over the class is seen later too. The
    function is to do nothing of its own once the layer `is_off`: when somebody has laid something
    over it, it stays where it is.
    """

    __slots__ = ("_function", "_held", "_name", "_target")

    def __init__(
        self,
        target: Dialect | type[Dialect],
        name: str,
        make: Callable[[Callable[..., Any] | None, Way], Callable[..., Any]],
    ) -> None:
        super().__init__(listens=False)
        self._target: Any = target
        self._name = name
        self._held = vars(target).get(name)
        below = self._held
        if below is not None and not isinstance(target, type):
            below = _without_dialect(below)
        function: Any = make(below, self)
        setattr(function, _LAYER, self)
        self._function = function
        method = function if isinstance(target, type) else MethodType(function, target)
        setattr(target, name, method)

    def lift(self) -> None:
        """Take it away again, with those below that had to stay."""
        self.is_off = True
        target, name = self._target, self._name
        if _function_of(vars(target).get(name)) is not self._function:
            return
        held = self._held
        while (layer := getattr(_function_of(held), _LAYER, None)) is not None and layer.is_off:
            held = layer._held
        if held is None:
            delattr(target, name)
        else:
            setattr(target, name, held)


def _without_dialect(function: Callable[..., Any]) -> Callable[..., Any]:
    return lambda _, *arguments, **named: function(*arguments, **named)


def _function_of(method: Any) -> Any:
    return getattr(method, "__func__", method)


def sleeps(function: Any) -> Any:
    """Mark a listener that sleeps where a layer does its work; for use as a decorator too."""
    setattr(function, _SLEEPS, True)
    return function


def fall_asleep(target: Engine | type[Engine]) -> bool:
    """Let the listeners of an engine, or of all, sleep; tell whether nobody else's is there."""
    if any(not _is_sleeping(each) for each in _listeners_of_classes()):
        return False
    Dialect._has_events = False
    if isinstance(target, type):
        return True
    dispatch: Any = target.dialect.dispatch
    if any(not _is_sleeping(each) for name in _EVENTS for each in getattr(dispatch, name)):
        return False
    target.dialect.__dict__.pop("_has_events", None)
    return True


def _listeners_of_classes() -> Iterator[Any]:
    for name in _EVENTS:
        for listeners in list(getattr(Dialect.dispatch, name)._clslevel.values()):
            yield from listeners


def _is_sleeping(listener: Any) -> bool:
    return getattr(_function_of(listener), _SLEEPS, False)


def all_dialects() -> Iterator[type[Dialect]]:
    """Give all classes of dialects that there are now."""
    waiting: list[type[Dialect]] = [DefaultDialect, *Dialect.__subclasses__()]
    seen: set[type[Dialect]] = set()
    while waiting:
        each = waiting.pop()
        if each not in seen:
            seen.add(each)
            waiting += each.__subclasses__()
            yield each

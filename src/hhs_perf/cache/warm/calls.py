"""Which call of a cached function a key stands for, so that it can be made again."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, Final, Protocol
from weakref import WeakValueDictionary

import attrs

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..loading import LoadRequest

__all__ = ["Call", "Calls", "Repeatable", "name_of"]

_MOST: Final = 1_000
_LONGEST: Final = 200
_MOST_ARGUMENTS: Final = 10
_PLAIN: Final = (str, int, float, bool, bytes, type(None))
# MessagePack has no wider ones.
_WIDEST: Final = 2**63


class Repeatable(Protocol):
    """A cached function, as far as its calls can be made again."""

    name: str
    """Module and qualified name."""

    def request(self, key: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> LoadRequest:
        """Put together what loads the result of that call."""
        ...

    def key_of(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> str:
        """Give the key of that call's result."""
        ...


@attrs.frozen(kw_only=True)
class Call:
    """A call of a cached function."""

    name: str
    args: tuple[object, ...]
    kwargs: dict[str, object]

    @property
    def is_plain(self) -> bool:
        """Tell whether MessagePack gives all arguments back as they are, and none is long."""
        return all(
            type(value) in _PLAIN and _is_short(value)
            for value in (*self.args, *self.kwargs.values())
        )


class Calls:
    """The latest 1,000 calls that loaded something, by key, and the functions that were called.

    Only what MessagePack gives back as it is counts as a plain argument, and none longer than
    200 characters; calls with other arguments are not remembered.
    """

    def __init__(self) -> None:
        # Guards the calls; reentrant as that of flights.
        self._lock = threading.RLock()
        self._calls: dict[str, Call] = {}
        self._functions: WeakValueDictionary[str, Repeatable] = WeakValueDictionary()

    def know(self, function: Repeatable) -> None:
        """Take that there is this function; of two of one name the later one counts."""
        self._functions[function.name] = function

    def remember(
        self, key: str, name: str, args: tuple[object, ...], kwargs: dict[str, object]
    ) -> None:
        """Take that the function of that name was called, if its arguments are plain."""
        if len(args) + len(kwargs) > _MOST_ARGUMENTS:
            return
        call = Call(name=name, args=args, kwargs=kwargs)
        if not call.is_plain:
            return
        with self._lock:
            self._calls.pop(key, None)
            self._calls[key] = call
            if len(self._calls) > _MOST:
                # Nothing is called in between: a finalizer may remember a call, too.
                for oldest in self._calls:
                    del self._calls[oldest]
                    break

    def of(self, key: str) -> Call | None:
        """Give the call that `key` stands for, if it is remembered."""
        return self._calls.get(key)

    def again(self, key: str, call: Call) -> LoadRequest | None:
        """Give what makes a call again; None unless its function is there, and says the same key.

        The key is the proof: a call that was kept by another version of the host, or by somebody
        else, loads nothing but what it claims to be.
        """
        function = self._functions.get(call.name)
        if function is None or not call.is_plain:
            return None
        try:
            if function.key_of(call.args, call.kwargs) != key:
                return None
            return function.request(key, call.args, call.kwargs)
        except (TypeError, ValueError):  # the function takes other arguments now
            return None

    def after_fork_in_child(self) -> None:
        """Renew the lock, which another thread may have held."""
        self._lock = threading.RLock()


def name_of(function: object) -> str:
    """Give module and qualified name of a function; of what has none, those of its class."""
    named = function if hasattr(function, "__qualname__") else type(function)
    return f"{named.__module__}.{named.__qualname__}"


def _is_short(value: object) -> bool:
    if isinstance(value, str | bytes):
        return len(value) <= _LONGEST
    return not isinstance(value, int) or -_WIDEST <= value < _WIDEST

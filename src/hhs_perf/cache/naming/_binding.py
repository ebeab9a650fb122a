"""Arguments in the order of a function's parameters, however they were passed."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Final

from ...exceptions import CacheKeyError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["Binder"]

_ANY_NUMBER: Final = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


class Binder:
    """Binds calls of one function; `names` are its parameters."""

    def __init__(self, function: Callable[..., object]) -> None:
        try:
            self._signature = inspect.signature(function)
        except (TypeError, ValueError) as exc:
            raise CacheKeyError(f"the parameters of {function!r} are unknown: {exc}") from exc
        parameters = list(self._signature.parameters.values())
        self.names: tuple[str, ...] = tuple(self._signature.parameters)
        self._is_open_ended = any(each.kind in _ANY_NUMBER for each in parameters)
        self._rows = [
            (each.name, each.default, each.kind is inspect.Parameter.POSITIONAL_ONLY)
            for each in parameters
        ]
        self._most = sum(each.kind is not inspect.Parameter.KEYWORD_ONLY for each in parameters)
        self._tails = {} if self._is_open_ended else _tails(parameters)

    def bound(self, args: tuple[object, ...], kwargs: Mapping[str, object]) -> tuple[object, ...]:
        """Give one value for each parameter, defaults included, `*args` as a tuple.

        Raises the TypeError that the call itself would raise.
        """
        if not kwargs:
            tail = self._tails.get(len(args))
            return self._bound_slowly(args, kwargs) if tail is None else args + tail
        if self._is_open_ended or len(args) > self._most:
            return self._bound_slowly(args, kwargs)
        values = list(args)
        used = 0
        for name, default, positional_only in self._rows[len(args) :]:
            if name in kwargs and not positional_only:
                values.append(kwargs[name])
                used += 1
            elif default is not inspect.Parameter.empty:
                values.append(default)
            else:
                return self._bound_slowly(args, kwargs)
        return tuple(values) if used == len(kwargs) else self._bound_slowly(args, kwargs)

    def _bound_slowly(
        self, args: tuple[object, ...], kwargs: Mapping[str, object]
    ) -> tuple[object, ...]:
        bound = self._signature.bind(*args, **kwargs)
        bound.apply_defaults()
        return tuple(bound.arguments.values())


def _tails(parameters: list[inspect.Parameter]) -> dict[int, tuple[object, ...]]:
    """Give the defaults that complete a call, by the number of its positional arguments."""
    tails: dict[int, tuple[object, ...]] = {}
    defaults = [each.default for each in parameters]
    positional = sum(each.kind is not inspect.Parameter.KEYWORD_ONLY for each in parameters)
    for given in range(positional + 1):
        tail = tuple(defaults[given:])
        if not any(each is inspect.Parameter.empty for each in tail):
            tails[given] = tail
    return tails

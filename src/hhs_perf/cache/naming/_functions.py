"""Names of functions: what tells the calls of one from those of all others.

A function goes by its module and qualified name; where one name stands for several, what makes
the difference is added as a hash: what a factory closed over, what a method is bound to.
"""

from __future__ import annotations

import inspect
import sys
from dis import get_instructions
from pathlib import PurePath
from types import ModuleType
from typing import TYPE_CHECKING

from ...exceptions import CacheKeyError
from ._canonical import canonical, hashed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["full_name"]


def full_name(function: Callable[..., object]) -> str:
    """Give the name that all keys of calls of `function` begin with.

    Values that a function closes over count as they are now; modules, classes, functions and
    other cached functions go by their names. Of a function in a decorator's wrapper, what it
    closes over counts, and of what the wrapper does, that of which a key can be made.

    Raises CacheKeyError for a function without a name, and for one that closes over, or is bound
    to, a value of which no key can be made.
    """
    return _Names(getattr(function, "__qualname__", repr(function)) + "()").of(function)


class _Names:
    """Names one function, and those it closes over."""

    def __init__(self, title: str) -> None:
        self._title = title
        # Functions may close over each other.
        self._above: list[object] = []

    def of(self, function: Callable[..., object]) -> str:
        name = getattr(function, "__qualname__", None)
        if name is None or name.endswith("<lambda>"):
            raise CacheKeyError(
                f"{function!r} has no name that tells it from others: give it a key='…'"
            )
        plain = f"{_module_of(function)}.{name}"
        if any(each is function for each in self._above):
            return plain
        self._above.append(function)
        texts = list(self._around(function))
        self._above.pop()
        return f"{plain}#{hashed(', '.join(texts))[:16]}" if texts else plain

    def _around(self, function: Callable[..., object]) -> Iterator[str]:
        owner = getattr(function, "__self__", None)
        if owner is not None and not isinstance(owner, ModuleType):
            yield f"self={self._bound_to(owner)}"
        function = getattr(function, "__func__", function)
        wrapped = getattr(function, "__wrapped__", None)
        for name, value in _closed_over(function):
            if value is wrapped:
                continue
            try:
                yield f"{name}={self._text(value, name)}"
            except CacheKeyError as exc:
                # A decorator's own tools, such as a lock or a logger, are not what is computed.
                if wrapped is None:
                    raise self._refusal(f"closes over {name!r}, {_a(value)}", "it") from exc
        if wrapped is not None:
            yield from self._around(wrapped)

    def _bound_to(self, owner: object) -> str:
        try:
            return canonical(owner, self._title, "self")
        except CacheKeyError as exc:
            raise self._refusal(f"is bound to {_a(owner)}", "the object") from exc

    def _text(self, value: object, name: str) -> str:
        if isinstance(value, ModuleType):
            return f"module<{value.__name__}>"
        if name == "__class__" and isinstance(value, type):  # what super() needs
            return f"type<{value.__module__}.{value.__qualname__}>"
        if inspect.isroutine(value):
            pattern = getattr(value, "pattern", None)
            is_cached = hasattr(value, "key_of") and isinstance(pattern, str)
            return f"function<{pattern if is_cached else self.of(value)}>"
        return canonical(value, self._title, name)

    def _refusal(self, what: str, it: str) -> CacheKeyError:
        return CacheKeyError(
            f"{self._title} {what}, of which no key can be made, so that its keys could be those "
            f"of another: give it a key='…', make {it} an argument, or give the class a "
            "__cache_key__() method"
        )


def _closed_over(function: object) -> Iterator[tuple[str, object]]:
    code = getattr(function, "__code__", None)
    cells = getattr(function, "__closure__", None)
    if code is None or not cells:
        return
    # What the function itself assigns, such as a count of its calls, is no property of it.
    own = {each.argval for each in get_instructions(code) if each.opname == "STORE_DEREF"}
    for name, cell in zip(code.co_freevars, cells, strict=True):
        if name in own:
            continue
        try:
            value = cell.cell_contents
        except ValueError:  # what is assigned further down has no value yet
            continue
        yield name, value


def _module_of(function: Callable[..., object]) -> str:
    module = function.__module__
    if module != "__main__":
        return module
    # Under its file's name it shares entries with the server that imports it, and shares none
    # with other scripts.
    main = sys.modules[module]
    spec = getattr(main, "__spec__", None)
    return spec.name if spec is not None else PurePath(getattr(main, "__file__", module)).stem


def _a(value: object) -> str:
    return f"a {type(value).__module__}.{type(value).__qualname__}"

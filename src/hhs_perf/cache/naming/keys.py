"""Keys made from calls, and patterns that tell kinds of keys."""

from __future__ import annotations

import re
import sys
from contextlib import suppress
from dis import get_instructions
from pathlib import PurePath
from typing import TYPE_CHECKING, Final

from ...exceptions import CacheKeyError
from ._binding import Binder
from ._canonical import canonical, hashed
from ._recent import RecentKeys
from ._templates import KeyTemplate, escaped

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["KeyMaker", "KeyTemplate", "pattern_of"]

_LONGEST: Final = 200
_CLOSED_OVER: Final = (str, int, float, bool, bytes, type(None))

_MOST_PARTS: Final = 12
_LONGEST_WORD: Final = 32
_OF_AN_ID: Final = re.compile(r"[\d%@'~]")


class KeyMaker:
    """Makes the key of each call of one function.

    With `key`, a template, its fields are parameters of the function: see `KeyTemplate`. Without,
    the key is the function's full name and all arguments, `shop.views.summary('org', 5)`, hashed
    (BLAKE2b) when longer than 200 characters. Calls that Python binds alike have one key:
    `f(1, b=2)` is `f(a=1, b=2)`, and a default is what it stands for. `version` tells values of
    this version of the function from older ones.

    Raises CacheKeyError for a template that does not fit, or a function without a name.
    """

    def __init__(
        self,
        function: Callable[..., object],
        key: str | None = None,
        version: str | int | None = None,
    ) -> None:
        self._binder = Binder(function)
        self._title = getattr(function, "__qualname__", repr(function)) + "()"
        version_tag = "" if version is None else f"@{escaped(str(version))}"
        self._template: KeyTemplate | None = None
        self.told_by = self._binder.names
        """What calls that have one key agree in: parameters, or attributes such as `self.id`."""
        if key is None:
            self._name = _full_name(function) + version_tag
            self.pattern = f"{self._name}(*)"
        else:
            self._template = KeyTemplate(key)
            self._after = f":{version_tag}" if version_tag else ""
            self.pattern = key
            for name in self._template.names:
                if name not in self._binder.names:
                    raise CacheKeyError(
                        f"key template {key!r}: {self._title} has no parameter {name!r}, only "
                        f"{', '.join(self._binder.names) or 'none'}"
                    )
            self._reads = self._template.reads(self._binder.names)
            self.told_by = self._template.paths
        self._recent = RecentKeys()
        self.known = self._recent.by_kinds
        """Keys made of late, by the types of what tells them, then by its values."""

    def make(self, args: tuple[object, ...], kwargs: Mapping[str, object]) -> str:
        """Give the key of the call `function(*args, **kwargs)` from `args` and `kwargs`.

        Raises CacheKeyError, naming parameter and type, for arguments of which none can be made,
        and the TypeError of the call itself for arguments that it does not take.
        """
        values = self._binder.bound(args, kwargs)
        template = self._template
        if template is not None:
            values = template.read(values, self._reads)
        # Attributes may change, and keywords come in any order: not the call tells the key, what
        # stands in it does.
        key = self._recent.find(values)
        if key is None:
            key = (
                self._automatic(values)
                if template is None
                else template.filled(values) + self._after
            )
            self._recent.keep(values, key)
        return key

    def _automatic(self, values: tuple[object, ...]) -> str:
        texts = [
            canonical(value, self._title, name)
            for name, value in zip(self._binder.names, values, strict=True)
        ]
        text = ", ".join(texts)
        if len(self._name) + len(text) > _LONGEST:
            text = f"#{hashed(text)}"
        return f"{self._name}({text})"


def _full_name(function: Callable[..., object]) -> str:
    name = getattr(function, "__qualname__", None)
    if name is None or name.endswith("<lambda>"):
        raise CacheKeyError(
            f"{function!r} has no name that tells it from others: give it a key='…'"
        )
    return f"{_module_of(function)}.{name}{_closure_tag(function)}"


def _module_of(function: Callable[..., object]) -> str:
    module = function.__module__
    if module != "__main__":
        return module
    # Under its file's name it shares entries with the server that imports it, and shares none
    # with other scripts.
    main = sys.modules[module]
    spec = getattr(main, "__spec__", None)
    return spec.name if spec is not None else PurePath(getattr(main, "__file__", module)).stem


def _closure_tag(function: Callable[..., object]) -> str:
    """Tell functions apart that one factory made: they have one name, and other values around."""
    code = getattr(function, "__code__", None)
    cells = getattr(function, "__closure__", None)
    if code is None or not cells:
        return ""
    # What the function itself assigns, such as a count of its calls, is no property of it.
    own = {each.argval for each in get_instructions(code) if each.opname == "STORE_DEREF"}
    texts = []
    for name, cell in zip(code.co_freevars, cells, strict=True):
        with suppress(ValueError):  # what is assigned further down has no value yet
            if name not in own and type(cell.cell_contents) in _CLOSED_OVER:
                texts.append(f"{name}={canonical(cell.cell_contents, '', '')}")
    return f"#{hashed(', '.join(texts))[:16]}" if texts else ""


def pattern_of(key: str) -> str:
    """Give the kind of a key: the parts between colons that look like an id become `*`.

    `account:7:posts` is one of `account:*:posts`. An id has a digit or what escapes write, or is
    longer than 32 characters. Looks at 200 characters and 12 parts, whatever the key.
    """
    looked_at = key[:_LONGEST]
    name, bracket, _ = looked_at.partition("(")
    if bracket and key[-1] == ")" and ":" not in name:
        return f"{name}(*)"
    parts = looked_at.split(":", _MOST_PARTS)
    if len(parts) > _MOST_PARTS or len(key) > _LONGEST:
        parts[-1] = "*"
    return ":".join(
        "*" if len(part) > _LONGEST_WORD or _OF_AN_ID.search(part) else part for part in parts
    )

"""Keys made from calls, and patterns that tell kinds of keys."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from ...exceptions import CacheKeyError
from ._binding import Binder
from ._canonical import canonical, hashed
from ._functions import full_name
from ._recent import RecentKeys
from ._templates import KeyTemplate, escaped
from .own import own_pattern

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["KeyMaker", "KeyTemplate", "pattern_of"]

_LONGEST: Final = 200

_MOST_PARTS: Final = 12
_LONGEST_WORD: Final = 32
_OF_AN_ID: Final = re.compile(r"[\d%@'~]")


class KeyMaker:
    """Makes the key of each call of one function.

    With `key`, a template, its fields are parameters of the function: see `KeyTemplate`. Without,
    the key is the function's full name and all arguments, `shop.views.summary('org', 5)`, hashed
    (BLAKE2b) when longer than 200 characters. Calls that Python binds alike have one key:
    `f(1, b=2)` is `f(a=1, b=2)`, and a default is what it stands for. Two functions of one module
    and qualified name, such as those in the branches of an `if`, are one; what a function closes
    over and what a method is bound to are part of the name. `version` tells values of this version
    of the function from older ones.

    Raises CacheKeyError for a template that does not fit, and, without one, for a function that
    has no name, or closes over or is bound to what no key can be made of.
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
            self._name = full_name(function) + version_tag
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


def pattern_of(key: str) -> str:
    """Give the kind of a key: the parts between colons that look like an id become `*`.

    `account:7:posts` is one of `account:*:posts`. An id has a digit or what escapes write, or is
    longer than 32 characters. Looks at 200 characters and 12 parts, whatever the key. Keys of
    responses and of Flask-Caching's views have the templates of their routes instead.
    """
    if (own := own_pattern(key)) is not None:
        return own
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

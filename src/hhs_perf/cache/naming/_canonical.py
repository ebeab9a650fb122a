"""One text for one value: what automatic keys are made of.

The text looks like Python and names every type, so that `1`, `True`, `1.0` and `'1'` differ; equal
dicts and sets give one text in whatever order they were filled. It is the same in every process.
"""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from enum import Enum
from typing import TYPE_CHECKING, Final, cast
from uuid import UUID

from ...exceptions import CacheKeyError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

__all__ = ["canonical", "hashed"]

_DEEPEST: Final = 32
# Lists that hold one list twice, some levels deep, have more parts than there is time.
_MOST_PARTS: Final = 100_000
# Python refuses to spell longer integers in decimals (CVE-2020-10735).
_MOST_BITS: Final = 4_096


def _int(value: int) -> str:
    return repr(value) if value.bit_length() <= _MOST_BITS else hex(value)


def _datetime(value: dt.datetime) -> str:
    zone = value.tzinfo
    # Equal times in two zones need not be equal any more after a day was added.
    name = getattr(zone, "key", None) or getattr(zone, "zone", None) or value.tzname()
    return f"datetime({value.isoformat()}, {str(name)!r}, {value.fold})"


def _time(value: dt.time) -> str:
    return f"time({value.isoformat()}, {value.tzname()!r}, {value.fold})"


def _timedelta(value: dt.timedelta) -> str:
    return f"timedelta({value.days}, {value.seconds}, {value.microseconds})"


_TEXTS: Final[dict[type, Callable[..., str]]] = {
    type(None): repr,
    bool: repr,
    int: _int,
    float: repr,
    str: repr,
    bytes: repr,
    Decimal: "Decimal({})".format,
    UUID: "UUID({})".format,
    dt.date: "date({})".format,
    dt.datetime: _datetime,
    dt.time: _time,
    dt.timedelta: _timedelta,
}


_BRACKETS: Final[dict[type, tuple[str, str]]] = {
    list: ("[", "]"),
    tuple: ("(", ")"),
    set: ("set(", ")"),
    frozenset: ("frozenset(", ")"),
}


def canonical(value: object, where: str, name: str) -> str:
    """Give the text of `value`.

    Raises CacheKeyError for a value of which there is none; `where` and `name` tell in its message
    whose parameter that is.
    """
    text = _TEXTS.get(type(value))
    return text(value) if text is not None else _Writer(where, name).text(value, 0)


def hashed(text: str) -> str:
    """Give a text of 32 characters for one of any length."""
    from hashlib import blake2b  # noqa: PLC0415 - slow to import, and long keys are rare

    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def _dotted_name(named: type) -> str:
    return f"{named.__module__}.{named.__qualname__}"


class _Writer:
    """Writes one nested value, and counts its parts."""

    def __init__(self, where: str, name: str) -> None:
        self._where = where
        self._name = name
        self._parts = 0

    def text(self, value: object, depth: int) -> str:
        self._parts += 1
        if depth > _DEEPEST or self._parts > _MOST_PARTS:
            raise self._error(
                f"holds itself, or more than {_DEEPEST} levels or {_MOST_PARTS} parts", "say"
            )
        kind = type(value)
        write = _TEXTS.get(kind)
        if write is not None:
            return write(value)
        if kind is dict:
            return self._dict(cast("dict[object, object]", value), depth + 1)
        brackets = _BRACKETS.get(kind)
        if brackets is not None:
            items = self._items(cast("Iterable[object]", value), depth + 1)
            if kind is set or kind is frozenset:
                items.sort()
            return f"{brackets[0]}{', '.join(items)}{brackets[1]}"
        return self._object(value, kind, depth + 1)

    def _dict(self, value: dict[object, object], depth: int) -> str:
        items = [
            f"{self.text(key, depth)}: {self.text(item, depth)}" for key, item in value.items()
        ]
        return f"{{{', '.join(sorted(items))}}}"

    def _items(self, value: Iterable[object], depth: int) -> list[str]:
        return [self.text(item, depth) for item in value]

    def _object(self, value: object, kind: type, depth: int) -> str:
        # Looked up on the class, as Python does with its own special methods.
        own_key = getattr(kind, "__cache_key__", None)
        if own_key is not None:
            return f"{_dotted_name(kind)}<{self.text(own_key(value), depth)}>"
        if isinstance(value, Enum):
            return f"{_dotted_name(kind)}<{value.name}, {self.text(value.value, depth)}>"
        if isinstance(value, tuple) and hasattr(kind, "_fields"):
            return f"{_dotted_name(kind)}({', '.join(self._items(value, depth))})"
        # Classes made in functions share their name with those that other calls made.
        if isinstance(value, type) and "<locals>" not in value.__qualname__:
            return f"type<{_dotted_name(value)}>"
        raise self._error(
            f"is or holds a {_dotted_name(kind)}",
            "give that class a __cache_key__() method, or say",
        )

    def _error(self, what: str, say: str) -> CacheKeyError:
        return CacheKeyError(
            f"{self._where}: {self._name!r} {what}, of which no key can be made; {say} with a "
            f"template what tells calls apart, as in key='…:{{{self._name}.id}}'"
        )

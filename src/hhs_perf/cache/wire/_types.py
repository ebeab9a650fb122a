"""Decoders for the types that callers give."""

from __future__ import annotations

import types
from typing import (
    TYPE_CHECKING,
    Any,
    Final,
    Literal,
    NamedTuple,
    Union,
    get_args,
    get_origin,
    get_type_hints,
    is_typeddict,
)

import msgspec

from ...exceptions import CacheCodecError

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["ReadAs", "Types"]

_MOST_TYPES: Final = 256
_PLAIN: Final = (str, bytes, int, float, bool, type(None), dict, list, object, Any)
_PLAIN_OF_PLAIN: Final = (dict, list, Union, types.UnionType)


class ReadAs(NamedTuple):
    """How values of one type are read: `plain` when reading without the type gives the same."""

    decode: Callable[[bytes], object]
    plain: bool
    typed: bool = True


_UNTYPED: Final = ReadAs(msgspec.msgpack.Decoder().decode, plain=True, typed=False)


class Types:
    """The decoder of each type, made when first asked for; bounded."""

    def __init__(self) -> None:
        self._known: dict[object, ReadAs] = {None: _UNTYPED}

    def of(self, type_: object) -> ReadAs:
        """Give the way to read `type_`, None for any; raises CacheCodecError `type`."""
        try:
            return self._known[type_]
        except KeyError:
            pass
        except TypeError:  # not hashable, as annotations with a list in them
            return _read_as(type_)
        if len(self._known) >= _MOST_TYPES:
            self._known = {None: _UNTYPED}
        return self._known.setdefault(type_, _read_as(type_))


def _read_as(type_: object) -> ReadAs:
    try:
        decoder = msgspec.msgpack.Decoder[Any](type_)
        return ReadAs(decoder.decode, plain=_is_plain(type_))
    except Exception as exc:
        raise CacheCodecError("type", f"no value can be read as {type_!r}: {exc}") from exc


def _is_plain(type_: object, above: tuple[object, ...] = ()) -> bool:
    if type_ in _PLAIN or type_ in above:
        return True
    origin = get_origin(type_)
    if origin in _PLAIN_OF_PLAIN:
        return all(_is_plain(each, above) for each in get_args(type_))
    if is_typeddict(type_):
        hints = get_type_hints(type_).values()
        return all(_is_plain(each, (*above, type_)) for each in hints)
    return origin is Literal

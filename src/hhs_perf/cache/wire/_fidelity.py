"""A value is written only when it comes back as it went in.

The first caller gets what the loader returned, later ones what was read from Redis. Where the two
would differ (a tuple comes back as a list), writing is refused and the place in the value is named.
"""

from __future__ import annotations

import datetime as dt
from itertools import chain
from marshal import dumps as _marshalled
from typing import TYPE_CHECKING, Final

import msgspec

from ...exceptions import CacheCodecError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ._types import ReadAs

__all__ = ["packed", "unpacked"]

_encode = msgspec.msgpack.Encoder().encode

_LONGEST_KEY: Final = 40
# How marshal writes what is equal and of equal types as equal bytes: from version 3 on it counts
# who else holds an object.
_WITHOUT_REFERENCES: Final = 2
_BUFFERS: Final = frozenset({bytearray, memoryview})
_CONTAINERS: Final = frozenset({dict, list})
_flat: Final = chain.from_iterable
# What bytes begin with in MessagePack: bin 8, bin 16 and bin 32.
_OF_BYTES: Final = (b"\xc4", b"\xc5", b"\xc6")
_ADVICE: Final = (
    "give its type (type=…), or store what MessagePack has: "
    "dict, list, str, bytes, int, float, bool, None and datetimes in UTC"
)


def packed(value: object, read: ReadAs) -> bytes:
    """Give `value` as MessagePack, having read it back and compared.

    What is read without a type must be equal and of the same types throughout; with a type,
    equality is enough, and objects without `__eq__` are compared by their fields. NaN is equal to
    NaN. Raises CacheCodecError `value`, or `type` for a value that is not of the type.
    """
    try:
        payload = _encode(value)
    except Exception as exc:
        where = _unsupported(value) or f"the value cannot be written ({exc})"
        raise CacheCodecError("value", f"{where}: {_ADVICE}") from exc
    try:
        back = read.decode(payload)
    except Exception as exc:
        raise CacheCodecError("type", f"the value is not of the type given: {exc}") from exc
    try:
        # With `is`, since a foreign __eq__ may answer with more than yes or no.
        if (back == value) is True and (not read.plain or _is_alike(value, back, payload, read)):
            return payload
        difference = next(_differences(value, back, "value", exact=read.plain), None)
    except Exception as exc:
        raise CacheCodecError("value", f"the value cannot be compared: {exc!r}") from exc
    if difference is not None:
        raise CacheCodecError("value", f"{difference}: {_ADVICE}")
    return payload


def unpacked(payload: bytes, read: ReadAs) -> object:
    """Read a value; raises CacheCodecError `value` for damaged bytes, `type` for another type's."""
    try:
        return read.decode(payload)
    except msgspec.DecodeError as exc:
        is_of_another_type = isinstance(exc, msgspec.ValidationError) and read.typed
        raise CacheCodecError(
            "type" if is_of_another_type else "value", f"cannot be read: {exc}"
        ) from exc
    except Exception as exc:
        raise CacheCodecError("value", f"cannot be read: {exc!r}") from exc


def _is_alike(value: object, back: object, payload: bytes, read: ReadAs) -> bool:
    """Tell whether two equal values are of the same plain types throughout, or may not be."""
    # marshal takes exact built-in types only: no enums that are ints, no OrderedDict. One call
    # in C; a walk in Python takes five times as long.
    try:
        marshalled = _marshalled(value, _WITHOUT_REFERENCES)  # type: ignore[arg-type]  # it raises for others
        # With a type 1 may come back as 1.0.
        if read.typed and marshalled != _marshalled(back, _WITHOUT_REFERENCES):  # type: ignore[arg-type]  # it raises for others
            return False
    except ValueError:
        return False
    # To marshal, and to MessagePack, all that holds bytes is bytes.
    return not any(each in payload for each in _OF_BYTES) or not _holds_buffers(value)


def _holds_buffers(value: object) -> bool:
    # Level by level and by sets of types, most of which runs in C: floats, too, hold such bytes.
    level = [value]
    while True:
        kinds = set(map(type, level))
        if not kinds.isdisjoint(_BUFFERS):
            return True
        if kinds.isdisjoint(_CONTAINERS):
            return False
        dicts = [each for each in level if isinstance(each, dict)]
        lists = [each for each in level if isinstance(each, list)]
        level = [*_flat(dicts), *_flat(map(dict.values, dicts)), *_flat(lists)]


def _differences(value: object, back: object, path: str, *, exact: bool) -> Iterator[str]:
    if not exact and (value is back or (value == back) is True):
        return
    if type(value) is not type(back):
        yield f"{path} is a {_name(value)} and would come back as a {_name(back)}"
        return
    parts = _parts(value, back)
    if parts is not None:
        for name, one, other in parts:
            yield from _differences(one, other, path + name, exact=exact)
    elif isinstance(value, dt.datetime) and isinstance(back, dt.datetime):
        if value != back or value.utcoffset() != back.utcoffset():
            yield f"{path} is {value.isoformat()} and would come back as {back.isoformat()}"
    elif value != back and not (value != value and back != back):  # noqa: PLR0124 - both NaN
        yield f"{path} would come back as another {_name(value)}"


def _parts(value: object, back: object) -> Iterable[tuple[str, object, object]] | None:
    """Pair the parts of two values of one type; None for what has no parts, or not as many."""
    if isinstance(value, dict) and isinstance(back, dict):
        if len(value) != len(back):
            return None
        pairs = list(zip(value.items(), back.items(), strict=True))
        return chain(
            (
                (f" key {_short(one)}", one, other)
                for (one, _), (other, _) in pairs
                if not _is_a_columns_name(one, other)
            ),
            ((f"[{_short(key)}]", one, other) for (key, one), (_, other) in pairs),
        )
    if isinstance(value, list | tuple) and isinstance(back, list | tuple):
        if len(value) != len(back):
            return None
        return ((f"[{n}]", one, back[n]) for n, one in enumerate(value))
    names = _fields(value)
    if names is None:
        return None
    return ((f".{name}", getattr(value, name), getattr(back, name)) for name in names)


def _is_a_columns_name(one: object, other: object) -> bool:
    # SQLAlchemy's rows become dicts whose keys are a subclass of str; as str they find the same.
    return isinstance(one, str) and type(one).__name__ == "quoted_name" and one == other


def _fields(value: object) -> list[str] | None:
    for declared in ("__struct_fields__", "__dataclass_fields__"):
        names = getattr(value, declared, None)
        if names is not None:
            return list(names)
    attributes = getattr(value, "__attrs_attrs__", None)
    return None if attributes is None else [each.name for each in attributes]


def _unsupported(value: object, path: str = "value") -> str | None:
    """Name the innermost part that cannot be written; None when no part alone is the culprit."""
    try:
        parts = _parts(value, value)
        for name, part, _ in parts or ():
            try:
                _encode(part)
            except Exception:  # noqa: BLE001 - likewise
                return _unsupported(part, path + name)
        _encode(value)
    except Exception as exc:  # noqa: BLE001 - likewise
        return f"{path} is a {_name(value)} and cannot be written ({exc})"
    return None


def _name(value: object) -> str:
    return type(value).__qualname__


def _short(key: object) -> str:
    text = repr(key)
    return text if len(text) <= _LONGEST_KEY else text[:_LONGEST_KEY] + "…"

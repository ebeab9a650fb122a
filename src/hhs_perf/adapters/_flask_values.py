"""Values that Flask-Caching keeps, as plain data: responses and tuples come back as they were.

Flask-Caching's own backends pickle. Here a value that is made of what MessagePack has is kept as
it is. In others, each part that MessagePack lacks becomes a dict with the one key `MARK`, naming
what it was; the whole then stands in such a dict itself. What is neither stays the object that it
is: the cache keeps that in memory alone, or pickles it where its codec may.

Both ways make copies, so that no caller can change what is in the cache.
"""

from __future__ import annotations

import datetime as dt
import marshal
from collections.abc import Callable
from copy import deepcopy
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from flask import Response, current_app, has_app_context
from markupsafe import Markup
from werkzeug.exceptions import HTTPException, default_exceptions
from werkzeug.wrappers import Response as BaseResponse

from ..exceptions import CacheCodecError

__all__ = ["fold", "unfold"]

MARK: Final = "\0hhs_perf"
_WHOLE: Final = "folded"
_SCALARS: Final = frozenset({type(None), bool, int, float, str, bytes})
_KINDS: Final[list[type[HTTPException]]] = [HTTPException, *default_exceptions.values()]
_ERRORS: Final = {kind.__name__: kind for kind in _KINDS}


def fold(value: object) -> object:
    """Give what the cache is to keep of a value.

    Raises CacheCodecError for a stream, which could be read once.
    """
    if type(value) in _SCALARS:
        return value
    marked: list[str] = []
    folded = _fold(value, marked)
    return {MARK: [_WHOLE, folded]} if marked else folded


def unfold(kept: object) -> object:
    """Give the value that was kept.

    Raises whatever comes of one that `fold` did not make.
    """
    if type(kept) in _SCALARS:
        return kept
    if isinstance(kept, dict) and MARK in kept:
        return _unfold(kept[MARK][1])
    # Built-in types throughout. In C: a third of the time that a walk takes.
    return marshal.loads(marshal.dumps(kept))  # type: ignore[arg-type]  # noqa: S302 - our own


def _fold(value: object, marked: list[str]) -> object:
    kind = type(value)
    if kind in _SCALARS:
        return value
    if isinstance(value, list) and kind is list:
        return [_fold(item, marked) for item in value]
    if isinstance(value, dict) and kind is dict:
        if MARK not in value and all(type(key) in (str, int) for key in value):
            return {key: _fold(item, marked) for key, item in value.items()}
        marked.append("dict")
        pairs = [[_fold(key, marked), _fold(item, marked)] for key, item in value.items()]
        return {MARK: ["dict", pairs]}
    name, parts = _parts(value, kind)
    marked.append(name)
    if not name:
        return deepcopy(value)
    return {MARK: [name, _fold(parts, marked)]}


def _parts(value: Any, kind: type) -> tuple[str, object]:  # noqa: ANN401 - what it is
    """Name what a value is, and give what it is made of; an empty name for what is unknown."""
    if kind in _TAKEN:
        name, take = _TAKEN[kind]
        parts = take(value)
        return ("", None) if parts is None else (name, parts)
    if isinstance(value, BaseResponse):
        return "response", _parts_of_response(value)
    if isinstance(value, HTTPException) and _ERRORS.get(kind.__name__) is kind:
        return "error", [kind.__name__, dict(vars(value))]
    return "", None


def _parts_of_response(response: BaseResponse) -> object:
    if response.direct_passthrough or not response.is_sequence:
        raise CacheCodecError("value", "the response is a stream, which can be read once")
    headers = [list(header) for header in response.headers.items()]
    return [response.status, headers, response.get_data()]


def _moment(value: dt.datetime) -> list[object] | None:
    # Named zones have rules, which an offset does not tell.
    is_told = value.tzinfo is None or type(value.tzinfo) is dt.timezone
    return [value.isoformat(), value.fold] if is_told else None


_TAKEN: Final[dict[type, tuple[str, Callable[[Any], object]]]] = {
    tuple: ("tuple", list),
    set: ("set", list),
    frozenset: ("frozenset", list),
    Markup: ("markup", str),
    Decimal: ("decimal", str),
    UUID: ("uuid", str),
    dt.datetime: ("datetime", _moment),
    dt.date: ("date", dt.date.isoformat),
    dt.timedelta: ("timedelta", lambda value: [value.days, value.seconds, value.microseconds]),
}


def _unfold(kept: Any) -> object:  # noqa: ANN401 - what was kept
    kind = type(kept)
    if kind in _SCALARS:
        return kept
    if kind is list:
        return [_unfold(item) for item in kept]
    if kind is not dict:
        return deepcopy(kept)
    if MARK not in kept:
        return {key: _unfold(item) for key, item in kept.items()}
    name, parts = kept[MARK]
    return _MADE[name](_unfold(parts))


def _response(parts: Any) -> BaseResponse:  # noqa: ANN401 - what was kept
    status, headers, body = parts
    kind = current_app.response_class if has_app_context() else Response
    response = kind(body, status=status)
    response.headers.clear()
    response.headers.extend(map(tuple, headers))
    return response


def _error(parts: Any) -> HTTPException:  # noqa: ANN401 - what was kept
    name, state = parts
    error = _ERRORS[name]()
    vars(error).update(state)
    return error


_MADE: Final[dict[str, Callable[[Any], object]]] = {
    "dict": dict,
    "tuple": tuple,
    "set": set,
    "frozenset": frozenset,
    "markup": Markup,
    "decimal": Decimal,
    "uuid": UUID,
    "datetime": lambda parts: dt.datetime.fromisoformat(parts[0]).replace(fold=parts[1]),
    "date": dt.date.fromisoformat,
    "timedelta": lambda parts: dt.timedelta(*parts),
    "response": _response,
    "error": _error,
}

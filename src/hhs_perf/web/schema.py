"""JSON Schema and field selection, both derived from the bodies' types."""

from __future__ import annotations

import types
from functools import cache
from typing import TYPE_CHECKING, Any, Final, Union, get_args, get_origin, get_type_hints

import attrs
import msgspec

from ..exceptions import HhsPerfError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["FieldError", "inline_schema", "select"]

_ALWAYS: Final = ("generated_from", "window", "scope")


class FieldError(HhsPerfError, ValueError):
    """A field that was asked for does not exist; the message names those that do."""


@cache
def inline_schema(of: type) -> dict[str, Any]:
    """Derive the JSON Schema of `of` with nothing referred to by name.

    A host's OpenAPI document has its own names for components, which ours could collide with.
    """
    document = msgspec.json.schema(of)
    named = document.pop("$defs", {})

    def inline(node: Any) -> Any:
        if isinstance(node, list):
            return [inline(item) for item in node]
        if not isinstance(node, dict):
            return node
        if "$ref" in node:
            return inline(named[node["$ref"].rpartition("/")[2]])
        inlined = {key: inline(value) for key, value in node.items()}
        if "properties" in inlined:
            # Fields with a default are written too.
            inlined["required"] = list(inlined["properties"])
        return inlined

    schema: dict[str, Any] = inline(document)
    return schema


@cache
def _fields(of: type) -> Mapping[str, type | None]:
    """Give the fields of `of`, each with the type that its own fields are looked up in."""
    hints = get_type_hints(of)
    return {field.name: _below(hints[field.name]) for field in attrs.fields(of)}


def _below(hint: Any) -> type | None:
    if isinstance(hint, type) and attrs.has(hint):
        return hint
    if get_origin(hint) in (tuple, Union, types.UnionType):
        found = (_below(inner) for inner in get_args(hint) if inner is not Ellipsis)
        return next((inner for inner in found if inner is not None), None)
    return None


def select(body: Any, paths: Iterable[str]) -> dict[str, Any]:
    """Turn `body` into builtins with the fields of `paths` alone, such as `api.routes.p95`.

    What says of when and over what the figures are is always kept. Raises FieldError.
    """
    of: Any = type(body)
    wanted: dict[str, Any] = {}
    for path in paths:
        _want(wanted, path, of)
    for name in _ALWAYS:
        if name in _fields(of):
            wanted[name] = None
    chosen: dict[str, Any] = _pick(msgspec.to_builtins(body), wanted)
    return chosen


def _want(wanted: dict[str, Any], path: str, of: type) -> None:
    at: type | None = of
    names = path.split(".")
    for depth, name in enumerate(names):
        allowed = _fields(at) if at is not None else {}
        if name not in allowed:
            where = f" in {'.'.join(names[:depth])}" if depth else ""
            known = ", ".join(allowed) or "none"
            raise FieldError(f"unknown field {name!r}{where}; allowed are {known}")
        at = allowed[name]
        if depth == len(names) - 1:
            wanted[name] = None
        elif wanted.setdefault(name, {}) is None:
            return
        else:
            wanted = wanted[name]


def _pick(value: Any, wanted: Mapping[str, Any] | None) -> Any:
    if wanted is None or value is None:
        return value
    if isinstance(value, list | tuple):
        return [_pick(item, wanted) for item in value]
    return {name: _pick(item, wanted[name]) for name, item in value.items() if name in wanted}

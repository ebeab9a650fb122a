"""Reads counts and names out of replies, and refuses what cannot be one."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from ..values import Failure, Figure

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ..platform import Reading
    from ..values import FigureName

__all__ = ["Fields", "count", "figures", "identity", "items", "section", "text", "tried"]

Fields: TypeAlias = "Mapping[FigureName, tuple[str, ...]]"
"""Where a figure stands: its field, then other spellings of it."""

# No count of people comes near: it is a field that means something else, or a fault.
_MOST: Final[dict[FigureName, int]] = {"followers_count": 10**11, "following_count": 10**11}
_MOST_ELSE: Final = 10**15
_DIGITS: Final = re.compile(r"[0-9]{1,20}")
_LONGEST: Final = 300
_SHOWN: Final = 60


def count(value: object, name: FigureName) -> Figure:
    """Read one count: a whole number, or its digits as text, as some APIs write it.

    Raises ValueError for everything else: negative, absurd, a fraction, a boolean, null.
    """
    number: int | None = None
    if isinstance(value, int) and not isinstance(value, bool):
        number = value
    elif (isinstance(value, str) and _DIGITS.fullmatch(value)) or (
        isinstance(value, float) and value.is_integer()
    ):
        number = int(value)
    if number is None or not 0 <= number <= _MOST.get(name, _MOST_ELSE):
        raise ValueError(f"{name} is no count: {repr(value)[:_SHOWN]}")
    return Figure(number, "ok")


def figures(
    node: Mapping[str, Any], required: Fields, optional: Fields | None = None
) -> dict[FigureName, Figure]:
    """Read the counts of a JSON object.

    One of `optional` that is missing or null is left out; of `required`, a ValueError is raised.
    """
    found: dict[FigureName, Figure] = {}
    for name, keys in required.items():
        value = _first(node, keys)
        if value is None:
            raise ValueError(f"{' or '.join(keys)} is missing")
        found[name] = count(value, name)
    for name, keys in (optional or {}).items():
        value = _first(node, keys)
        if value is not None:
            found[name] = count(value, name)
    return found


def section(node: object, key: str) -> dict[str, Any]:
    """Give the JSON object under `key`. Raises ValueError where there is none."""
    value = node.get(key) if isinstance(node, dict) else None
    if isinstance(value, dict):
        return value
    raise ValueError(f"{key} is missing")


def items(node: object, key: str) -> list[Any]:
    """Give the JSON array under `key`. Raises ValueError where there is none."""
    value = node.get(key) if isinstance(node, dict) else None
    if isinstance(value, list):
        return value
    raise ValueError(f"{key} is missing")


def text(value: object) -> str | None:
    """Give a name as it was written, without what no database keeps; None where there is none."""
    if not isinstance(value, str):
        return None
    return value.replace("\x00", "").strip()[:_LONGEST] or None


def identity(value: object) -> str:
    """Give what a platform calls an account: text, or a number. Raises ValueError else."""
    if isinstance(value, int) and not isinstance(value, bool) and value > 0:
        return str(value)
    found = text(value)
    if found is None:
        raise ValueError("the id is missing")
    return found


def tried(read: Callable[[dict[str, Any]], Reading | Failure], node: object) -> Reading | Failure:
    """Read one of the accounts of a reply, so that a bad one spoils none of the others."""
    if not isinstance(node, dict):
        return Failure(kind="schema_changed", detail="the account is no JSON object")
    try:
        return read(node)
    except (KeyError, TypeError, ValueError) as exc:
        return Failure(kind="schema_changed", detail=str(exc))


def _first(node: Mapping[str, Any], keys: tuple[str, ...]) -> object:
    for key in keys:
        value = node.get(key)
        if value is not None:
            return value
    return None

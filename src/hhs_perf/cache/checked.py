"""Keys, tags and other texts as callers give them: taken as they are meant, or refused at once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, TypeVar

from ..exceptions import CacheKeyError

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = [
    "checked_key",
    "checked_keys",
    "checked_loader",
    "checked_tags",
    "checked_text",
    "checked_values",
]

V = TypeVar("V")


def checked_key(key: object) -> str:
    """Give a key as plain text.

    Raises TypeError for what is no string, CacheKeyError for one that UTF-8 cannot write.
    """
    return checked_text(key, "a key")


def checked_keys(keys: Iterable[object]) -> list[str]:
    """Give keys; raises as `checked_key` if one is none, and TypeError for a single string."""
    if isinstance(keys, str | bytes) or not isinstance(keys, Iterable):
        raise TypeError(f"keys must be several, such as a list of strings, got {keys!r}")
    return [key if type(key) is str and key.isascii() else checked_key(key) for key in keys]


def checked_values(values: Mapping[str, V]) -> dict[str, V]:
    """Give values by key; raises as `checked_key` if one is none, TypeError for no mapping."""
    if not isinstance(values, Mapping):
        raise TypeError(f"values must be a mapping of keys to values, got a {_kind(values)}")
    return {checked_key(key): value for key, value in values.items()}


def checked_tags(tags: Iterable[str]) -> tuple[str, ...]:
    """Give tags each once; a single string is one tag, not its letters."""
    if isinstance(tags, str):
        tags = (tags,)
    if isinstance(tags, bytes) or not isinstance(tags, Iterable):
        raise TypeError(f"tags must be strings, got {tags!r}")
    return tuple(dict.fromkeys([checked_text(tag, "a tag") for tag in tags]))


def checked_loader(loader: Callable[..., V]) -> Callable[..., V]:
    """Give a loader; raises TypeError for what cannot be called."""
    if not callable(loader):
        raise TypeError(f"a loader must be a function without parameters, got {loader!r}")
    return loader


def checked_text(text: object, what: str) -> str:
    """Give a string, of a subclass such as an enumeration the plain one that it is equal to."""
    if not isinstance(text, str):
        raise TypeError(f"{what} must be a string, got {text!r}")
    plain = text if type(text) is str else str.__str__(text)
    if not plain.isascii():
        try:
            plain.encode()
        except UnicodeEncodeError as exc:
            raise CacheKeyError(f"{what} must be text that UTF-8 can write, got {text!r}") from exc
    return plain


def _kind(value: object) -> str:
    return type(value).__qualname__

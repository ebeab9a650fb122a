"""Keys that our own adapters make of requests, and patterns of them that hold nothing of these."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, unquote

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["FLASK_CACHING", "own_pattern", "response_key", "tell_views"]

FLASK_CACHING: Final = "flask-caching:"
"""What the keys of Flask-Caching's backend begin with; then come its prefix and the key itself."""
_RESPONSE: Final = "response:"
_LONGEST_PATH: Final = 200
_LONGEST_ROUTE: Final = 120
_DIGEST: Final = re.compile("[0-9a-f]{32}")
# Flask-Caching hashes the calls of memoized functions, and the queries of views.
_HASHED: Final = re.compile(r"[A-Za-z0-9+/=]{22}|[0-9a-f]{32,}")

_view_tellers: list[Callable[[str], str | None]] = []


def tell_views(teller: Callable[[str], str | None]) -> None:
    """Ask `teller` for the route of a path; it knows that of the request under way alone."""
    if teller not in _view_tellers:
        _view_tellers.append(teller)


def response_key(path: str, route: str, digest: str) -> str:
    """Make the key of a response, which begins with its path and holds the route's template.

    So whoever sees the key alone, in Redis or in another process, can tell its pattern.
    """
    template = quote(route[:_LONGEST_ROUTE], safe="/<>{}")
    return f"{_RESPONSE}{path[:_LONGEST_PATH]}:{template}:{digest}"


def own_pattern(key: str) -> str | None:
    """Give the pattern of a key that one of our adapters made; None for other keys."""
    if key.startswith(_RESPONSE):
        parts = key.rsplit(":", 2)
        if len(parts) == 3 and _DIGEST.fullmatch(parts[2]):  # noqa: PLR2004 - path, route, digest
            return f"{_RESPONSE}{unquote(parts[1]) or '*'}"
    elif key.startswith(FLASK_CACHING):
        prefix, _, theirs = key.removeprefix(FLASK_CACHING).partition(":")
        if theirs.startswith("view/"):
            path = theirs.removeprefix("view/")
            told = (teller(path) for teller in _view_tellers)
            route = next((each for each in told if each is not None), None)
            return f"{FLASK_CACHING}view" if route is None else f"{FLASK_CACHING}view/{route}"
        if _HASHED.fullmatch(theirs):
            return f"{FLASK_CACHING}{prefix}:*"
    return None

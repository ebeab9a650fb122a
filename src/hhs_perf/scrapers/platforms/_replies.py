"""What the bundled platforms share in judging replies."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from ..values import Failure

if TYPE_CHECKING:
    from ..platform import Reply
    from ..values import FailureKind

__all__ = ["failed", "missing", "said", "told"]

_SHOWN: Final = 200
# Some messages repeat the token that was sent.
_TOKEN: Final = re.compile(r"[A-Za-z0-9_\-.|%+/=]{41,}")


def told(reply: Reply) -> dict[str, Any]:
    """Give the JSON object of a reply; an empty one where it is none, as of a page."""
    if reply.is_cut:
        return {}
    try:
        value = reply.json()
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def said(value: object) -> str:
    """Write a message from elsewhere into one line, without what looks like a token."""
    line = " ".join("".join(c if c.isprintable() else " " for c in str(value)).split())
    return _TOKEN.sub("…", line)[:_SHOWN]


def failed(kind: FailureKind, detail: object, wait: float | None = None) -> Failure:
    """Make a failure of a platform's own words."""
    return Failure(kind=kind, detail=said(detail), wait=wait)


def missing(what: str) -> Failure:
    """Make the failure of an account that is not there."""
    return Failure(kind="not_found", detail=what)

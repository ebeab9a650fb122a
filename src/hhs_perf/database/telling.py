"""What is said of an error of a database: never a password, never a statement with its values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from urllib.parse import quote, quote_plus

if TYPE_CHECKING:
    from sqlalchemy import URL

__all__ = ["tell", "told"]

_LONGEST: Final = 300
_SQLSTATES: Final = {
    "42501": "permission denied",
    "42P01": "no such table or view",
    "55000": "not available on this server",
    "55P03": "the lock was not free in time",
    "57014": "it took too long",
    "25006": "the transaction is read-only",
}


def tell(error: BaseException) -> str:
    """Say what went wrong with a statement of the host's: the kind and the server's code alone.

    The message may hold values of the statement.
    """
    original = getattr(error, "orig", None) or error
    code = getattr(original, "sqlstate", None) or getattr(original, "pgcode", None)
    kind = type(original).__name__
    if code is None:
        return kind
    known = _SQLSTATES.get(code)
    return f"{known} ({code})" if known else f"{kind} ({code})"


def told(error: BaseException, url: URL | None, *, kind: bool = False) -> str:
    """Give the driver's own message in one line of at most 300 characters.

    It is for what the library itself said. The password of `url` is masked wherever it occurs, as
    it is and as it is written in an address. With `kind` the name of the error precedes.
    """
    origin = getattr(error, "orig", None) or error
    # psycopg tells every attempt at length; what matters is why it failed.
    lines = [line.strip(" -\t") for line in str(origin).splitlines() if line.strip()]
    text = lines[0] if lines else ""
    if kind or not text:
        text = f"{type(origin).__name__}: {text}" if text else type(origin).__name__
    return _without_passwords(text, url)[:_LONGEST]


def _without_passwords(text: str, url: URL | None) -> str:
    if url is None:
        return text
    given = url.query.get("password", ())
    for password in (url.password, *([given] if isinstance(given, str) else given)):
        if password:
            plain = str(password)
            for written in (plain, quote(plain, safe=""), quote_plus(plain)):
                text = text.replace(written, "***")
    return text

"""Where snapshots go, by what a user says: a file, a URL, an engine."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ...exceptions import ConfigurationError
from .files import CsvSink, JsonLinesSink

if TYPE_CHECKING:
    from sqlalchemy import URL, Engine

    from .sink import Sink

__all__ = ["as_url", "is_database", "missing_sql", "open_sink"]

_SCHEME: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_SQLITE: Final = frozenset({".db", ".sqlite", ".sqlite3"})
_LINES: Final = frozenset({".jsonl", ".ndjson"})


def open_sink(to: str | Path | URL | Engine, *, create: bool = True) -> Sink:
    """Open what snapshots are written to.

    A URL of a database or an engine leads to SQL, a path by its suffix to JSON Lines (`.jsonl`,
    `.ndjson`), CSV (`.csv`) or a SQLite file (`.db`, `.sqlite`, `.sqlite3`). With `create`, tables
    that are missing are made. Raises ConfigurationError for anything else, StorageError where it
    cannot be used.
    """
    if isinstance(to, str) and not _SCHEME.match(to):
        to = Path(to)
    if not isinstance(to, Path):
        return _in_sql(to, create=create)
    suffix = to.suffix.lower()
    if suffix in _LINES:
        return JsonLinesSink(to)
    if suffix == ".csv":
        return CsvSink(to)
    if suffix in _SQLITE:
        return _in_sql(to, create=create)
    raise ConfigurationError(
        f"{str(to)!r}: snapshots go to a URL of a database, or to a file whose name ends in .jsonl,"
        " .ndjson, .csv, .db, .sqlite or .sqlite3"
    )


def is_database(source: object) -> bool:
    """Tell whether somebody names a database: an engine, a URL, a SQLite file."""
    if isinstance(source, str) and not _SCHEME.match(source):
        source = Path(source)
    if isinstance(source, Path):
        return source.suffix.lower() in _SQLITE
    return isinstance(source, str) or type(source).__module__.partition(".")[0] == "sqlalchemy"


def as_url(source: str | Path | URL) -> str | URL:
    """Give the URL of a database that may be named by its SQLite file."""
    if isinstance(source, str) and not _SCHEME.match(source):
        source = Path(source)
    if not isinstance(source, Path):
        return source
    from sqlalchemy import URL  # noqa: PLC0415 - SQLAlchemy is slow, and an extra

    return URL.create("sqlite", database=str(source))


def _in_sql(to: str | Path | URL | Engine, *, create: bool) -> Sink:
    try:
        from .sql import SqlSink  # noqa: PLC0415 - likewise
    except ModuleNotFoundError as exc:
        raise missing_sql(exc) from exc
    return SqlSink(as_url(to) if isinstance(to, Path) else to, create=create)


def missing_sql(error: ModuleNotFoundError) -> Exception:
    """Say which extra is missing, where it is that of SQLAlchemy."""
    if (error.name or "").partition(".")[0] != "sqlalchemy":
        return error
    return ConfigurationError.missing_extra("a list or snapshots in a database", "sql")

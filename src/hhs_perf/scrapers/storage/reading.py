"""Lists of accounts, out of JSON, CSV and SQL: every row that is none is named."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final, cast

import msgspec

from ...exceptions import AccountsError, ConfigurationError
from ..accounts import Account
from .opening import is_database, missing_sql
from .records import unguarded

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import URL, Engine

    from .tables import Tables

__all__ = ["read_accounts"]

_NAMES: Final[Mapping[str, tuple[str, ...]]] = {
    "platform": ("platform", "network", "site"),
    "url": ("url", "account_url", "link", "address"),
    "handle": ("handle", "username", "account", "account_handle"),
    "organization": ("organization", "org_name", "organisation", "org"),
    "account_id": ("account_id", "platform_id", "id"),
    "display_name": ("display_name", "account_display_name", "name"),
    "is_core": ("is_core", "is_core_account", "core"),
    "is_active": ("is_active", "active"),
}
"""What lists call the fields of an account; of several that are filled the first is taken."""
_FLAGS: Final = {"is_core": False, "is_active": True}
_YES: Final = frozenset({"true", "yes", "y", "1", "t", "x"})
_NO: Final = frozenset({"false", "no", "n", "0", "f"})
_LONGEST: Final = 2000

Row = tuple[int, object]
"""The number of a row, as people count them, and what stands there."""


def read_accounts(
    source: str | Path | URL | Engine | Iterable[Account | Mapping[str, object]],
    *,
    tables: Tables | None = None,
) -> tuple[Account, ...]:
    """Read a list of accounts.

    `source` is a file of JSON (a list of objects, or an object whose `accounts` is one), JSON
    Lines or CSV with a head; a URL of a database, an engine or a SQLite file, whose `dim_account`
    is read; or rows themselves. A row has a `url`, or a `platform` and a `handle`; besides
    `organization`, `account_id`, `display_name`, `is_core` and `is_active`, or what the columns
    of `dim_account` call them. Duplicates are left to the run, which reports them.

    Raises AccountsError that names every bad row, ConfigurationError for what is no list.
    """
    name: str
    rows: Iterable[Row]
    if is_database(source):
        try:
            from .accounts_sql import account_rows  # noqa: PLC0415 - SQLAlchemy is slow
        except ModuleNotFoundError as exc:
            raise missing_sql(exc) from exc
        name, rows = account_rows(cast("str | Path | URL | Engine", source), tables)
    elif isinstance(source, (str, Path)):
        name, rows = str(source), _file(Path(source))
    elif isinstance(source, Iterable):
        name, rows = "the list", enumerate(source, start=1)
    else:
        raise ConfigurationError(f"no list of accounts: {type(source).__name__}")
    accounts: list[Account] = []
    problems: list[str] = []
    for number, row in rows:
        if isinstance(row, Account):
            accounts.append(row)
            continue
        try:
            accounts.append(_account(row))
        except ValueError as exc:
            problems.append(f"row {number}: {exc}")
    if problems:
        raise AccountsError(name, problems)
    return tuple(accounts)


def _account(row: object) -> Account:
    if not isinstance(row, Mapping):
        raise ValueError(f"is {_kind(row)}, not an object")  # noqa: TRY004 - data, not arguments
    wrong: list[str] = []
    found: dict[str, object] = {}
    for field, names in _NAMES.items():
        for name in names:
            value = row.get(name)
            if value is not None and value != "":
                break
        else:
            continue
        try:
            found[field] = _flag(value) if field in _FLAGS else _text(value, field)
        except ValueError as exc:
            wrong.append(f"{name} {exc}")
    if not wrong and "url" not in found and not ("platform" in found and "handle" in found):
        wrong.append("has neither a url nor a platform and a handle")
    if wrong:
        raise ValueError(", ".join(wrong))
    texts = {name: value for name, value in found.items() if isinstance(value, str)}
    return Account(
        platform=texts.get("platform", ""),
        url=texts.get("url"),
        handle=texts.get("handle"),
        organization=texts.get("organization", ""),
        account_id=texts.get("account_id"),
        display_name=texts.get("display_name"),
        is_core=bool(found.get("is_core", _FLAGS["is_core"])),
        is_active=bool(found.get("is_active", _FLAGS["is_active"])),
    )


def _text(value: object, field: str) -> str | None:
    # An id may stand there as a number: nothing of a whole one is lost.
    if field in ("account_id", "handle") and isinstance(value, int) and value is not True:
        value = str(value)
    if not isinstance(value, str):
        raise ValueError(f"is {_kind(value)}, not text")  # noqa: TRY004 - likewise
    if len(value) > _LONGEST:
        raise ValueError(f"is longer than {_LONGEST} characters")
    return value.strip() or None


def _flag(value: object) -> bool:
    if isinstance(value, bool):
        return value
    word = str(value).strip().casefold() if isinstance(value, (str, int)) else ""
    if word in _YES:
        return True
    if word in _NO:
        return False
    raise ValueError(f"is {str(value)[:40]!r}, neither true nor false")


def _kind(value: object) -> str:
    return "nothing" if value is None else f"{type(value).__name__} {str(value)[:40]!r}"


def _file(path: Path) -> Iterator[Row]:
    suffix = path.suffix.lower()
    if suffix not in (".json", ".jsonl", ".ndjson", ".csv"):
        raise ConfigurationError(
            f"{str(path)!r}: accounts are read from .json, .jsonl, .ndjson, .csv, a SQLite file"
            " (.db, .sqlite, .sqlite3) or a URL of a database"
        )
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as exc:
        raise AccountsError(str(path), [f"{exc.strerror or exc}: {str(path)!r}"]) from exc
    except UnicodeDecodeError as exc:
        raise AccountsError(str(path), [f"{str(path)!r} is not UTF-8: byte {exc.start}"]) from exc
    if suffix == ".csv":
        return _csv(str(path), text)
    return _json(str(path), text) if suffix == ".json" else _json_lines(str(path), text)


def _json(name: str, text: str) -> Iterator[Row]:
    try:
        found = msgspec.json.decode(text)
    except (ValueError, RecursionError, msgspec.MsgspecError) as exc:
        raise AccountsError(name, [f"{name!r} is no JSON: {exc}"]) from exc
    if isinstance(found, dict):
        found = found.get("accounts")
    if not isinstance(found, list):
        said = f"{name!r} is neither a list nor an object with a list of accounts"
        raise AccountsError(name, [said])
    return enumerate(found, start=1)


def _json_lines(name: str, text: str) -> Iterator[Row]:
    rows: list[Row] = []
    problems: list[str] = []
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            rows.append((number, msgspec.json.decode(line)))
        except (ValueError, RecursionError, msgspec.MsgspecError) as exc:
            problems.append(f"row {number}: is no JSON: {exc}")
    if problems:
        raise AccountsError(name, problems)
    return iter(rows)


def _csv(name: str, text: str) -> Iterator[Row]:
    first = text.partition("\n")[0]
    delimiter = max(",;\t", key=first.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    known = {each for names in _NAMES.values() for each in names}
    try:
        head = [each.strip().casefold().replace(" ", "_") for each in next(reader, [])]
        if text.strip() and not known & set(head):
            said = f"{name!r} has no column of an account in its head: {first[:200]!r}"
            raise AccountsError(name, [said])
        rows: list[Row] = []
        for number, cells in enumerate(reader, start=2):  # as a spreadsheet numbers them
            if not any(cells):
                continue
            if len(cells) > len(head):
                row: object = f"{len(cells)} cells under {len(head)} columns"
            else:
                row = dict(zip(head, map(unguarded, cells), strict=False))
            rows.append((number, row))
    except csv.Error as exc:
        raise AccountsError(name, [f"{name!r}, line {reader.line_num}: {exc}"]) from exc
    return iter(rows)

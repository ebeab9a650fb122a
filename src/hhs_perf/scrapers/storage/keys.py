"""The rows of accounts: found, adopted from the host, made and kept up to date."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from sqlalchemy import bindparam, select, update

from ...exceptions import ConfigurationError, StorageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from sqlalchemy import ColumnElement, Connection, Dialect, Select

    from .rows import Row
    from .sink import AccountKey
    from .tables import Tables

__all__ = ["AccountRows", "insert_of", "spellings"]

_UPDATED: Final = (
    "account_id",
    "account_display_name",
    "account_url",
    "org_name",
    "is_core_account",
)
_INDEXED: Final = 2000  # bytes; an index of PostgreSQL takes 2,704


class Held(NamedTuple):
    """What the table has of an account; what may be written anew stands at the end."""

    account_key: int
    platform: str
    handle: str
    account_id: str | None
    account_display_name: str | None
    account_url: str | None
    org_name: str
    is_core_account: bool


_FIRST_UPDATED: Final = len(Held._fields) - len(_UPDATED)


class AccountRows:
    """Finds the keys of accounts, in few statements for a whole batch."""

    def __init__(self, tables: Tables, dialect: Dialect, widths: dict[str, int | None]) -> None:
        table = tables.account
        self._table = table
        self._widths = widths
        columns = table.c
        self._columns = [columns[name] for name in Held._fields]
        of_platform = columns.platform == bindparam("of")
        self._by_handle = self._those(of_platform, columns.handle)
        self._by_id = self._those(of_platform, columns.account_id)
        self._by_url = select(*self._columns).where(
            columns.account_url.in_(bindparam("these", expanding=True))
        )
        # Without a target: a host's own table may lack the constraint.
        self._insert = insert_of(dialect)(table).on_conflict_do_nothing()
        changed = ("handle", *_UPDATED)
        self._update = (
            update(table)
            .where(columns.account_key == bindparam("key"))
            .values({name: bindparam(f"new_{name}") for name in changed})
        )

    def _those(self, condition: ColumnElement[bool], column: ColumnElement[Any]) -> Select[Any]:
        these = column.in_(bindparam("these", expanding=True))
        return select(*self._columns).where(condition, these)

    def keys(self, connection: Connection, rows: Sequence[Row]) -> list[int]:
        """Give the key of each row's account, making those that are missing."""
        known = self._listed(connection, rows)
        missing = [row for row in rows if row.key not in known]
        if missing:
            known |= self._adopted(connection, missing)
            missing = [row for row in missing if row.key not in known]
        if missing:
            connection.execute(self._insert, [self._new(row) for row in missing])
            known |= (made := self._listed(connection, missing))
            missing = [row for row in missing if row.key not in made]
        if missing:
            raise StorageError(f"no row could be made for the account {missing[0].key}")
        changes = [
            change for row in rows if (change := self._change(row, known[row.key])) is not None
        ]
        if changes:
            connection.execute(self._update, changes)
        return [known[row.key].account_key for row in rows]

    def _listed(self, connection: Connection, rows: Sequence[Row]) -> dict[AccountKey, Held]:
        found = self._ask(connection, self._by_handle, rows, lambda row: row.handle)
        return {(each.platform, each.handle): each for each in found}

    def _adopted(self, connection: Connection, rows: Sequence[Row]) -> dict[AccountKey, Held]:
        """Find accounts that have another handle now, and those that the host spells its way."""
        adopted: dict[AccountKey, Held] = {}
        by_id = {
            (each.platform, each.account_id): each
            for each in self._ask(connection, self._by_id, rows, lambda row: row.account_id)
        }
        urls = sorted({row.url for row in rows if row.url})
        found = connection.execute(self._by_url, {"these": urls}).all() if urls else ()
        # Two platforms may share an address, such as that of a server: theirs are two accounts.
        by_url: dict[tuple[str, str | None], Held] = {}
        by_name: dict[tuple[str, str | None], Held] = {}
        for each in map(Held._make, found):
            plain = _plain(each.platform)
            by_url[plain, each.account_url] = each
            if plain != each.platform:  # spelled by a host, not by a plugin: it may be an alias
                by_name[plain, each.account_url] = each
        taken: set[int] = set()
        for row in rows:
            match = (
                by_id.get((row.platform, row.account_id))
                or by_url.get((_plain(row.platform), row.url))
                or by_name.get((_plain(row.listed_as), row.url))
            )
            if match is not None and match.account_key not in taken:
                taken.add(match.account_key)
                adopted[row.key] = match
        return adopted

    def _ask(
        self,
        connection: Connection,
        query: Select[Any],
        rows: Iterable[Row],
        value: Callable[[Row], str | None],
    ) -> list[Held]:
        wanted: dict[str, list[str]] = {}
        for row in rows:
            held = value(row)
            if held is not None:
                wanted.setdefault(row.platform, []).append(held)
        return [
            each
            for platform, these in wanted.items()
            for each in map(
                Held._make, connection.execute(query, {"of": platform, "these": these}).all()
            )
        ]

    def _new(self, row: Row) -> dict[str, object]:
        return {
            "platform": row.platform,
            "handle": row.handle,
            "account_id": row.account_id,
            "account_display_name": self._cut("account_display_name", row.display_name),
            "account_url": self._whole("account_url", row.url),
            "org_name": self._cut("org_name", row.organization),
            "is_core_account": row.is_core,
            "is_active": row.is_active,
        }

    def _change(self, row: Row, held: Held) -> dict[str, object] | None:
        """Say what is to be written anew; what a list leaves out stays as it is."""
        # A row that the host wrote keeps the host's spelling, by which it is found elsewhere.
        handle = row.handle if held.platform == row.platform else held.handle
        new = (
            row.account_id or held.account_id,
            self._cut("account_display_name", row.display_name) or held.account_display_name,
            self._whole("account_url", row.url) or held.account_url,
            self._cut("org_name", row.organization) or held.org_name,
            row.is_core or held.is_core_account,
        )
        if handle == held.handle and new == held[_FIRST_UPDATED:]:
            return None
        change: dict[str, object] = {
            f"new_{name}": value for name, value in zip(_UPDATED, new, strict=True)
        }
        return {"key": held.account_key, "new_handle": handle, **change}

    def _cut(self, column: str, text: str | None) -> str | None:
        width = self._widths.get(column)
        return text if text is None or width is None else text[:width]

    def _whole(self, column: str, text: str | None) -> str | None:
        """Leave out what the column cannot hold, or an index: half an address leads nowhere."""
        width = self._widths.get(column)
        if text is None or (width is not None and len(text) > width):
            return None
        return text if len(text.encode()) <= _INDEXED else None


def spellings(platform: str, handle: str) -> tuple[AccountKey, ...]:
    """Give a row's key as it stands, and as plugins spell it: a host may say `Truth Social`."""
    plain = _plain(platform)
    if plain == platform:
        return ((platform, handle),)
    return (platform, handle), (plain, handle), (plain, handle.removeprefix("@").casefold())


def _plain(platform: str) -> str:
    return platform.casefold().replace(" ", "_")


def insert_of(dialect: Dialect) -> Callable[[Any], Any]:
    """Give the INSERT that knows of conflicts. Raises ConfigurationError for other databases."""
    if dialect.name == "sqlite":
        from sqlalchemy.dialects.sqlite import insert  # noqa: PLC0415 - one of the two is used

        return insert
    if dialect.name == "postgresql":
        from sqlalchemy.dialects.postgresql import insert as insert_pg  # noqa: PLC0415 - likewise

        return insert_pg
    raise ConfigurationError(f"snapshots are kept in SQLite and PostgreSQL, not in {dialect.name}")

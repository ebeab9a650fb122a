"""What both host applications ask their database, with no word of a web framework.

Two answers are asked for badly on purpose, as applications do without noticing: `organizations`
sends one query for each account (N+1), and `mentions` reads a whole table again and again for want
of an index. Everything else is as it should be.
"""

from __future__ import annotations

import csv
import io
import json
from threading import Event
from typing import TYPE_CHECKING, Any, Final, Literal

import attrs
from sqlalchemy import URL, Column, create_engine, event, func, select
from sqlalchemy.orm import Session

from hhs_perf import request_scope
from hhs_perf.database import create_engine_from_env

from ..scrapers import queries
from ._models import Account
from ._schema import ACCOUNTS, DAYS, FIGURES, MENTIONS, SNAPSHOTS, TABLES, fill

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from sqlite3 import Connection

    from sqlalchemy import ColumnElement, Label
    from sqlalchemy.engine import Engine, RowMapping

__all__ = ["EVENTS", "NOTE", "Figures", "Row"]

Row = dict[str, object]
ExportFormat = Literal["ndjson", "csv"]

EVENTS: Final = 5
NOTE: Final = "generated sample figures, not real counts"
_PAUSE_BETWEEN_EVENTS: Final = 0.04
_SLOW_REPORT: Final = 0.6
_EXPORT_ROWS_AT_ONCE: Final = 500
_FIGURES: Final[tuple[Column[Any], ...]] = (
    SNAPSHOTS.c.snapshot_date,
    *(SNAPSHOTS.c[figure] for figure in FIGURES),
)


@attrs.frozen
class Figures:
    """The application's database."""

    _engine: Engine

    @classmethod
    def create(cls, path: Path) -> Figures:
        """Make the database file at `path` and fill it with the sample data."""
        engine = create_engine(URL.create("sqlite", database=str(path)))
        event.listen(engine, "connect", _in_haste)
        fill(engine)
        return cls(engine)

    @classmethod
    def from_env(cls) -> Figures:
        """Use the database of `DATABASE_URL`, which `create` made."""
        return cls(create_engine_from_env())

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()

    def summary(self) -> Row:
        """Count accounts and followers by platform, as of the last day."""
        found = queries.summary(self._engine, tables=TABLES)
        return {
            "figures": NOTE,
            "accounts": found.accounts,
            "followers": found.followers,
            "platforms": [
                {
                    "platform": each.platform,
                    "accounts": each.accounts,
                    "followers": each.followers,
                }
                for each in found.platforms
            ],
        }

    def accounts(self, *, platform: str | None, limit: int, offset: int) -> Row:
        """List one page of accounts, of one platform or of all."""
        query = select(ACCOUNTS).order_by(ACCOUNTS.c.account_key)
        total = select(func.count()).select_from(ACCOUNTS)
        if platform is not None:
            query = query.where(ACCOUNTS.c.platform == platform)
            total = total.where(ACCOUNTS.c.platform == platform)
        with self._engine.connect() as connection:
            rows = connection.execute(query.limit(limit).offset(offset)).mappings().all()
            count = connection.execute(total).scalar_one()
        return {
            "total": count,
            "limit": limit,
            "offset": offset,
            "accounts": [dict(row) for row in rows],
        }

    def account(self, account_key: int) -> Row | None:
        """Describe one account with its newest figures; None if there is no such account."""
        newest = (
            select(*ACCOUNTS.c, *_FIGURES)
            .outerjoin_from(ACCOUNTS, SNAPSHOTS)
            .where(ACCOUNTS.c.account_key == account_key)
            .order_by(SNAPSHOTS.c.snapshot_date.desc())
            .limit(1)
        )
        with self._engine.connect() as connection:
            row = connection.execute(newest).mappings().one_or_none()
        return None if row is None else {"figures": NOTE, **_jsonable(row)}

    def top_accounts(self, most: int) -> list[int]:
        """Give the keys of the accounts with most followers, as of the last day."""
        found = queries.top_accounts(self._engine, most, tables=TABLES)
        return [each.account.account_key for each in found]

    def history(self, account_key: int) -> Row | None:
        """List the daily figures of one account; None if there is no such account."""
        found = queries.history(self._engine, account_key, tables=TABLES)
        if found is None:
            return None
        return {
            "figures": NOTE,
            "account_key": account_key,
            "history": [
                {
                    "snapshot_date": each.day.isoformat(),
                    **{name: each.figure(name).value for name in FIGURES},
                }
                for each in found.days
            ],
        }

    def organizations(self, platform: str) -> Row:
        """Tell how many follow each organization on `platform`, and by how many more in a month.

        The N+1 view: each turn of the loop has the ORM load the snapshots of one account.
        `select(Account).options(selectinload(Account.snapshots))` would load them all in one query.
        """
        query = (
            select(Account)
            .where(Account.platform == platform, Account.snapshots.any())
            .order_by(Account.org_name)
        )
        rows: list[Row] = []
        with Session(self._engine) as session:
            for account in session.scalars(query).all():
                newest, *_, oldest = account.snapshots
                rows.append(
                    {
                        "organization": account.org_name,
                        "handle": account.handle,
                        "followers": newest.followers_count,
                        "growth": newest.followers_count - oldest.followers_count,
                    }
                )
        return {"figures": NOTE, "platform": platform, "organizations": rows}

    def mentions(self, most: int) -> Row:
        """Rank accounts by what their mentions by others led to.

        The slow query: every subquery is made once for each account, and as there is no index on
        `fact_mention.account_key`, each time by reading all mentions.
        """

        def of_account(figure: ColumnElement[Any], name: str) -> Label[Any]:
            of_one = MENTIONS.c.account_key == ACCOUNTS.c.account_key
            return select(figure).where(of_one).scalar_subquery().label(name)

        likes = of_account(func.sum(MENTIONS.c.likes_count), "likes")
        query = (
            select(
                ACCOUNTS.c.platform,
                ACCOUNTS.c.handle,
                of_account(func.count(), "mentions"),
                likes,
                of_account(func.sum(MENTIONS.c.shares_count), "shares"),
                of_account(func.count(MENTIONS.c.mentioned_on.distinct()), "days"),
            )
            .order_by(likes.desc(), ACCOUNTS.c.account_key)
            .limit(most)
        )
        with self._engine.connect() as connection:
            rows = connection.execute(query).mappings().all()
        return {"figures": NOTE, "accounts": [dict(row) for row in rows]}

    def export(self, form: ExportFormat) -> Iterator[str]:
        """Stream every snapshot, some hundred rows at a time, without holding them all."""
        return self._ndjson() if form == "ndjson" else self._csv()

    def events(self) -> Iterator[str]:
        """Stream the platforms with most followers as server-sent events, then end."""
        platforms = self.summary()["platforms"]
        return _events(platforms if isinstance(platforms, list) else [])

    def slow_report(self) -> Row:
        """Sum up the whole month after a wait, as a report does that asks another system first."""
        scope = request_scope()
        if scope is not None:
            # A query alone makes a request one of kind `database`, which answers within 0.2 s;
            # next to all of this one's time is the wait for somebody else.
            scope.kind = "uncached"
        Event().wait(_SLOW_REPORT)
        query = select(func.count(), func.sum(SNAPSHOTS.c.views_count)).select_from(SNAPSHOTS)
        with self._engine.connect() as connection:
            snapshots, views = connection.execute(query).one()
        return {
            "figures": NOTE,
            "days": DAYS,
            "snapshots": snapshots,
            "views": None if views is None else int(views),
        }

    def _pages(self) -> Iterator[list[Row]]:
        query = (
            select(
                ACCOUNTS.c.platform, ACCOUNTS.c.handle, ACCOUNTS.c.account_display_name, *_FIGURES
            )
            .join_from(SNAPSHOTS, ACCOUNTS)
            .order_by(SNAPSHOTS.c.snapshot_id)
        )
        with self._engine.connect() as connection:
            result = connection.execution_options(yield_per=_EXPORT_ROWS_AT_ONCE).execute(query)
            for page in result.mappings().partitions():
                yield [_jsonable(row) for row in page]

    def _ndjson(self) -> Iterator[str]:
        for page in self._pages():
            yield "".join(json.dumps(row) + "\n" for row in page)

    def _csv(self) -> Iterator[str]:
        columns = ("platform", "handle", "account_display_name", "snapshot_date", *FIGURES)
        header = True
        for page in self._pages():
            text = io.StringIO()
            writer = csv.DictWriter(text, columns)
            if header:
                writer.writeheader()
                header = False
            writer.writerows(page)
            yield text.getvalue()


def _in_haste(connection: Connection, _: object) -> None:
    # What a crash would lose can be made again.
    connection.execute("PRAGMA synchronous=OFF")


def _jsonable(row: RowMapping) -> Row:
    day = row["snapshot_date"]
    return {**row, "snapshot_date": None if day is None else day.isoformat()}


def _events(platforms: list[Row]) -> Iterator[str]:
    busiest = sorted(platforms, key=lambda row: -int(str(row["followers"] or 0)))[:EVENTS]
    for number, platform in enumerate(busiest, start=1):
        yield f"id: {number}\nevent: platform\ndata: {json.dumps(platform)}\n\n"
        Event().wait(_PAUSE_BETWEEN_EVENTS)

"""What both host applications ask their database, with no word of a web framework."""

from __future__ import annotations

import csv
import io
import json
from threading import Event
from typing import TYPE_CHECKING, Any, Final, Literal

import attrs
from sqlalchemy import URL, Column, create_engine, func, select

from hhs_perf import request_scope

from ._schema import ACCOUNTS, DAYS, FIGURES, SNAPSHOTS, fill

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sqlalchemy.engine import Connection, Engine, RowMapping

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
    """The application's database.

    Methods that spend their time on SQL tell hhs_perf so: the request under way then counts among
    those of kind `database`, which have a response target of their own.
    """

    _engine: Engine

    @classmethod
    def create(cls, path: Path) -> Figures:
        """Make the database file at `path` and fill it with the sample data."""
        figures = cls.open(path)
        fill(figures._engine)  # noqa: SLF001 -- its own class
        return figures

    @classmethod
    def open(cls, path: Path) -> Figures:
        """Use the database file at `path`, which `create` made."""
        return cls(create_engine(URL.create("sqlite", database=str(path))))

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()

    def summary(self) -> Row:
        """Count accounts and followers by platform, as of the last day."""
        last_day = select(func.max(SNAPSHOTS.c.snapshot_date)).scalar_subquery()
        query = (
            select(
                ACCOUNTS.c.platform,
                func.count().label("accounts"),
                func.sum(SNAPSHOTS.c.followers_count).label("followers"),
            )
            .join_from(ACCOUNTS, SNAPSHOTS)
            .where(SNAPSHOTS.c.snapshot_date == last_day)
            .group_by(ACCOUNTS.c.platform)
            .order_by(ACCOUNTS.c.platform)
        )
        with self._connect() as connection:
            platforms = [dict(row) for row in connection.execute(query).mappings()]
        return {
            "figures": NOTE,
            "accounts": sum(int(row["accounts"]) for row in platforms),
            "followers": sum(int(row["followers"]) for row in platforms),
            "platforms": platforms,
        }

    def accounts(self, *, platform: str | None, limit: int, offset: int) -> Row:
        """List one page of accounts, of one platform or of all."""
        query = select(ACCOUNTS).order_by(ACCOUNTS.c.account_key)
        total = select(func.count()).select_from(ACCOUNTS)
        if platform is not None:
            query = query.where(ACCOUNTS.c.platform == platform)
            total = total.where(ACCOUNTS.c.platform == platform)
        with self._connect() as connection:
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
            .join_from(ACCOUNTS, SNAPSHOTS)
            .where(ACCOUNTS.c.account_key == account_key)
            .order_by(SNAPSHOTS.c.snapshot_date.desc())
            .limit(1)
        )
        with self._connect() as connection:
            row = connection.execute(newest).mappings().one_or_none()
        return None if row is None else {"figures": NOTE, **_jsonable(row)}

    def top_accounts(self, most: int) -> list[int]:
        """Give the keys of the accounts with most followers, as of the last day."""
        last_day = select(func.max(SNAPSHOTS.c.snapshot_date)).scalar_subquery()
        query = (
            select(SNAPSHOTS.c.account_key)
            .where(SNAPSHOTS.c.snapshot_date == last_day)
            .order_by(SNAPSHOTS.c.followers_count.desc(), SNAPSHOTS.c.account_key)
            .limit(most)
        )
        with self._connect() as connection:
            return list(connection.execute(query).scalars())

    def history(self, account_key: int) -> Row | None:
        """List the daily figures of one account; None if there is no such account."""
        query = (
            select(*_FIGURES)
            .where(SNAPSHOTS.c.account_key == account_key)
            .order_by(SNAPSHOTS.c.snapshot_date)
        )
        with self._connect() as connection:
            rows = connection.execute(query).mappings().all()
        if not rows:
            return None
        return {
            "figures": NOTE,
            "account_key": account_key,
            "history": [_jsonable(row) for row in rows],
        }

    def export(self, form: ExportFormat) -> Iterator[str]:
        """Stream every snapshot, some hundred rows at a time, without holding them all."""
        _runs_sql()
        return self._ndjson() if form == "ndjson" else self._csv()

    def events(self) -> Iterator[str]:
        """Stream the platforms with most followers as server-sent events, then end."""
        platforms = self.summary()["platforms"]
        return _events(platforms if isinstance(platforms, list) else [])

    def slow_report(self) -> Row:
        """Sum up the whole month after a wait, as a report does that asks another system first."""
        Event().wait(_SLOW_REPORT)
        query = select(func.count(), func.sum(SNAPSHOTS.c.video_views)).select_from(SNAPSHOTS)
        # Not of kind `database`: next to all of its time is the wait for somebody else.
        with self._engine.connect() as connection:
            snapshots, views = connection.execute(query).one()
        return {"figures": NOTE, "days": DAYS, "snapshots": snapshots, "video_views": views}

    def _connect(self) -> Connection:
        _runs_sql()
        return self._engine.connect()

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


def _runs_sql() -> None:
    scope = request_scope()
    if scope is not None:
        scope.kind = "database"


def _jsonable(row: RowMapping) -> Row:
    return {**row, "snapshot_date": row["snapshot_date"].isoformat()}


def _events(platforms: list[Row]) -> Iterator[str]:
    busiest = sorted(platforms, key=lambda row: -int(str(row["followers"])))[:EVENTS]
    for number, platform in enumerate(busiest, start=1):
        yield f"id: {number}\nevent: platform\ndata: {json.dumps(platform)}\n\n"
        Event().wait(_PAUSE_BETWEEN_EVENTS)

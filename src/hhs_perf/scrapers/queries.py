"""Questions to the tables of accounts and snapshots, each of them one query.

Every function takes an engine, or a connection to ask on, first; `tables` where they are called
otherwise. A figure that is not known is never taken for 0: it is left out, and so is an account
whose snapshot failed, but for the days that `lookback` goes back for an older one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sqlalchemy import and_, func, select

from .history import Growth, History, PlatformTotal, Standing, Summary
from .storage.clauses import (
    account_columns,
    account_of,
    asking,
    chosen,
    daily_of,
    days_of,
    ends_of,
    figure_of,
    is_newest,
    known,
    says,
    tables_of,
)
from .values import FIGURE_NAMES

if TYPE_CHECKING:
    from datetime import date

    from sqlalchemy import RowMapping
    from sqlalchemy.engine import Connection, Engine

    from .storage.tables import Tables
    from .values import FigureName

__all__ = ["growth", "history", "summary", "top_accounts"]

_LOOKBACK: Final = 7
_PERIOD: Final = 30


def summary(
    source: Engine | Connection,
    *,
    day: date | None = None,
    lookback: int = _LOOKBACK,
    tables: Tables | None = None,
) -> Summary:
    """Count active accounts and followers by platform, as of `day` or the newest one."""
    held = tables_of(tables)
    account, snapshot = held.account.c, held.snapshot.c
    with asking(source) as connection:
        until, since = days_of(connection, held, day, lookback)
        newest = ends_of(held, "followers_count", since, until)
        query = (
            select(
                until.label("day"),
                account.platform,
                func.count().label("accounts"),
                func.count(snapshot.followers_count).label("counted"),
                func.sum(snapshot.followers_count).label("followers"),
            )
            .select_from(held.account)
            .outerjoin(newest, newest.c.account_key == account.account_key)
            .outerjoin(held.snapshot, is_newest(held, newest))
            .where(account.is_active)
            .group_by(account.platform)
            .order_by(account.platform)
        )
        rows = connection.execute(query).mappings().all()
    totals = tuple(
        PlatformTotal(
            platform=row["platform"],
            accounts=row["accounts"],
            counted=row["counted"],
            followers=None if row["followers"] is None else int(row["followers"]),
        )
        for row in rows
    )
    return Summary(day=rows[0]["day"] if rows else None, platforms=totals)


def top_accounts(
    source: Engine | Connection,
    most: int = 10,
    *,
    figure: FigureName = "followers_count",
    platform: str | None = None,
    organization: str | None = None,
    day: date | None = None,
    lookback: int = _LOOKBACK,
    tables: Tables | None = None,
) -> tuple[Standing, ...]:
    """Rank active accounts by a figure as of `day` or the newest one; the largest comes first."""
    held = tables_of(tables)
    value = held.snapshot.c[known(figure)]
    with asking(source) as connection:
        until, since = days_of(connection, held, day, lookback)
        newest = ends_of(held, figure, since, until)
        said = held.figure.alias()
        query = (
            select(
                *account_columns(held),
                held.snapshot.c.snapshot_date,
                value.label("value"),
                said.c.status,
                said.c.granularity,
            )
            .select_from(held.account)
            .join(newest, newest.c.account_key == held.account.c.account_key)
            .join(held.snapshot, is_newest(held, newest))
            .outerjoin(said, says(held.snapshot, said, figure))
            .where(held.account.c.is_active, *chosen(held, platform, organization))
            .order_by(value.desc(), held.account.c.account_key)
            .limit(most)
        )
        return tuple(
            Standing(
                account=account_of(row),
                day=row["snapshot_date"],
                figure=figure_of(row["value"], row["status"], row["granularity"]),
            )
            for row in connection.execute(query).mappings()
        )


def history(
    source: Engine | Connection,
    account_key: int,
    *,
    since: date | None = None,
    until: date | None = None,
    tables: Tables | None = None,
) -> History | None:
    """Give the daily figures of an account; None where there is no such account."""
    held = tables_of(tables)
    account, snapshot, said = held.account, held.snapshot, held.figure
    joined = [snapshot.c.account_key == account.c.account_key]
    if since is not None:
        joined.append(snapshot.c.snapshot_date >= since)
    if until is not None:
        joined.append(snapshot.c.snapshot_date <= until)
    query = (
        select(
            *account_columns(held),
            snapshot.c.snapshot_date,
            *(snapshot.c[name] for name in FIGURE_NAMES),
            said.c.figure,
            said.c.status,
            said.c.granularity,
        )
        .select_from(account)
        .outerjoin(snapshot, and_(*joined))
        .outerjoin(said, says(snapshot, said))
        .where(account.c.account_key == account_key)
        .order_by(snapshot.c.snapshot_date)
    )
    with asking(source) as connection:
        rows = connection.execute(query).mappings().all()
    if not rows:
        return None
    days: dict[date, tuple[RowMapping, dict[str, tuple[str, int | None]]]] = {}
    for row in rows:
        if row["snapshot_date"] is not None:
            _, statuses = days.setdefault(row["snapshot_date"], (row, {}))
            if row["figure"] is not None:
                statuses[row["figure"]] = (row["status"], row["granularity"])
    return History(
        account=account_of(rows[0]),
        days=tuple(daily_of(day, row, statuses) for day, (row, statuses) in days.items()),
    )


def growth(
    source: Engine | Connection,
    *,
    figure: FigureName = "followers_count",
    days: int = _PERIOD,
    platform: str | None = None,
    organization: str | None = None,
    day: date | None = None,
    tables: Tables | None = None,
) -> tuple[Growth, ...]:
    """Tell how a figure of each active account changed in the `days` before `day`, by account.

    From the first to the last snapshot of that time that has the figure.
    """
    held = tables_of(tables)
    with asking(source) as connection:
        until, since = days_of(connection, held, day, days)
        ends = ends_of(held, figure, since, until)
        first, last = held.snapshot.alias(), held.snapshot.alias()
        of_first, of_last = held.figure.alias(), held.figure.alias()
        of = held.account.c.account_key
        query = (
            select(
                *account_columns(held),
                ends.c.first_day,
                ends.c.last_day,
                first.c[figure].label("first"),
                of_first.c.status.label("first_status"),
                of_first.c.granularity.label("first_granularity"),
                last.c[figure].label("last"),
                of_last.c.status.label("last_status"),
                of_last.c.granularity.label("last_granularity"),
            )
            .select_from(held.account)
            .join(ends, ends.c.account_key == of)
            .join(first, and_(first.c.account_key == of, first.c.snapshot_date == ends.c.first_day))
            .join(last, and_(last.c.account_key == of, last.c.snapshot_date == ends.c.last_day))
            .outerjoin(of_first, says(first, of_first, figure))
            .outerjoin(of_last, says(last, of_last, figure))
            .where(held.account.c.is_active, *chosen(held, platform, organization))
            .order_by(of)
        )
        return tuple(
            Growth(
                account=account_of(row),
                name=figure,
                first_day=row["first_day"],
                last_day=row["last_day"],
                first=figure_of(row["first"], row["first_status"], row["first_granularity"]),
                last=figure_of(row["last"], row["last_status"], row["last_granularity"]),
            )
            for row in connection.execute(query).mappings()
        )

"""The tables of the demo: the scrapers' own, filled by their engine from simulated platforms.

One index is missing on purpose: that of `fact_mention.account_key`. A foreign key has none by
itself, neither in SQLite nor in PostgreSQL, which is how most missing indexes come about.
"""

from __future__ import annotations

from datetime import date, timedelta
from functools import cache
from typing import TYPE_CHECKING, Final

from sqlalchemy import (
    Column,
    Date,
    ForeignKey,
    Integer,
    MetaData,
    String,
    Table,
    bindparam,
    func,
    insert,
    select,
)

from ..scrapers.simulate import shipped_accounts, simulate_metrics
from ..scrapers.storage.sql import SqlSink
from ..scrapers.storage.tables import Tables
from ..scrapers.values import FIGURE_NAMES
from ._accounts import read_accounts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Insert
    from sqlalchemy.engine import Engine

    from ..scrapers.values import Outcome

__all__ = [
    "ACCOUNTS",
    "DAYS",
    "FIGURES",
    "FIGURE_SOURCE",
    "MENTIONS",
    "METADATA",
    "SNAPSHOTS",
    "TABLES",
    "fill",
    "top_accounts",
]

DAYS: Final = 31
FIRST_DAY: Final = date(2026, 10, 1)
SEED: Final = 20261001
FIGURES: Final = FIGURE_NAMES
_MENTIONS_A_DAY: Final = 10

METADATA: Final = MetaData()
TABLES: Final = Tables(metadata=METADATA)
ACCOUNTS: Final = TABLES.account
SNAPSHOTS: Final = TABLES.snapshot

MENTIONS: Final = Table(
    "fact_mention",
    METADATA,
    Column("mention_id", Integer, primary_key=True),
    # Deliberately without `index=True`: see above.
    Column("account_key", ForeignKey(ACCOUNTS.c.account_key), nullable=False),
    Column("mentioned_on", Date, nullable=False),
    Column("likes_count", Integer, nullable=False),
    Column("shares_count", Integer, nullable=False),
)

FIGURE_SOURCE: Final = Table(
    "dim_figure_source",
    METADATA,
    Column("figure", String(40), primary_key=True),
    Column("source", String(20), nullable=False),
)


def fill(engine: Engine) -> None:
    """Create the tables and fill them: the real accounts, and a month of simulated runs.

    The accounts stand there as an application has listed them, and each run finds them by their
    addresses. Every figure is marked `generated` in `dim_figure_source`; nothing here was measured.
    """
    METADATA.create_all(engine)
    with engine.begin() as connection:
        connection.execute(
            ACCOUNTS.insert(),
            [
                {
                    "account_key": key,
                    "platform": account.platform,
                    "handle": account.handle,
                    "account_display_name": account.organization,
                    "account_url": account.url,
                    "org_name": account.organization,
                    "is_core_account": account.organization == "HHS",
                    "is_active": True,
                }
                for key, account in enumerate(read_accounts(), start=1)
            ],
        )
        connection.execute(
            FIGURE_SOURCE.insert(), [{"figure": name, "source": "generated"} for name in FIGURES]
        )
    for day in range(DAYS):
        _run(day, SqlSink(engine, tables=TABLES, create=False))
    with engine.begin() as connection:
        connection.execute(_mentions(), [{"number": n} for n in range(1, _MENTIONS_A_DAY + 1)])


def _run(day: int, sink: SqlSink | _Kept) -> None:
    simulate_metrics(
        accounts=shipped_accounts(),
        to=sink,
        seed=SEED,
        day=FIRST_DAY + timedelta(days=day),
        latency=0,
    )


def _mentions() -> Insert:
    # Made where they stay: so many rows would take a while from here. What others write of an
    # account is no figure of its own; this goes by those that every platform gives some of.
    number = bindparam("number", type_=Integer)
    figure = func.coalesce(SNAPSHOTS.c.followers_count, SNAPSHOTS.c.posts_count, 0) * number
    rows = select(
        SNAPSHOTS.c.account_key, SNAPSHOTS.c.snapshot_date, figure % 9973, figure % 997
    ).order_by(SNAPSHOTS.c.snapshot_id)
    columns = ("account_key", "mentioned_on", "likes_count", "shares_count")
    return insert(MENTIONS).from_select(columns, rows)


class _Kept:
    """A sink that keeps what people follow most in mind, for those who have no database."""

    def __init__(self) -> None:
        self.followers: dict[str | None, int] = {}

    def account_ids(self) -> dict[tuple[str, str], str]:
        """Know nothing of earlier runs."""
        return {}

    def done_on(self, day: date) -> frozenset[tuple[str, str]]:
        """Know nothing of any day."""
        del day
        return frozenset()

    def write(self, outcomes: Sequence[Outcome]) -> None:
        """Keep the followers."""
        for outcome in outcomes:
            if outcome.snapshot is not None:
                followers = outcome.snapshot.figure("followers_count").value
                self.followers[outcome.account.url] = followers or 0

    def close(self) -> None:
        """Hold nothing open."""


@cache
def top_accounts(most: int) -> tuple[int, ...]:
    """Give the keys of the accounts that end the month with most followers."""
    kept = _Kept()
    _run(DAYS - 1, kept)
    last = {
        key: kept.followers.get(account.url, 0)
        for key, account in enumerate(read_accounts(), start=1)
    }
    return tuple(sorted(last, key=lambda key: (-last[key], key))[:most])

"""The tables of the demo, and a month of generated figures to fill them.

One index is missing on purpose: that of `fact_mention.account_key`. A foreign key has none by
itself, neither in SQLite nor in PostgreSQL, which is how most missing indexes come about.
"""

from __future__ import annotations

import random
from datetime import date, timedelta
from functools import cache
from typing import TYPE_CHECKING, Final

from sqlalchemy import (
    Boolean,
    Column,
    Date,
    ForeignKey,
    Integer,
    MetaData,
    String,
    Table,
    UniqueConstraint,
    bindparam,
    insert,
    select,
)

from ._accounts import read_accounts

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Insert
    from sqlalchemy.engine import Engine

__all__ = [
    "ACCOUNTS",
    "DAYS",
    "FIGURES",
    "FIGURE_STATUS",
    "MENTIONS",
    "METADATA",
    "SNAPSHOTS",
    "fill",
    "top_accounts",
]

DAYS: Final = 31
FIRST_DAY: Final = date(2026, 10, 1)
SEED: Final = 20261001
FIGURES: Final = (
    "followers_count",
    "following_count",
    "posts_count",
    "likes_count",
    "comments_count",
    "shares_count",
    "video_views",
)
_MENTIONS_A_DAY: Final = 10

METADATA: Final = MetaData()

ACCOUNTS: Final = Table(
    "dim_account",
    METADATA,
    Column("account_key", Integer, primary_key=True),
    Column("platform", String(40), nullable=False, index=True),
    Column("handle", String(200), nullable=False),
    Column("account_id", String(200)),
    Column("account_display_name", String(200), nullable=False),
    Column("account_url", String(400), nullable=False),
    Column("org_name", String(200), nullable=False, index=True),
    Column("is_core_account", Boolean, nullable=False),
    Column("is_active", Boolean, nullable=False),
)

SNAPSHOTS: Final = Table(
    "fact_followers_snapshot",
    METADATA,
    Column("snapshot_id", Integer, primary_key=True),
    Column("account_key", ForeignKey(ACCOUNTS.c.account_key), nullable=False),
    Column("snapshot_date", Date, nullable=False, index=True),
    *(Column(figure, Integer) for figure in FIGURES),
    UniqueConstraint("account_key", "snapshot_date"),
)

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

FIGURE_STATUS: Final = Table(
    "fact_figure_status",
    METADATA,
    Column("figure", String(40), primary_key=True),
    Column("status", String(20), nullable=False),
    Column("granularity", String(20), nullable=False),
)


def fill(engine: Engine) -> None:
    """Create the tables and fill them: the real accounts, and figures made up from a fixed seed.

    Every figure is marked `generated` in `fact_figure_status`; nothing here was measured.
    """
    accounts = [
        {
            "account_key": key,
            "platform": account.platform,
            "handle": account.handle,
            "account_id": None,
            "account_display_name": account.organization,
            "account_url": account.url,
            "org_name": account.organization,
            "is_core_account": account.organization == "HHS",
            "is_active": True,
        }
        for key, account in enumerate(read_accounts(), start=1)
    ]
    snapshots = [row for account in accounts for row in _month(int(str(account["account_key"])))]
    METADATA.create_all(engine)
    with engine.begin() as connection:
        connection.execute(ACCOUNTS.insert(), accounts)
        connection.execute(SNAPSHOTS.insert(), snapshots)
        connection.execute(_mentions(), [{"number": n} for n in range(1, _MENTIONS_A_DAY + 1)])
        connection.execute(
            FIGURE_STATUS.insert(),
            [{"figure": name, "status": "generated", "granularity": "day"} for name in FIGURES],
        )


def _mentions() -> Insert:
    # Made where they stay: so many rows would take a while from here.
    number = bindparam("number", type_=Integer)
    likes = SNAPSHOTS.c.likes_count * number
    rows = select(
        SNAPSHOTS.c.account_key, SNAPSHOTS.c.snapshot_date, likes % 9973, likes % 997
    ).order_by(SNAPSHOTS.c.snapshot_id)
    columns = ("account_key", "mentioned_on", "likes_count", "shares_count")
    return insert(MENTIONS).from_select(columns, rows)


@cache
def top_accounts(most: int) -> tuple[int, ...]:
    """Give the keys of the accounts that end the month with most followers."""
    last = {
        key: int(str(list(_month(key))[-1]["followers_count"]))
        for key in range(1, len(read_accounts()) + 1)
    }
    return tuple(sorted(last, key=lambda key: (-last[key], key))[:most])


def _month(account_key: int) -> Iterator[dict[str, object]]:
    # Seeded by account, so that an account's figures do not depend on the accounts before it.
    chance = random.Random(f"{SEED}:{account_key}")  # noqa: S311 -- sample figures, no secret
    followers = int(10 ** chance.uniform(3.0, 6.3))
    posts = chance.randrange(500, 20_000)
    following = chance.randrange(20, 2_000)
    for day in range(DAYS):
        followers += int(followers * chance.uniform(-0.0005, 0.002))
        posts += chance.randrange(6)
        likes = int(followers * chance.uniform(0.001, 0.02))
        yield {
            "account_key": account_key,
            "snapshot_date": FIRST_DAY + timedelta(days=day),
            "followers_count": followers,
            "following_count": following,
            "posts_count": posts,
            "likes_count": likes,
            "comments_count": likes // chance.randrange(8, 30),
            "shares_count": likes // chance.randrange(5, 20),
            "video_views": likes * chance.randrange(3, 12),
        }

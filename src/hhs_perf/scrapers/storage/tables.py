"""The tables of accounts and of daily snapshots."""

from __future__ import annotations

from typing import Final

import attrs
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Date,
    Float,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    UniqueConstraint,
)

from ..values import FIGURE_NAMES

__all__ = ["Tables"]

# SQLite gives keys out by itself only to what it calls INTEGER.
_KEY: Final = BigInteger().with_variant(Integer, "sqlite")


@attrs.frozen(kw_only=True)
class Tables:
    """What the tables are called, in which schema, and the tables themselves.

    `accounts` has a row for each account, `snapshots` one for each account and UTC day with a
    column for each figure. `figures` says of a figure what its number does not: that its owner
    hides it, or to what it is rounded. A number without a row there is exact, and a NULL without
    one is a figure that the platform does not give.
    """

    accounts: str = "dim_account"
    snapshots: str = "fact_followers_snapshot"
    figures: str = "fact_figure_status"
    schema: str | None = None
    metadata: MetaData = attrs.field(factory=MetaData, repr=False, eq=False)
    """Where the tables stand; that of the host to have them beside its own."""
    account: Table = attrs.field(init=False, repr=False, eq=False)
    snapshot: Table = attrs.field(init=False, repr=False, eq=False)
    figure: Table = attrs.field(init=False, repr=False, eq=False)

    @account.default
    def _account(self) -> Table:
        return Table(
            self.accounts,
            self.metadata,
            Column("account_key", _KEY, primary_key=True),
            Column("platform", String(40), nullable=False),
            Column("handle", String(200), nullable=False),
            Column("account_id", String(200)),
            Column("account_display_name", String(1000)),
            Column("account_url", String(2000)),
            Column("org_name", String(400), nullable=False),
            Column("is_core_account", Boolean, nullable=False),
            Column("is_active", Boolean, nullable=False),
            UniqueConstraint("platform", "handle"),
            Index(f"ix_{self.accounts}_account_id", "account_id"),
            Index(f"ix_{self.accounts}_account_url", "account_url"),
            Index(f"ix_{self.accounts}_org_name", "org_name"),
            schema=self.schema,
        )

    @snapshot.default
    def _snapshot(self) -> Table:
        return Table(
            self.snapshots,
            self.metadata,
            Column("snapshot_id", _KEY, primary_key=True),
            Column("account_key", _KEY, ForeignKey(self.account.c.account_key), nullable=False),
            Column("snapshot_date", Date, nullable=False),
            *(Column(name, BigInteger) for name in FIGURE_NAMES),
            Column("taken_at", Float(53)),  # seconds since 1970-01-01 UTC
            UniqueConstraint("account_key", "snapshot_date"),
            Index(f"ix_{self.snapshots}_snapshot_date", "snapshot_date"),
            schema=self.schema,
        )

    @figure.default
    def _figure(self) -> Table:
        days = self.snapshot.c
        return Table(
            self.figures,
            self.metadata,
            Column("account_key", _KEY, primary_key=True, autoincrement=False),
            Column("snapshot_date", Date, primary_key=True),
            Column("figure", String(40), primary_key=True),
            Column("status", String(20), nullable=False),
            Column("granularity", BigInteger),
            ForeignKeyConstraint(
                ["account_key", "snapshot_date"],
                [days.account_key, days.snapshot_date],
                ondelete="CASCADE",
            ),
            schema=self.schema,
        )

"""The demo's tables as classes of SQLAlchemy's ORM."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy.orm import DeclarativeBase, Mapped, relationship

from ._schema import ACCOUNTS, METADATA, SNAPSHOTS

if TYPE_CHECKING:
    from datetime import date

__all__ = ["Account", "Snapshot"]


class Base(DeclarativeBase):
    """What the classes have in common."""

    metadata = METADATA


class Snapshot(Base):
    """The figures of one account on one day."""

    __table__ = SNAPSHOTS

    if TYPE_CHECKING:
        snapshot_date: Mapped[date]
        followers_count: Mapped[int]


class Account(Base):
    """An account, with its snapshots from the newest on, loaded when they are first asked for."""

    __table__ = ACCOUNTS

    snapshots: Mapped[list[Snapshot]] = relationship(order_by=SNAPSHOTS.c.snapshot_date.desc())

    if TYPE_CHECKING:
        org_name: Mapped[str]
        handle: Mapped[str]
        platform: Mapped[str]

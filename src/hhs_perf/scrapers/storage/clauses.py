"""What the questions to the tables of snapshots have in common: clauses, and values of rows."""

from __future__ import annotations

from contextlib import nullcontext
from datetime import timedelta
from functools import cache
from typing import TYPE_CHECKING, Any

from sqlalchemy import Date, Integer, and_, func, literal, select, type_coerce
from sqlalchemy.engine import Connection, Engine

from ..history import DailyFigures, ListedAccount
from ..values import FIGURE_NAMES, Figure
from .tables import Tables

if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from datetime import date

    from sqlalchemy import ColumnElement, FromClause, RowMapping, Select, Subquery

    from ..values import FigureName

__all__ = [
    "account_columns",
    "account_of",
    "asking",
    "chosen",
    "daily_of",
    "days_of",
    "ends_of",
    "figure_of",
    "is_newest",
    "known",
    "says",
    "tables_of",
]


@cache
def _default() -> Tables:
    # The same tables each time: SQLAlchemy keeps what it compiled by them.
    return Tables()


def tables_of(tables: Tables | None) -> Tables:
    """Give the tables, or those of the usual names."""
    return _default() if tables is None else tables


def asking(source: Engine | Connection) -> AbstractContextManager[Connection]:
    """Open a connection where there is none."""
    return source.connect() if isinstance(source, Engine) else nullcontext(source)


def known(figure: str) -> str:
    """Give a figure's name back. Raises ValueError for an unknown one."""
    if figure not in FIGURE_NAMES:
        raise ValueError(f"no figure is called {figure!r}; there are {', '.join(FIGURE_NAMES)}")
    return figure


def days_of(
    connection: Connection, held: Tables, day: date | None, back: int
) -> tuple[ColumnElement[date | None], ColumnElement[date | None]]:
    """Give the last day that is asked for, and the one that is `back` days before it."""
    if day is not None:
        return literal(day, Date), literal(day - timedelta(days=back), Date)
    until = select(func.max(held.snapshot.c.snapshot_date)).scalar_subquery()
    if connection.dialect.name == "sqlite":
        return until, type_coerce(func.date(until, f"-{back} days"), Date)
    return until, type_coerce(type_coerce(until, Integer) - literal(back, Integer), Date)


def ends_of(
    held: Tables, figure: str, since: ColumnElement[Any], until: ColumnElement[Any]
) -> Subquery:
    """Find the first and the last day within a time on which each account has a figure."""
    snapshot = held.snapshot.c
    query: Select[Any] = (
        select(
            snapshot.account_key,
            func.min(snapshot.snapshot_date).label("first_day"),
            func.max(snapshot.snapshot_date).label("last_day"),
        )
        .where(
            snapshot.snapshot_date >= since,
            snapshot.snapshot_date <= until,
            snapshot[known(figure)].is_not(None),
        )
        .group_by(snapshot.account_key)
    )
    return query.subquery()


def is_newest(held: Tables, newest: Subquery) -> ColumnElement[bool]:
    """Join a snapshot by the last day that was found."""
    snapshot = held.snapshot.c
    return and_(
        snapshot.account_key == newest.c.account_key,
        snapshot.snapshot_date == newest.c.last_day,
    )


def says(snapshot: FromClause, said: FromClause, figure: str | None = None) -> ColumnElement[bool]:
    """Join what is said of a figure of a snapshot."""
    of_figure = () if figure is None else (said.c.figure == figure,)
    return and_(
        said.c.account_key == snapshot.c.account_key,
        said.c.snapshot_date == snapshot.c.snapshot_date,
        *of_figure,
    )


def chosen(
    held: Tables, platform: str | None, organization: str | None
) -> list[ColumnElement[bool]]:
    """Narrow accounts down."""
    account = held.account.c
    chosen = []
    if platform is not None:
        chosen.append(account.platform == platform)
    if organization is not None:
        chosen.append(account.org_name == organization)
    return chosen


def account_columns(held: Tables) -> tuple[ColumnElement[Any], ...]:
    """Give the columns that `account_of` reads."""
    columns = held.account.c
    return (
        *(columns.account_key, columns.platform, columns.handle, columns.account_id),
        *(columns.account_display_name, columns.account_url, columns.org_name),
        columns.is_core_account,
    )


def account_of(row: RowMapping) -> ListedAccount:
    """Read an account."""
    return ListedAccount(
        account_key=row["account_key"],
        platform=row["platform"],
        handle=row["handle"],
        account_id=row["account_id"],
        display_name=row["account_display_name"],
        url=row["account_url"],
        organization=row["org_name"],
        is_core=bool(row["is_core_account"]),
    )


def daily_of(
    day: date, row: RowMapping, statuses: dict[str, tuple[str, int | None]]
) -> DailyFigures:
    """Read the figures of a day."""
    figures: dict[FigureName, Figure] = {}
    for name in FIGURE_NAMES:
        status, granularity = statuses.get(name, (None, None))
        if row[name] is not None or status is not None:
            figures[name] = figure_of(row[name], status, granularity)
    return DailyFigures(day=day, figures=figures)


def figure_of(value: int | None, status: str | None, granularity: int | None) -> Figure:
    """Read a figure; a number of which nothing is said is exact."""
    if value is not None and status == "rounded" and granularity is not None:
        return Figure(value, "rounded", granularity)
    if value is not None:
        return Figure(value, "ok")
    return Figure(None, "hidden" if status == "hidden" else "absent")

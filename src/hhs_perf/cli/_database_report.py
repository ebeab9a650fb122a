"""What the demo shows of `/api/performance/database`, as values and tables."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

import attrs
import msgspec

from ..web.figure_text import UNKNOWN, figure_text
from ._console import cell
from ._report import ReplyError
from ._tables import new_table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.table import Table

__all__ = ["DatabaseReport", "fault_table", "parts_for_json", "query_table", "read_database_report"]

_MOST_SLOW: Final = 3
_PARTS: Final = ("n_plus_one", "indexes", "advice")


@attrs.frozen(kw_only=True)
class Line:
    """A line of the application."""

    file: str
    line: int


@attrs.frozen(kw_only=True)
class Queries:
    """What the queries of the window did."""

    count: int
    p50: float | None
    p95: float | None
    p99: float | None
    errors: int | None
    slow: int | None
    rows: int | None


@attrs.frozen(kw_only=True)
class NPlusOne:
    """Queries of one line that should be one query."""

    about: str
    advice: str
    line: Line | None
    most: int
    times: int


@attrs.frozen(kw_only=True)
class Slow:
    """One execution that was slow."""

    statement: str
    seconds: float
    line: Line | None


@attrs.frozen(kw_only=True)
class Index:
    """An index that is missing."""

    table: str
    columns: tuple[str, ...]
    line: Line | None
    gain: float | None
    migration: str


@attrs.frozen(kw_only=True)
class Indexes:
    """The missing indexes of one database."""

    advice: tuple[Index, ...]


@attrs.frozen(kw_only=True)
class DatabaseReport:
    """A body of `/api/performance/database`, as far as the tables need it."""

    in_window: Queries
    n_plus_one: tuple[NPlusOne, ...]
    slow_latest: tuple[Slow, ...]
    indexes: tuple[Indexes, ...]


def read_database_report(body: bytes) -> DatabaseReport:
    """Decode the body; raises `ReplyError` if it is something else."""
    try:
        return msgspec.json.decode(body, type=DatabaseReport)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as exc:
        raise ReplyError("the address answers, but not with the figures of hhs_perf") from exc


def parts_for_json(body: bytes) -> dict[str, object]:
    """Give the findings of a body that `read_database_report` takes, with all that stands there."""
    whole = msgspec.json.decode(body, type=dict[str, object])
    return {name: whole[name] for name in _PARTS}


def query_table(report: DatabaseReport) -> Table:
    """Lay out how long the queries took."""
    table = new_table("Database", texts=())
    for name in ("queries", "p50", "p95", "p99", "slow", "errors", "rows"):
        table.add_column(name, justify="right", no_wrap=True)
    seen = report.in_window
    table.add_row(
        cell(f"{seen.count:,}"),
        *(cell(figure_text(value, "s")) for value in (seen.p50, seen.p95, seen.p99)),
        *(cell(_count(value)) for value in (seen.slow, seen.errors, seen.rows)),
    )
    return table


def fault_table(report: DatabaseReport) -> Table:
    """Lay out what the database is asked badly: the fault, the line, and what to do instead."""
    table = new_table("What slows the database", texts=("fault",))
    for name in ("line", "what to do"):
        table.add_column(name, overflow="fold")
    for row in (*_n_plus_one(report), *_slow(report), *_indexes(report)):
        table.add_row(*map(cell, row))
    return table


def _n_plus_one(report: DatabaseReport) -> Iterator[tuple[str, str, str]]:
    for found in report.n_plus_one:
        yield f"N+1, {found.most} queries a time", _place(found.line), f"use {found.advice}"


def _slow(report: DatabaseReport) -> Iterator[tuple[str, str, str]]:
    slowest: dict[str, Slow] = {}
    for each in report.slow_latest:
        held = slowest.get(each.statement)
        if held is None or held.seconds < each.seconds:
            slowest[each.statement] = each
    for each in sorted(slowest.values(), key=lambda slow: -slow.seconds)[:_MOST_SLOW]:
        took = figure_text(each.seconds, "s")
        yield f"slow query, up to {took}", _place(each.line), f"see the plan of {each.statement}"


def _indexes(report: DatabaseReport) -> Iterator[tuple[str, str, str]]:
    for database in report.indexes:
        for index in database.advice:
            faster = "" if index.gain is None else f", {index.gain:,.0f} times faster with it"
            yield f"missing index{faster}", _place(index.line), index.migration


def _place(line: Line | None) -> str:
    if line is None:
        return UNKNOWN
    file = Path(line.file)
    here = Path.cwd()
    return f"{file.relative_to(here) if file.is_relative_to(here) else file}:{line.line}"


def _count(value: int | None) -> str:
    return UNKNOWN if value is None else f"{value:,}"

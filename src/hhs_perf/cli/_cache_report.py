"""The parts of the body of `/api/performance/cache` that the demo shows, as values and tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs
import msgspec

from ..web.figure_text import UNKNOWN, figure_text
from ._console import cell
from ._report import ReplyError
from ._tables import judged, new_table

if TYPE_CHECKING:
    from rich.table import Table

__all__ = ["CacheReport", "level_table", "read_cache_report", "warm_up_table"]


@attrs.frozen(kw_only=True)
class Level:
    """What one level answered."""

    layer: str
    hits: int
    misses: int
    hit_rate: float | None
    puts: int
    evictions: int | None


@attrs.frozen(kw_only=True)
class Levels:
    """The lookups as their callers saw them, and level by level."""

    hits: int | None
    misses: int | None
    hit_rate: float | None
    time_saved: float | None
    levels: tuple[Level, ...]


@attrs.frozen(kw_only=True)
class WarmUp:
    """How a warm-up went."""

    name: str
    state: str
    seconds: float | None
    error: str | None
    note: str | None


@attrs.frozen(kw_only=True)
class CacheReport:
    """A body of `/api/performance/cache`, as far as the tables need it."""

    in_window: Levels
    warm_ups: tuple[WarmUp, ...]


def read_cache_report(body: bytes) -> CacheReport:
    """Decode the body; raises `ReplyError` if it is something else."""
    try:
        return msgspec.json.decode(body, type=CacheReport)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as exc:
        raise ReplyError("the address answers, but not with the figures of hhs_perf") from exc


def level_table(report: CacheReport) -> Table:
    """Lay out what the cache answered: over all, then L1 in memory and L2 in Redis."""
    table = new_table("Cache", texts=("level",))
    for name in ("hits", "misses", "hit rate", "puts", "evictions", "time saved"):
        table.add_column(name, justify="right", no_wrap=True)
    whole = report.in_window
    table.add_row(
        cell("all"),
        cell(_count(whole.hits)),
        cell(_count(whole.misses)),
        cell(figure_text(whole.hit_rate, "ratio")),
        "",
        "",
        cell(figure_text(whole.time_saved, "s")),
    )
    for level in whole.levels:
        table.add_row(
            cell(level.layer.upper()),
            cell(_count(level.hits)),
            cell(_count(level.misses)),
            cell(figure_text(level.hit_rate, "ratio")),
            cell(_count(level.puts)),
            cell(_count(level.evictions)),
            "",
        )
    return table


def warm_up_table(report: CacheReport) -> Table:
    """Lay out how the warm-ups went."""
    table = new_table("Warm-ups", texts=("warm-up", "state"))
    table.add_column("took", justify="right", no_wrap=True)
    table.add_column("told", overflow="fold")
    for each in report.warm_ups:
        table.add_row(
            cell(each.name),
            judged(each.state),
            cell(figure_text(each.seconds, "s")),
            cell(each.note or each.error or ""),
        )
    return table


def _count(value: int | None) -> str:
    return UNKNOWN if value is None else f"{value:,}"

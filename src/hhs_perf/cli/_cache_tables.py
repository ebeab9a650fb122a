"""The tables and the JSON of the commands under `hhs-perf cache`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs
from rich.text import Text

from .._clock import rfc3339
from ..web.figure_text import UNKNOWN, figure_text
from ._console import cell
from ._tables import judged, new_table

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from rich.table import Table

    from ..cache.warm.board import Row, WarmUpRow
    from ..cache.warm.inspection import Survey

__all__ = [
    "Answer",
    "answers_table",
    "pattern_table",
    "process_table",
    "stats_json",
    "survey_lines",
]


@attrs.frozen(kw_only=True)
class Answer:
    """How one warm-up of one process stands; `finished_at` as RFC 3339."""

    name: str
    host: str
    pid: int
    state: str
    seconds: float | None
    finished_at: str | None
    every: float | None
    error: str | None
    note: str | None

    @classmethod
    def of(cls, row: Row, warm_up: WarmUpRow) -> Answer:
        """Tell of a warm-up as its process tells."""
        at = warm_up.finished_at
        return cls(
            name=warm_up.name,
            host=row.host,
            pid=row.pid,
            state=warm_up.state,
            seconds=warm_up.seconds,
            finished_at=None if at is None else _stamp(at),
            every=warm_up.every,
            error=warm_up.error,
            note=warm_up.note,
        )


def _stamp(at: float) -> str | None:
    try:
        return rfc3339(at)
    except (ValueError, OverflowError, OSError):  # a number that is no time
        return None


def survey_lines(survey: Survey, server: str, namespace: str) -> Iterator[Text]:
    """Say in a few lines what there is in all."""
    yield cell(f"{survey.server} at {server}, namespace {namespace}")
    size = _size(survey.bytes)
    yield cell(
        f"{survey.entries:,} entries, {size}; {survey.leases:,} loads under way, "
        f"{survey.tag_marks:,} marks of tags, {survey.standing_marks:,} of prefixes or everything"
    )
    if not survey.complete:
        yield cell("These are not all: --limit ended the count.", "yellow")


def pattern_table(survey: Survey) -> Table | Text:
    """Lay out the patterns of keys, those with most entries first."""
    if not survey.patterns:
        return Text("No entries.")
    shown = new_table("Entries", texts=())
    shown.add_column("pattern", overflow="fold")
    for name in ("entries", "bytes", "ttl min", "median", "max"):
        shown.add_column(name, justify="right", no_wrap=True)
    for row in survey.patterns:
        ttls = (row.ttl_min, row.ttl_median, row.ttl_max)
        shown.add_row(
            cell(row.pattern),
            cell(f"{row.entries:,}"),
            cell(_size(row.bytes)),
            *(cell(figure_text(ttl, "s")) for ttl in ttls),
        )
    return shown


def process_table(rows: Iterable[Row]) -> Table | Text:
    """Lay out the warm-ups of every process."""
    answers = [Answer.of(row, each) for row in rows for each in row.warm_ups]
    if not answers:
        return Text("No process tells of warm-ups.")
    return answers_table(answers)


def answers_table(answers: Iterable[Answer]) -> Table:
    """Lay out how warm-ups stand."""
    shown = new_table("Warm-ups", texts=("warm-up", "process", "state"))
    for name in ("took", "every"):
        shown.add_column(name, justify="right", no_wrap=True)
    shown.add_column("finished", no_wrap=True)
    shown.add_column("told", overflow="fold")
    for each in answers:
        shown.add_row(
            cell(each.name),
            cell(f"{each.host}:{each.pid}"),
            judged(each.state),
            cell(figure_text(each.seconds, "s")),
            cell(figure_text(each.every, "s")),
            cell(each.finished_at or UNKNOWN),
            cell(each.note or each.error or ""),
        )
    return shown


def stats_json(survey: Survey) -> dict[str, object]:
    """Give a survey as JSON-ready values."""
    whole = attrs.asdict(survey, filter=attrs.filters.exclude("processes", "server"))
    answers = [Answer.of(row, each) for row in survey.processes for each in row.warm_ups]
    return {
        "version": survey.server,
        **whole,
        "warm_ups": [attrs.asdict(each) for each in answers],
    }


def _size(count: int) -> str:
    size = float(count)
    for unit in ("B", "KiB", "MiB"):
        if size < 1024:  # noqa: PLR2004 -- the step from one unit to the next
            return f"{size:.3g} {unit}" if unit != "B" else f"{count} B"
        size /= 1024
    return f"{size:.3g} GiB"

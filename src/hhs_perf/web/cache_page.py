"""The cache on the page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from .figure_text import UNKNOWN, figure_text
from .tables import cells, escaped, table

if TYPE_CHECKING:
    from ..collectors.cache_detail import MissFigures
    from .cache_body import CacheBody, CacheNow

__all__ = ["cache_section"]

_MOST_PATTERNS: Final = 20
_MISSED: Final = ("Absent", "Expired", "Invalidated", "Evicted")


def cache_section(body: CacheBody) -> str:
    """Write the tables of the cache."""
    parts = [_levels(body)]
    if body.since_start is not None:
        parts.append(_patterns(body))
    if body.now is not None:
        parts.append(_state(body.now))
    if body.advice:
        parts.append(_advice(body))
    if body.warm_ups:
        parts.append(_warm_ups(body))
    if body.recent_errors:
        parts.append(_errors(body))
    return "".join(parts)


def _missed(missed: MissFigures | None) -> tuple[str, ...]:
    if missed is None:
        return (UNKNOWN,) * len(_MISSED)
    counts = (missed.absent, missed.expired, missed.invalidated, missed.evicted)
    return tuple(figure_text(count, "") for count in counts)


def _levels(body: CacheBody) -> str:
    whole = body.in_window
    rows = [
        cells(
            ("overall",),
            (
                figure_text(whole.hits, ""),
                figure_text(whole.misses, ""),
                figure_text(whole.hit_rate, "ratio"),
                *_missed(whole.missed),
                figure_text(whole.time_saved, "s"),
            ),
        )
    ]
    rows += (
        cells(
            (escaped(level.layer.upper()),),
            (
                figure_text(level.hits, ""),
                figure_text(level.misses, ""),
                figure_text(level.hit_rate, "ratio"),
                *_missed(level.missed),
                UNKNOWN,
            ),
        )
        for level in whole.levels
    )
    heads = ("Level", "Hits", "Misses", "Hit rate", *_MISSED, "Time saved")
    return table(f"Cache, {body.window.name}", heads, rows, 1)


def _patterns(body: CacheBody) -> str:
    patterns = () if body.since_start is None else body.since_start.patterns[:_MOST_PATTERNS]
    rows = (
        cells(
            (escaped(each.pattern),),
            (
                figure_text(each.hits, ""),
                figure_text(each.misses, ""),
                figure_text(each.hit_rate, "ratio"),
                *_missed(each.missed),
                figure_text(each.loads, ""),
                figure_text(each.mean_load_seconds, "s"),
                figure_text(each.ttl, "s"),
                figure_text(each.entries, ""),
            ),
        )
        for each in patterns
    )
    counted = ("Hits", "Misses", "Hit rate", *_MISSED, "Loads", "Mean load", "ttl", "Entries in L1")
    return table("Cache keys since the start", ("Pattern", *counted), rows, 1)


def _state(now: CacheNow) -> str:
    size = f"{figure_text(now.l1.size, '')} of {figure_text(now.l1.maxsize, '')}"
    rows = [cells(("L1", "memory", size), (UNKNOWN, UNKNOWN))]
    if now.l2 is not None:
        breaker, link = now.l2.breaker, now.l2.link
        state = f"breaker {escaped(breaker.state)}, link {escaped(link.state)}"
        lag, unsent = figure_text(link.lag, "s"), figure_text(link.unsent, "")
        rows.append(cells(("L2", escaped(now.l2.address), state), (lag, unsent)))
    return table("Cache now", ("Level", "Where", "State", "Lag", "Unsent"), rows, 3)


def _advice(body: CacheBody) -> str:
    rows = (cells((escaped(each.rule), escaped(each.text)), ()) for each in body.advice)
    return table("Advice on the cache", ("Rule", "What to change"), rows, 2)


def _warm_ups(body: CacheBody) -> str:
    rows = (
        cells(
            (
                escaped(each.name),
                escaped(each.state),
                UNKNOWN if each.finished_at is None else escaped(each.finished_at),
                escaped(each.note or each.error or UNKNOWN),
            ),
            (figure_text(each.seconds, "s"), figure_text(each.runs, "")),
        )
        for each in body.warm_ups
    )
    return table("Warm-ups", ("Name", "State", "Finished", "Note", "Took", "Runs"), rows, 4)


def _errors(body: CacheBody) -> str:
    rows = (
        cells((f"<time>{escaped(each.at)}</time>", escaped(each.where), escaped(each.error)), ())
        for each in body.recent_errors
    )
    return table("Recent errors of the cache", ("When", "Where", "Error"), rows, 3)

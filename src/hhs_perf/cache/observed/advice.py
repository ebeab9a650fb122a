"""Advice on a cache: the guide's rules, each with the figures that speak for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal

import attrs

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .report import CacheReport, PatternReport

__all__ = ["Advice", "Evidence", "Rule", "advise"]

Rule = Literal["short-ttl", "warm", "invalidation", "redis-unreachable"]

_MOST: Final = 20
# Fewer loads, hits or misses than these show nothing yet.
_COMPARED: Final = 20
_EXPIRED: Final = 20
_COLD_HITS: Final = 50
# What callers have waited in all, in seconds, that is worth the trouble of warming.
_WAITED: Final = 0.1
_MISSES: Final = 40
_OPENINGS: Final = 3
_UNCHANGED_SHARE: Final = 0.9
_HOT_SHARE: Final = 0.2
_INVALIDATED_SHARE: Final = 0.5


@attrs.frozen(kw_only=True, slots=False)
class Evidence:
    """A figure that speaks for an advice; a `unit` of `s` is seconds, of `ratio` a share."""

    figure: str
    value: float
    unit: Literal["", "s", "ratio"] = ""


@attrs.frozen(kw_only=True, slots=False)
class Advice:
    """What to change, by which rule, and why; `pattern` is the kind of keys that it concerns.

    `setting` names the argument, method or variable that changes it.
    """

    rule: Rule
    pattern: str | None
    setting: str
    text: str
    evidence: tuple[Evidence, ...]


def advise(report: CacheReport) -> tuple[Advice, ...]:
    """Give the advice that the figures bear out, most urgent first; where they are thin, none."""
    found = list(_unreachable(report))
    for pattern in report.patterns:
        found += _short_ttl(pattern)
        found += _cold(pattern)
        found += _hot_expired(pattern)
        found += _invalidated(pattern)
    return tuple(found[:_MOST])


def _unreachable(report: CacheReport) -> Iterator[Advice]:
    breaker, link = report.breaker, report.link
    if breaker is None or link is None:
        return
    if breaker.state != "closed":
        what = "Redis does not answer: the breaker is open, and only L1 serves"
    elif link.state == "lost":
        what = "The link to Redis is lost: what other processes invalidate is not heard"
    elif breaker.openings >= _OPENINGS:
        what = f"Redis has failed {breaker.openings} times since the start"
    else:
        return
    yield Advice(
        rule="redis-unreachable",
        pattern=None,
        setting="REDIS_URL",
        text=(
            f"{what}. See that {report.address} (REDIS_URL) can be reached from here, and that"
            " it answers within HHS_PERF_CACHE_L2_TIMEOUT."
        ),
        evidence=(
            Evidence(figure="failures", value=breaker.failures),
            Evidence(figure="openings", value=breaker.openings),
            Evidence(figure="losses", value=link.losses),
            Evidence(figure="unsent", value=link.unsent),
        ),
    )


def _short_ttl(pattern: PatternReport) -> Iterator[Advice]:
    expired = pattern.missed.expired
    if pattern.compared < _COMPARED or expired < _EXPIRED or pattern.ttl is None:
        return
    if pattern.unchanged < _UNCHANGED_SHARE * pattern.compared:
        return
    yield Advice(
        rule="short-ttl",
        pattern=pattern.pattern,
        setting="ttl",
        text=(
            f"Raise the ttl of {pattern.pattern}, which is {pattern.ttl:g} s (CACHE_L1_TTL and"
            f" CACHE_L2_TTL where the call names none): {pattern.unchanged} of"
            f" {pattern.compared} loads compared gave the value that was there before."
        ),
        evidence=(
            Evidence(figure="unchanged", value=pattern.unchanged),
            Evidence(figure="compared", value=pattern.compared),
            Evidence(figure="expired", value=expired),
            Evidence(figure="ttl", value=pattern.ttl, unit="s"),
        ),
    )


def _cold(pattern: PatternReport) -> Iterator[Advice]:
    waited = pattern.cold_keys * (pattern.mean_load_seconds or 0.0)
    if pattern.cold_hits < _COLD_HITS or waited < _WAITED:
        return
    one = pattern.cold_keys == 1
    keys, were = ("1 key", "was") if one else (f"{pattern.cold_keys} keys", "were")
    yield Advice(
        rule="warm",
        pattern=pattern.pattern,
        setting="cache.warm",
        text=(
            f"Warm {pattern.pattern} at the start with cache.warm(…): in the first minute callers"
            f" waited about {waited:.2g} s for {keys} to be loaded, which {were} hit"
            f" {pattern.cold_hits} times since."
        ),
        evidence=(
            Evidence(figure="cold_keys", value=pattern.cold_keys),
            Evidence(figure="cold_hits", value=pattern.cold_hits),
            *_mean_load(pattern),
        ),
    )


def _hot_expired(pattern: PatternReport) -> Iterator[Advice]:
    share = pattern.hot_expired / pattern.misses if pattern.misses else 0.0
    waited = pattern.hot_expired * (pattern.mean_load_seconds or 0.0)
    if pattern.hot_expired < _EXPIRED or share < _HOT_SHARE or waited < _WAITED:
        return
    yield Advice(
        rule="warm",
        pattern=pattern.pattern,
        setting="eager_at",
        text=(
            f"Load {pattern.pattern} anew before it expires, by a Policy with eager_at or"
            f" stale_for, or cache.warm(…, every=…): {pattern.hot_expired} times a caller waited,"
            f" about {waited:.2g} s in all, for a key that was hit often and had just expired."
        ),
        evidence=(
            Evidence(figure="hot_expired", value=pattern.hot_expired),
            Evidence(figure="share of misses", value=share, unit="ratio"),
            *_mean_load(pattern),
        ),
    )


def _invalidated(pattern: PatternReport) -> Iterator[Advice]:
    invalidated = pattern.missed.invalidated
    if pattern.misses < _MISSES or invalidated <= _INVALIDATED_SHARE * pattern.misses:
        return
    yield Advice(
        rule="invalidation",
        pattern=pattern.pattern,
        setting="tags",
        text=(
            f"Invalidate {pattern.pattern} more narrowly, by its key or by tags that fewer"
            f" entries share: {invalidated} of {pattern.misses} misses came of an invalidation,"
            " not of the ttl."
        ),
        evidence=(
            Evidence(figure="invalidated", value=invalidated),
            Evidence(figure="misses", value=pattern.misses),
            Evidence(figure="invalidations", value=pattern.invalidations),
        ),
    )


def _mean_load(pattern: PatternReport) -> Iterator[Evidence]:
    if pattern.mean_load_seconds is not None:
        figure = "mean_load_seconds"
        yield Evidence(figure=figure, value=pattern.mean_load_seconds, unit="s")

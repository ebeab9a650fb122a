"""Advice needs evidence: each rule speaks where the figures do, and is silent before."""

from __future__ import annotations

from typing import Any

import attrs
import pytest

from hhs_perf._breaker import BreakerReport
from hhs_perf.cache import Advice, CacheReport, TieredCache
from hhs_perf.cache.observed.advice import advise
from hhs_perf.cache.observed.report import LinkReport, PatternReport
from hhs_perf.collectors.cache_detail import MissFigures
from hhs_perf.testing import FakeClock

QUIET = MissFigures(absent=0, expired=0, invalidated=0, evicted=0, unreadable=None)
PATTERN = PatternReport(
    pattern="account:{id}",
    hits=1_000,
    l1_hits=1_000,
    l2_hits=0,
    misses=0,
    hit_rate=1.0,
    missed=QUIET,
    loads=0,
    load_failures=0,
    mean_load_seconds=0.2,
    time_saved=200.0,
    puts=0,
    evictions=0,
    invalidations=0,
    ttl=60.0,
    entries=10,
    bytes=1_000,
    l2_bytes_written=0,
    compared=0,
    unchanged=0,
    hot_expired=0,
    cold_keys=0,
    cold_hits=0,
)
BREAKER = BreakerReport(
    state="closed",
    since=0.0,
    openings=0,
    failures=0,
    probe_in=None,
    last_error=None,
    last_error_at=None,
)
LINK = LinkReport(state="linked", lag=0.001, losses=0, messages=0, unsent=0)


def report(*, breaker: Any = None, link: Any = None, **of_pattern: Any) -> CacheReport:
    """Give the report of a cache whose one pattern is as told."""
    missed = attrs.evolve(QUIET, **of_pattern.pop("missed", {}))
    row = attrs.evolve(PATTERN, missed=missed, **of_pattern)
    empty = TieredCache().report()
    return attrs.evolve(
        empty, patterns=(row,), address="redis://cache:6379/0", breaker=breaker, link=link
    )


def evidence(advice: Advice) -> dict[str, float]:
    return {each.figure: each.value for each in advice.evidence}


def test_a_cache_that_does_well_gets_no_advice() -> None:
    assert advise(report(breaker=BREAKER, link=LINK)) == ()


def test_a_short_ttl_on_stable_values_is_told_with_its_figures() -> None:
    [advice] = advise(report(compared=40, unchanged=38, missed={"expired": 90}, misses=90))
    assert (advice.rule, advice.pattern, advice.setting) == ("short-ttl", "account:{id}", "ttl")
    assert evidence(advice) == {"unchanged": 38, "compared": 40, "expired": 90, "ttl": 60.0}
    for word in ("account:{id}", "60 s", "38 of 40", "CACHE_L2_TTL"):
        assert word in advice.text


@pytest.mark.parametrize(
    "figures",
    [
        {"compared": 19, "unchanged": 19, "missed": {"expired": 90}},
        {"compared": 40, "unchanged": 30, "missed": {"expired": 90}},
        {"compared": 40, "unchanged": 40, "missed": {"absent": 90}},
        {"compared": 40, "unchanged": 40, "missed": {"expired": 90}, "ttl": None},
    ],
    ids=["thin", "changing", "not of the ttl", "unknown ttl"],
)
def test_a_ttl_is_left_alone_without_evidence(figures: dict[str, Any]) -> None:
    assert advise(report(**figures)) == ()


def test_cold_keys_are_to_be_warmed() -> None:
    [advice] = advise(report(cold_keys=3, cold_hits=120))
    assert (advice.rule, advice.setting) == ("warm", "cache.warm")
    assert evidence(advice) == {"cold_keys": 3, "cold_hits": 120, "mean_load_seconds": 0.2}
    assert "waited about 0.6 s for 3 keys to be loaded, which were hit 120 times" in advice.text
    assert advise(report(cold_keys=3, cold_hits=49)) == ()
    [advice] = advise(report(cold_keys=1, cold_hits=120))
    assert "for 1 key to be loaded, which was hit 120 times" in advice.text


@pytest.mark.parametrize(
    "figures",
    [
        {"cold_keys": 1, "cold_hits": 1_000},
        {"hot_expired": 30, "misses": 100, "missed": {"expired": 40}},
    ],
    ids=["cold", "expired"],
)
@pytest.mark.parametrize("mean", [0.003, None], ids=["cheap", "unknown"])
def test_what_nobody_has_waited_for_need_not_be_warmed(
    figures: dict[str, Any], mean: float | None
) -> None:
    assert advise(report(mean_load_seconds=mean, **figures)) == ()


def test_hot_keys_that_expire_are_to_be_loaded_before() -> None:
    [advice] = advise(report(hot_expired=30, misses=100, missed={"expired": 40}))
    assert (advice.rule, advice.setting) == ("warm", "eager_at")
    assert evidence(advice)["hot_expired"] == 30
    assert advise(report(hot_expired=19, misses=20)) == ()
    assert advise(report(hot_expired=30, misses=1_000)) == ()


def test_misses_mostly_by_invalidation_are_told() -> None:
    missed = {"invalidated": 60, "expired": 20}
    [advice] = advise(report(misses=80, missed=missed, invalidations=500))
    assert (advice.rule, advice.setting) == ("invalidation", "tags")
    assert evidence(advice) == {"invalidated": 60, "misses": 80, "invalidations": 500}
    assert "60 of 80" in advice.text
    assert advise(report(misses=30, missed={"invalidated": 30})) == ()
    assert advise(report(misses=80, missed={"invalidated": 40, "absent": 40})) == ()


@pytest.mark.parametrize(
    ("breaker", "link", "word"),
    [
        ({"state": "open"}, {"state": "lost"}, "does not answer"),
        ({"state": "half_open"}, {}, "does not answer"),
        ({}, {"state": "lost"}, "link"),
        ({"openings": 3}, {}, "3 times"),
    ],
)
def test_an_unreachable_redis_comes_first(
    breaker: dict[str, Any], link: dict[str, Any], word: str
) -> None:
    found = advise(
        report(
            breaker=attrs.evolve(BREAKER, failures=7, **breaker),
            link=attrs.evolve(LINK, unsent=2, **link),
            cold_keys=3,
            cold_hits=120,
        )
    )
    assert [each.rule for each in found] == ["redis-unreachable", "warm"]
    assert (found[0].setting, found[0].pattern) == ("REDIS_URL", None)
    assert word in found[0].text
    assert "redis://cache:6379/0" in found[0].text
    assert evidence(found[0])["failures"] == 7
    assert evidence(found[0])["unsent"] == 2


def test_a_link_that_nobody_needed_yet_is_no_fault() -> None:
    assert advise(report(breaker=BREAKER, link=attrs.evolve(LINK, state="idle"))) == ()


def test_advice_comes_of_traffic(clock: FakeClock) -> None:
    """A value that never changes, loaded anew every five seconds under its callers."""
    cache = TieredCache(clock=clock)

    def load() -> dict[str, int]:
        clock.advance(0.1)
        return {"accounts": 7}

    for _ in range(30):
        for _ in range(20):
            cache.get_or_load("summary:all", load, ttl=5)
        cache.report()
        clock.advance(6)
    rules = {each.rule: each for each in cache.report().advice}
    assert set(rules) == {"short-ttl", "warm"}
    assert rules["short-ttl"].pattern == "summary:all"
    assert evidence(rules["short-ttl"])["compared"] == 29

"""The pages on the cache say what the code does, and what was measured."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from hhs_perf import Settings, _breaker, cache
from hhs_perf._redis import backplane
from hhs_perf.cache import Policy, flight, leading, memory, policy
from hhs_perf.cache.remote import below, coherence, l2, scripts
from hhs_perf.cache.warm import frequent, warming

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "explanation" / "cache-timeouts.md"
DAY = 86_400.0
SETTINGS = Settings().cache

SPANS = {
    "ttl in L2": SETTINGS.l2_ttl,
    "ttl in L1": SETTINGS.l1_ttl,
    "stale for": Policy().stale_for,
    "fail-safe for": Policy().fail_safe_for,
    "negative ttl": Policy().negative_ttl,
    "longest ttl": policy.LONGEST_TTL,
    "marks in Redis": scripts.MARKS_KEPT_MS / 1e3,
    "cached responses": SETTINGS.default_timeout,
    "soft time-out": Policy().soft_timeout,
    "hard time-out": Policy().hard_timeout,
    "rest of an event loop": flight._LONGEST_REST,
    "lease": l2._LEASE_MS / 1e3,
    "first extension of a lease": coherence._FIRST_EXTENSION,
    "grace after a lease": leading._GRACE,
    "L2 time-out": SETTINGS.l2_timeout,
    "first probe": 0.1,
    "longest pause between probes": below._PROBE_AT_MOST,
    "forgotten probe": _breaker._ABANDONED_AFTER,
    "repeating what Redis refused": coherence._RESEND_EVERY,
    "ping on the backplane": backplane._PING_EVERY,
    "answer to a ping": backplane._PONG_WITHIN,
    "connecting and subscribing": below._LISTEN_TIMEOUT,
    "turn of the backplane": backplane._TURN,
    "longest pause before linking again": backplane._RETRY_AT_MOST,
    "lives in L1 without a link": memory.DEAF_TTL,
    "wait for the first link": leading._FIRST_TRY,
    "comparing clocks": coherence._COMPARE_CLOCKS_EVERY,
    "between two loads of a warm-up": None,
    "looking what is due": warming._TURN,
    "keeping the hot keys": warming._LEARN_EVERY,
    "loading the hot keys": frequent._LONGEST,
    "waiting for the first link, before warming": warming._LINKED_WITHIN,
    "end of the backplane": 2.0,
    "end of running warm-ups": warming._ENDS_WITHIN,
}


def _told(seconds: float | None) -> str:
    if seconds is None:
        return "none"
    return f"{seconds / DAY:g} days" if seconds >= DAY else f"{seconds:g} s"


def _rows_of(page: Path) -> list[list[str]]:
    return [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in page.read_text("utf-8").splitlines()
        if line.startswith("|")
    ]


def _spans_told() -> dict[str, str]:
    return {row[0]: row[1] for row in _rows_of(PAGE) if row[0] not in ("span", "---")}


@pytest.mark.parametrize("span", SPANS)
def test_a_span_stands_in_the_docs_as_it_is_in_the_code(span: str) -> None:
    assert _spans_told()[span] == _told(SPANS[span])


def test_no_span_stands_in_the_docs_that_is_not_compared_here() -> None:
    told = _spans_told()
    assert told.pop("life of a warmed value") == f"{warming._LIVES_FOR:g} × `every`"
    assert told.keys() == SPANS.keys()


def test_the_shares_of_misses_in_the_guide_are_those_that_were_measured() -> None:
    measured = json.loads((ROOT / "benchmarks/results/cache_hit_ratio.json").read_text("utf-8"))
    results = {(each["what"], each["peer"]): each for each in measured["results"]}
    rows = _rows_of(ROOT / "docs" / "cache" / "optimization_guide.md")
    table = [row for row in rows if row[0].startswith(("zipf", "popularity"))]
    assert len(table) == 5
    for requests, ours, theirs in table:
        found = results[f"misses: {requests}, 1 %", "cachetools.LRUCache"]
        medians = (found["ours"]["median"], found["theirs"]["median"])
        assert (ours, theirs) == tuple(f"{median:.3g} %" for median in medians)


def test_the_public_names_of_the_cache_stand_in_its_api_page() -> None:
    text = (ROOT / "docs" / "reference" / "cache-api.md").read_text("utf-8")
    missing = [name for name in cache.__all__ if not re.search(rf"\b{name}\b", text)]
    assert missing == []


def test_the_methods_of_the_cache_stand_in_its_api_page() -> None:
    text = (ROOT / "docs" / "reference" / "cache-api.md").read_text("utf-8")
    own = [name for name in vars(cache.TieredCache) if not name.startswith("_")]
    assert [name for name in own if not re.search(rf"\b{name}\b", text)] == []

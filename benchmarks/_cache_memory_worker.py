"""A process that fills one cache and prints what resident memory it took, in bytes, as JSON.

Usage: ``python -m benchmarks._cache_memory_worker CONTENDER fill|churn``.  Keys and value exist
before, so that only what the cache adds is seen.  ``fill`` puts in as many entries as it holds,
``churn`` four times as many.
"""

from __future__ import annotations

import gc
import json
import sys
import time
from typing import Final

from benchmarks._memory_worker import resident

ENTRIES: Final = 100_000
CHURN: Final = 4
TTL: Final = 3_600.0


def ours(keys: list[str], value: object) -> object:
    """Fill the first level as the tiered cache does: each entry with an expiry, one group."""
    from hhs_perf.cache.observed.stats import PatternCounts
    from hhs_perf.cache.policy import Policy
    from hhs_perf.cache.store.entry import Entry, Group
    from hhs_perf.cache.store.s3fifo import S3FIFOCache

    cache: S3FIFOCache[str, object] = S3FIFOCache(ENTRIES)
    group = Group(0, PatternCounts("account:*"), (), Policy())
    for key in keys:
        cache.put(key, Entry(value, time.perf_counter() + TTL, 0, group))
    return cache


def plain_dict(keys: list[str], value: object) -> object:
    """Fill a dict, which holds every key for ever."""
    return dict.fromkeys(keys, value)


def cachetools_ttl(keys: list[str], value: object) -> object:
    """Fill cachetools' cache with a ttl."""
    from cachetools import TTLCache

    cache = TTLCache[str, object](ENTRIES, TTL)
    for key in keys:
        cache[key] = value
    return cache


def cachebox_ttl(keys: list[str], value: object) -> object:
    """Fill cachebox' cache with a ttl."""
    from cachebox import TTLCache

    cache = TTLCache(ENTRIES, TTL)
    for key in keys:
        cache[key] = value
    return cache


def theine(keys: list[str], value: object) -> object:
    """Fill theine's cache, each entry with a ttl."""
    from datetime import timedelta

    from theine import Cache

    cache = Cache(ENTRIES)
    ttl = timedelta(seconds=TTL)
    for key in keys:
        cache.set(key, value, ttl)
    return cache


CONTENDERS: Final = {
    "ours": ours,
    "dict": plain_dict,
    "cachetools.TTLCache": cachetools_ttl,
    "cachebox.TTLCache": cachebox_ttl,
    "theine": theine,
}


def main(contender: str, scenario: str) -> None:
    """Fill the cache and print the memory that it took."""
    fill = CONTENDERS[contender]
    value = object()
    fill([f"warm:{n}" for n in range(1_000)], value)  # what it imports is not part of an entry
    keys = [f"account:{n}" for n in range(ENTRIES * (CHURN if scenario == "churn" else 1))]
    gc.collect()
    before = resident()
    cache = fill(keys, value)
    gc.collect()
    print(json.dumps({"bytes": resident() - before, "cache": type(cache).__name__}))


if __name__ == "__main__":
    main(*sys.argv[1:])

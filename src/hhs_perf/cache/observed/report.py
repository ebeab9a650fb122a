"""What a cache did since it began in this process, and how it stands, as frozen values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import attrs

from ...collectors.cache_detail import LevelFigures, MissFigures
from .advice import Advice

if TYPE_CHECKING:
    from ..._breaker import BreakerReport
    from ..warm.warm_ups import WarmResult

__all__ = [
    "CacheReport",
    "CacheTotals",
    "LinkReport",
    "MemoryReport",
    "OperationTotal",
    "PatternReport",
    "RecentError",
]


@attrs.frozen(kw_only=True, slots=False)
class PatternReport:
    """What happened to the keys of one pattern since the start; None is unknown.

    `entries` and `bytes` are what L1 holds now, `bytes` a sample's mean times `entries`. `ttl` is
    the life in seconds that was stored last. Of `compared` loads `unchanged` gave the value that
    was there before. `hot_expired` are misses of keys hit ten times before, for they had expired;
    `cold_keys` were missed in the first minute and then hit ten times or more, `cold_hits` in all.
    """

    pattern: str
    hits: int
    l1_hits: int
    l2_hits: int
    misses: int
    hit_rate: float | None
    missed: MissFigures
    loads: int
    load_failures: int
    mean_load_seconds: float | None
    time_saved: float | None
    puts: int
    evictions: int
    invalidations: int
    ttl: float | None
    entries: int
    bytes: int | None
    l2_bytes_written: int
    compared: int
    unchanged: int
    hot_expired: int
    cold_keys: int
    cold_hits: int


@attrs.frozen(kw_only=True, slots=False)
class OperationTotal:
    """Operations of one kind on L2 since the start."""

    op: str
    count: int
    errors: int
    avg: float


@attrs.frozen(kw_only=True, slots=False)
class MemoryReport:
    """What L1 holds now; `size` and `maxsize` in entries, or in bytes where these bound it.

    `bytes` is what keys and values take, as far as a sample tells.
    """

    entries: int
    size: float
    maxsize: float
    bytes: int | None


@attrs.frozen(kw_only=True, slots=False)
class LinkReport:
    """The link on which this process hears what others delete and write.

    `lag` is how long the last ping took through the queue of messages, in seconds; `unsent` are
    deletes and invalidations that wait for Redis to be back.
    """

    state: Literal["idle", "linked", "lost"]
    lag: float | None
    losses: int
    messages: int
    unsent: int


@attrs.frozen(kw_only=True)
class RecentError:
    """An error that was kept from callers: when in seconds since 1970, where, and its class."""

    at: float
    where: str
    error: str


@attrs.frozen(kw_only=True, slots=False)
class CacheTotals:
    """What one process counted since it began; seconds as float, ratios 0..1, None is unknown.

    `refused` values came too late: their key was deleted or written while they were loaded.
    `unstorable` ones stay in L1; `unreadable` tells what in L2 could not be used, by reason.
    """

    hits: int
    misses: int
    hit_rate: float | None
    missed: MissFigures
    loads: int
    load_failures: int
    load_seconds: float
    mean_load_seconds: float | None
    time_saved: float | None
    stale_served: int
    refreshes: int
    timeouts: int
    refused: int
    unstorable: int
    unreadable: dict[str, int]
    levels: tuple[LevelFigures, ...]
    patterns: tuple[PatternReport, ...]
    l2_operations: tuple[OperationTotal, ...]


@attrs.frozen(kw_only=True)
class CacheReport(CacheTotals):
    """What a cache did since `since`, seconds since 1970, and how it stands.

    `address` is the URL of L2 without passwords; it, `breaker` and `link` are None without L2.
    """

    namespace: str
    since: float
    memory: MemoryReport
    address: str | None
    breaker: BreakerReport | None
    link: LinkReport | None
    errors: int
    recent_errors: tuple[RecentError, ...]
    warm_ups: tuple[WarmResult, ...]
    advice: tuple[Advice, ...] = ()

    @property
    def is_used(self) -> bool:
        """Tell whether anybody has looked up or stored anything."""
        return bool(self.hits or self.misses or any(level.puts for level in self.levels))

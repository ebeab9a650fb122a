"""The groups of settings, one class for each concern: variable, default, parser and meaning."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import attrs

from ._setting_fields import (
    DigestName,
    NPlusOneMode,
    QueryDetail,
    TransportName,
    as_boolean,
    as_database_url,
    as_database_urls,
    as_header,
    as_integer,
    as_life,
    as_mac_keys,
    as_namespace,
    as_one_of,
    as_path,
    as_pause,
    as_recycle,
    as_redis_url,
    as_seconds,
    as_tokens,
    as_words,
    hidden,
    masked_database_url,
    masked_database_urls,
    masked_redis_url,
    setting,
)

if TYPE_CHECKING:
    from pathlib import Path

    from ._mac_keys import MacKey
    from ._tokens import Token

__all__ = [
    "SLA_FILE",
    "CacheSettings",
    "DatabaseSettings",
    "EvaluationSettings",
    "MetricsSettings",
    "PluginSettings",
    "RedisSettings",
    "ScraperSettings",
    "WebSettings",
]

SLA_FILE: Final = "HHS_PERF_SLA_FILE"


@attrs.frozen(kw_only=True)
class MetricsSettings:
    """How observations are kept."""

    digest: DigestName = setting(
        "HHS_PERF_DIGEST",
        as_one_of("auto", "fastdigest", "tdigest"),
        "auto",
        "t-digest engine: auto, fastdigest or tdigest",
    )
    max_series: int = setting(
        "HHS_PERF_MAX_SERIES", as_integer(1), 2000, "most series held; what is past it is `other`"
    )
    max_series_per_instrument: int = setting(
        "HHS_PERF_MAX_SERIES_PER_INSTRUMENT", as_integer(1), 500, "most series under one name"
    )


@attrs.frozen(kw_only=True)
class EvaluationSettings:
    """How SLAs and alerts are judged."""

    evaluate_every: float = setting(
        "HHS_PERF_EVALUATE_EVERY", as_seconds, 15.0, "seconds between two evaluations"
    )
    sla_file: Path | None = setting(
        SLA_FILE, as_path, None, "TOML file with [sla.…] and [alerts.…] tables"
    )


@attrs.frozen(kw_only=True)
class WebSettings:
    """How requests are timed and who may see the figures."""

    tokens: tuple[Token, ...] = setting(
        "HHS_PERF_TOKENS",
        as_tokens,
        (),
        "Bearer tokens, role[+role]:[name=]secret, comma-separated",
        mask=hidden,
    )
    ignore_routes: tuple[str, ...] = setting(
        "HHS_PERF_IGNORE_ROUTES",
        as_words,
        (),
        "route templates left untimed, comma-separated; a trailing * stands for anything",
    )


@attrs.frozen(kw_only=True)
class PluginSettings:
    """Which plugins are used."""

    disabled: tuple[str, ...] = setting(
        "HHS_PERF_DISABLE_PLUGINS", as_words, (), "names of plugins left out, comma-separated"
    )


@attrs.frozen(kw_only=True)
class RedisSettings:
    """The Redis or Valkey that processes share."""

    url: str | None = setting(
        "REDIS_URL",
        as_redis_url,
        None,
        "Redis or Valkey that processes share; without it each keeps to itself",
        mask=masked_redis_url,
    )
    namespace: str = setting(
        "HHS_PERF_NAMESPACE",
        as_namespace,
        "default",
        "what the names of all keys and channels in Redis begin with",
    )


@attrs.frozen(kw_only=True)
class CacheSettings:
    """How the tiered cache keeps what it holds: L1 in memory, L2 in Redis."""

    l1_maxsize: int = setting("CACHE_L1_MAXSIZE", as_integer(1), 1000, "most entries in L1")
    l1_maxbytes: int | None = setting(
        "HHS_PERF_CACHE_L1_MAXBYTES",
        as_integer(1),
        None,
        "most bytes in L1, keys and values together; set, it replaces the bound by entries",
    )
    l1_ttl: float = setting(
        "CACHE_L1_TTL", as_life, 60.0, "seconds an entry lives in L1 when the call gives no ttl"
    )
    l2_ttl: float = setting(
        "CACHE_L2_TTL", as_life, 300.0, "seconds an entry lives in L2 when the call gives no ttl"
    )
    default_timeout: float = setting(
        "CACHE_DEFAULT_TIMEOUT",
        as_life,
        300.0,
        "seconds that the Flask-Caching backend and cached responses keep by default",
    )
    l2_timeout: float = setting(
        "HHS_PERF_CACHE_L2_TIMEOUT",
        as_seconds,
        0.05,
        "seconds to wait for Redis before an operation goes on without it",
    )
    compress_above: int | None = setting(
        "HHS_PERF_CACHE_COMPRESS_ABOVE",
        as_integer(1),
        None,
        "bytes above which values are compressed in L2; unset: never",
    )
    mac_keys: tuple[MacKey, ...] = setting(
        "HHS_PERF_CACHE_MAC_KEYS",
        as_mac_keys,
        (),
        "keys that sign what is in L2, id:secret, comma-separated, the newest first",
        mask=hidden,
    )
    warm_workers: int = setting(
        "HHS_PERF_CACHE_WARM_WORKERS", as_integer(1), 4, "loaders that warm the cache at a time"
    )
    state_dir: Path | None = setting(
        "HHS_PERF_STATE_DIR",
        as_path,
        None,
        "folder for what is kept from one run to the next; unset: only snapshots that no storage"
        " takes are written, to the current folder",
    )


@attrs.frozen(kw_only=True)
class DatabaseSettings:
    """How the database is reached, and what is told of its queries."""

    url: str | None = setting(
        "DATABASE_URL",
        as_database_url,
        None,
        "URL of the database, as SQLAlchemy takes it",
        mask=masked_database_url,
    )
    read_replica_urls: tuple[str, ...] = setting(
        "DATABASE_READ_REPLICA_URL",
        as_database_urls,
        (),
        "URLs of read replicas, comma-separated",
        mask=masked_database_urls,
    )
    read_replica: bool = setting(
        "ENABLE_READ_REPLICA", as_boolean, False, "true lets reads go to the replicas"
    )
    pool_size: int = setting(
        "DB_POOL_SIZE", as_integer(0), 10, "connections that a pool keeps; 0: without limit"
    )
    max_overflow: int = setting(
        "DB_MAX_OVERFLOW",
        as_integer(-1),
        20,
        "connections that a pool may open above those; -1: without limit",
    )
    pool_timeout: float = setting(
        "DB_POOL_TIMEOUT", as_seconds, 30.0, "seconds to wait for a connection of the pool"
    )
    pool_recycle: float = setting(
        "DB_POOL_RECYCLE",
        as_recycle,
        3600.0,
        "seconds after which a connection is replaced; -1: never",
    )
    slow_query: float = setting(
        "HHS_PERF_SLOW_QUERY", as_seconds, 0.1, "seconds from which on a query is slow"
    )
    profiling: bool = setting(
        "ENABLE_QUERY_PROFILING", as_boolean, False, "true keeps the queries of each request"
    )
    query_detail: QueryDetail = setting(
        "HHS_PERF_QUERY_DETAIL",
        as_one_of("full", "timing"),
        "full",
        "what is seen of a query: full, or timing alone",
    )
    n_plus_one: NPlusOneMode = setting(
        "HHS_PERF_N_PLUS_ONE",
        as_one_of("record", "warn", "raise", "off"),
        "record",
        "what an N+1 pattern leads to: record, warn, raise or off",
    )
    held_too_long: float = setting(
        "HHS_PERF_DB_HELD_TOO_LONG",
        as_seconds,
        30.0,
        "seconds after which the holder of a connection is named",
    )
    replica_max_lag: float = setting(
        "HHS_PERF_REPLICA_MAX_LAG",
        as_seconds,
        1.0,
        "seconds that a replica may lag behind and still be read from",
    )
    replica_probe_every: float = setting(
        "HHS_PERF_REPLICA_PROBE_EVERY",
        as_seconds,
        1.0,
        "seconds between two looks at each replica",
    )


@attrs.frozen(kw_only=True)
class ScraperSettings:
    """How platforms are asked for the figures of accounts."""

    max_workers: int = setting(
        "HHS_PERF_SCRAPE_WORKERS", as_integer(1), 5, "requests under way at a time, all platforms"
    )
    interval: float = setting(
        "HHS_PERF_SCRAPE_INTERVAL",
        as_pause,
        0.5,
        "seconds between the starts of two requests to a platform that names no other",
    )
    connect_timeout: float = setting(
        "HHS_PERF_SCRAPE_CONNECT_TIMEOUT", as_seconds, 5.0, "seconds to wait for a connection"
    )
    read_timeout: float = setting(
        "HHS_PERF_SCRAPE_READ_TIMEOUT", as_seconds, 10.0, "seconds to wait for the next bytes"
    )
    total_timeout: float = setting(
        "HHS_PERF_SCRAPE_TIMEOUT", as_seconds, 30.0, "seconds that a request may take in all"
    )
    attempts: int = setting(
        "HHS_PERF_SCRAPE_ATTEMPTS", as_integer(1), 4, "how often a request is sent before it failed"
    )
    max_wait: float = setting(
        "HHS_PERF_SCRAPE_MAX_WAIT",
        as_seconds,
        900.0,
        "longest pause, in seconds, that a platform may ask a run to wait for",
    )
    max_body: int = setting(
        "HHS_PERF_SCRAPE_MAX_BODY", as_integer(1024), 8 * 1024 * 1024, "bytes read of a reply"
    )
    transport: TransportName = setting(
        "HHS_PERF_SCRAPE_TRANSPORT",
        as_one_of("auto", "httpx", "httpx2", "aiohttp"),
        "auto",
        "what speaks HTTP: auto takes the fastest that is installed; httpx, httpx2 or aiohttp",
    )
    user_agent: str = setting(
        "HHS_PERF_SCRAPE_USER_AGENT", as_header, "hhs_perf", "what requests name as their sender"
    )
    celery_max_workers: int | None = setting(
        "CELERY_MAX_WORKERS",
        as_integer(1),
        None,
        "tasks that a Celery worker runs at a time; unset: as Celery decides",
    )
    celery_prefetch: int | None = setting(
        "CELERY_PREFETCH",
        as_integer(0),
        None,
        "tasks that a Celery worker fetches ahead for each that it runs; unset: as Celery decides",
    )

"""The SLAs and alert rules of the performance guide."""

from __future__ import annotations

from typing import Final

from .figures import Quantile, Ratio, Selector
from .objectives import QuantileObjective, RatioObjective, Sla
from .rules import AlertRule, Severity

__all__ = ["builtin_alerts", "builtin_slas"]

_REQUESTS: Final = "http.server.request.duration"
_QUERIES: Final = "db.query.duration"
_SCRAPES: Final = "scrape.duration"
_PAGES: Final = "page.load"

_LOOKUPS: Final = Selector(name="cache.lookups", tags={"layer": "all"})
_HITS: Final = Selector(name="cache.lookups", tags={"layer": "all", "result": "hit"})
_OUTCOMES: Final = Selector(name="scrape.outcomes")
_ENOUGH_LOOKUPS: Final = 20


def builtin_slas() -> list[Sla]:
    """Give the guide's SLAs; times in seconds, ratios 0..1."""
    return [
        Sla(
            name="api-response-time",
            description="How long requests take",
            objectives=_p95_p99(_REQUESTS, 0.5, 2.0),
        ),
        Sla(
            name="database-query-time",
            description="How long database queries take",
            objectives=_p95_p99(_QUERIES, 0.1, 0.5),
        ),
        Sla(
            name="cache-hit-rate",
            description="The share of lookups that some level of the cache answers",
            objectives=(
                RatioObjective(
                    good=_HITS,
                    total=_LOOKUPS,
                    target=0.8,
                    violated=0.7,
                    min_samples=_ENOUGH_LOOKUPS,
                ),
            ),
        ),
        Sla(
            name="scraper-execution-time",
            description="How long the scrape of an account takes",
            objectives=_p95_p99(_SCRAPES, 5.0, 10.0, window="24h"),
        ),
        Sla(
            name="scraper-success-rate",
            description="The share of scrapes that succeed",
            objectives=(
                RatioObjective(
                    good=Selector(name=_OUTCOMES.name, tags={"result": "success"}),
                    total=_OUTCOMES,
                    target=0.95,
                    window="24h",
                ),
            ),
        ),
        Sla(
            name="frontend-load-time",
            description="How long pages take to load in the browser",
            objectives=_p95_p99(_PAGES, 2.0, 3.0),
        ),
        _by_kind("cached", 0.05, "How long requests answered from the cache take"),
        _by_kind("database", 0.2, "How long requests that query the database take"),
        _by_kind("uncached", 1.0, "How long all other requests take"),
    ]


def _p95_p99(
    metric: str, p95: float, p99: float, *, window: str = "1h"
) -> tuple[QuantileObjective, QuantileObjective]:
    return (
        QuantileObjective(name="p95", metric=metric, quantile=0.95, target=p95, window=window),
        QuantileObjective(name="p99", metric=metric, quantile=0.99, target=p99, window=window),
    )


def _by_kind(kind: str, p95: float, description: str) -> Sla:
    objective = QuantileObjective(
        name="p95", metric=_REQUESTS, tags={"kind": kind}, quantile=0.95, target=p95
    )
    return Sla(name=f"response-time-{kind}", description=description, objectives=(objective,))


def builtin_alerts() -> list[AlertRule]:
    """Give the guide's alert rules; times in seconds, ratios 0..1."""
    responses = Selector(name="http.server.responses")
    server_errors = Selector(name=responses.name, tags={"class": "5xx"})
    failures = Selector(name=_OUTCOMES.name, tags={"result": "failure"})
    return [
        _latency("api-latency-warning", _REQUESTS, 1.0, "Requests are slow"),
        _latency("api-latency-critical", _REQUESTS, 2.0, "Requests are very slow", "critical"),
        _latency("database-latency", _QUERIES, 0.5, "Database queries are slow"),
        AlertRule(
            name="cache-hit-rate",
            figure=Ratio(good=_HITS, total=_LOOKUPS),
            op="<",
            threshold=0.7,
            resolve_at=0.75,
            min_samples=_ENOUGH_LOOKUPS,
            summary="The cache answers too few lookups",
        ),
        _latency("scraper-latency", _SCRAPES, 10.0, "Scrapes are slow", window="24h"),
        _latency(
            "scraper-platform-latency",
            _SCRAPES,
            10.0,
            "Scrapes of a platform are slow",
            per="platform",
            window="24h",
        ),
        _errors("api-error-rate", server_errors, responses, "Requests fail"),
        _errors(
            "api-route-error-rate",
            server_errors,
            responses,
            "Requests of a route fail",
            per="route",
        ),
        _errors(
            "database-error-rate",
            Selector(name="db.query.errors"),
            Selector(name="db.queries"),
            "Database queries fail",
        ),
        _errors(
            "cache-error-rate",
            Selector(name="cache.errors"),
            Selector(name="cache.operations"),
            "Cache operations fail",
        ),
        _errors("scraper-error-rate", failures, _OUTCOMES, "Scrapes fail", window="24h"),
        _errors(
            "scraper-platform-error-rate",
            failures,
            _OUTCOMES,
            "Scrapes of a platform fail",
            per="platform",
            window="24h",
        ),
    ]


def _latency(
    name: str,
    metric: str,
    p95: float,
    summary: str,
    severity: Severity = "warning",
    *,
    per: str | None = None,
    window: str = "5m",
) -> AlertRule:
    return AlertRule(
        name=name,
        severity=severity,
        figure=Quantile(metric=metric, quantile=0.95),
        threshold=p95,
        resolve_at=p95 * 9 / 10,
        per=per,
        window=window,
        summary=summary,
    )


def _errors(
    name: str,
    bad: Selector,
    total: Selector,
    summary: str,
    *,
    per: str | None = None,
    window: str = "5m",
) -> AlertRule:
    return AlertRule(
        name=name,
        figure=Ratio(good=bad, total=total),
        threshold=0.05,
        resolve_at=0.04,
        per=per,
        window=window,
        summary=summary,
    )

"""Scrapers: the public figures of accounts, within each platform's rules."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from .._lazy import importer

if TYPE_CHECKING:
    from .accounts import Account
    from .calls import scrape, scrape_async
    from .engine.health import PlatformState
    from .engine.plan import PlatformPlan, RunPlan
    from .engine.report import PlatformReport, RunReport
    from .limiter import Limiter
    from .platform import (
        Address,
        Budget,
        Call,
        Credential,
        Credentials,
        Platform,
        RateSignal,
        Reading,
        Reply,
        Resolver,
        Target,
    )
    from .platforms import bundled
    from .running import ScrapeRun
    from .scrapers import Scrapers
    from .simulate import simulate_metrics
    from .storage.opening import open_sink
    from .storage.reading import read_accounts
    from .storage.sink import AccountKey, Destination, Sink
    from .transport import SendError, Transport, TransportFactory, TransportOptions
    from .values import (
        FAILURE_KINDS,
        FIGURE_NAMES,
        Failure,
        FailureKind,
        Figure,
        FigureName,
        FigureStatus,
        Outcome,
        Snapshot,
    )

__all__ = [
    "FAILURE_KINDS",
    "FIGURE_NAMES",
    "Account",
    "AccountKey",
    "Address",
    "Budget",
    "Call",
    "Credential",
    "Credentials",
    "Destination",
    "Failure",
    "FailureKind",
    "Figure",
    "FigureName",
    "FigureStatus",
    "Limiter",
    "Outcome",
    "Platform",
    "PlatformPlan",
    "PlatformReport",
    "PlatformState",
    "RateSignal",
    "Reading",
    "Reply",
    "Resolver",
    "RunPlan",
    "RunReport",
    "ScrapeRun",
    "Scrapers",
    "SendError",
    "Sink",
    "Snapshot",
    "Target",
    "Transport",
    "TransportFactory",
    "TransportOptions",
    "bundled",
    "open_sink",
    "read_accounts",
    "recover",
    "scrape",
    "scrape_async",
    "simulate_metrics",
]

_HOMES: Final = {
    "Account": "accounts",
    "AccountKey": "storage.sink",
    "Address": "platform",
    "Budget": "platform",
    "Call": "platform",
    "Credential": "platform",
    "Credentials": "platform",
    "FAILURE_KINDS": "values",
    "FIGURE_NAMES": "values",
    "Destination": "storage.sink",
    "Failure": "values",
    "FailureKind": "values",
    "Figure": "values",
    "FigureName": "values",
    "FigureStatus": "values",
    "Limiter": "limiter",
    "Outcome": "values",
    "Platform": "platform",
    "PlatformPlan": "engine.plan",
    "PlatformReport": "engine.report",
    "PlatformState": "engine.health",
    "RateSignal": "platform",
    "Reading": "platform",
    "Reply": "platform",
    "Resolver": "platform",
    "RunPlan": "engine.plan",
    "RunReport": "engine.report",
    "ScrapeRun": "running",
    "Scrapers": "scrapers",
    "SendError": "transport",
    "Sink": "storage.sink",
    "Snapshot": "values",
    "Target": "platform",
    "Transport": "transport",
    "TransportFactory": "transport",
    "TransportOptions": "transport",
    "bundled": "platforms",
    "open_sink": "storage.opening",
    "read_accounts": "storage",
    "recover": "storage",
    "scrape": "calls",
    "scrape_async": "calls",
    "simulate_metrics": "simulate",
}

__getattr__ = importer(__name__, _HOMES, globals())

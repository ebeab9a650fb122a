"""Scraping in one call, for who needs no monitor."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .._clock import SystemClock
from .._settings import Settings
from .platforms import bundled
from .scrapers import Scrapers

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .accounts import Account
    from .engine.report import RunReport
    from .platform import Platform
    from .storage.sink import Destination

__all__ = ["scrape", "scrape_async"]


def scrape(
    accounts: Iterable[Account],
    *,
    to: Destination | None = None,
    platforms: Iterable[Platform] | None = None,
    max_workers: int | None = None,
) -> RunReport:
    """Ask for the figures of accounts, with the settings and credentials of the environment.

    `platforms` are those of the library unless others are given; plugins that are installed come
    with a Monitor, whose `scrapers` also measures. Raises as `Scrapers.scrape` and
    `Settings.from_env`.
    """
    return _scrapers(platforms).scrape(accounts, to=to, max_workers=max_workers)


async def scrape_async(
    accounts: Iterable[Account],
    *,
    to: Destination | None = None,
    platforms: Iterable[Platform] | None = None,
    max_workers: int | None = None,
) -> RunReport:
    """Do what `scrape` does, in the running event loop."""
    return await _scrapers(platforms).scrape_async(accounts, to=to, max_workers=max_workers)


def _scrapers(platforms: Iterable[Platform] | None) -> Scrapers:
    return Scrapers.from_settings(
        Settings.from_env(),
        platforms=bundled() if platforms is None else platforms,
        clock=SystemClock(),
    )

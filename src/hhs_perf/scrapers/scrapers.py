"""Scraping, as a monitor offers it: platforms, limits, runs, and how each platform is doing."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, TypedDict

import attrs

from .._faults import Faults
from .._fork import renew_after_fork
from ..exceptions import UnknownPlatformError
from .engine.health import Health
from .engine.parts import Observer, RunParts
from .engine.plan import RunPlan, plan
from .engine.run import Run
from .engine.selection import Selector, Wanted, day_of
from .engine.setup import PlatformSetup, configure
from .limits.local import LocalLimiter
from .running import ScrapeRun, opener, refuse_in_loop, report_of
from .states import state_of
from .transport import TransportOptions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path
    from typing import Unpack

    from .._clock import Clock
    from .._settings import ScraperSettings, Settings
    from .accounts import Account
    from .engine.health import PlatformState
    from .engine.report import RunReport
    from .limiter import Limiter
    from .platform import Platform
    from .storage.sink import AccountKey, Destination
    from .transport import TransportFactory

__all__ = ["Scrapers"]


class RunOptions(TypedDict, total=False):
    """The options of `Scrapers.run`."""

    to: Destination | None
    platforms: Sequence[str]
    core_only: bool
    core: str | None
    resume: bool
    max_workers: int | None
    max_wait: float | None


class Scrapers:
    """Asks platforms for the public figures of accounts. Any thread may use it.

    Limits, breakers and budgets are those of the process, whichever runs go on in it; where a
    `limiter` is shared, those of all processes.
    """

    def __init__(  # noqa: PLR0913 - each is a part that somebody else may hand in
        self,
        settings: ScraperSettings,
        *,
        platforms: Iterable[Platform],
        clock: Clock,
        variables: Mapping[str, str] | None = None,
        limiter: Limiter | None = None,
        observer: Observer | None = None,
        client_of: Callable[[Platform, ScraperSettings], TransportFactory | None] | None = None,
        transport: TransportFactory | None = None,
        faults: Faults | None = None,
        spill_in: Path | None = None,
    ) -> None:
        """Set up the platforms; of two of a name the later one is taken.

        `variables` hold credentials, as the environment names them. `transport` makes the
        transports instead of what the settings name. Raises ConfigurationError for variables that
        cannot be used.
        """
        self.settings = settings
        self.limiter: Limiter = limiter or LocalLimiter(clock)
        self._setups: dict[str, PlatformSetup] = configure(platforms, settings, variables or {})
        self._clock = clock
        self._observer = observer or Observer()
        self._client_of = client_of
        self._transport = transport
        self._faults = faults or Faults("hhs_perf.scrapers")
        self._spill_in = spill_in
        self._lock = threading.Lock()  # guards the making of `_common` and `_health`
        self._common: TransportFactory | None = None
        self._health: dict[str, Health] = {}
        renew_after_fork(self)

    @classmethod
    def from_settings(
        cls,
        settings: Settings,
        *,
        platforms: Iterable[Platform],
        clock: Clock,
        observer: Observer | None = None,
        client_of: Callable[[Platform, ScraperSettings], TransportFactory | None] | None = None,
        faults: Faults | None = None,
    ) -> Scrapers:
        """Make what the settings describe; with a REDIS_URL limits are shared through it.

        Raises ConfigurationError as the class does, and where the extra `redis` is missing.
        """
        limiter = None
        if settings.redis.url is not None:
            from .limits.shared import SharedLimiter  # noqa: PLC0415 - redis-py is optional

            limiter = SharedLimiter(settings.redis.url, clock, namespace=settings.redis.namespace)
        return cls(
            settings.scrapers,
            platforms=platforms,
            clock=clock,
            variables=settings.platform_variables,
            limiter=limiter,
            observer=observer,
            client_of=client_of,
            faults=faults,
            spill_in=settings.cache.state_dir,
        )

    @property
    def platforms(self) -> tuple[Platform, ...]:
        """The platforms known, in the order in which they came."""
        return tuple(each.platform for each in self._setups.values())

    @property
    def setups(self) -> tuple[PlatformSetup, ...]:
        """The platforms, with what the environment says of each."""
        return tuple(self._setups.values())

    def platform(self, name: str) -> Platform:
        """Find a platform by its name, title or alias. Raises UnknownPlatformError."""
        found = next((each for each in self.platforms if each.answers_to(name)), None)
        if found is None:
            raise UnknownPlatformError(name, self._setups)
        return found

    def run(
        self,
        accounts: Iterable[Account],
        *,
        to: Destination | None = None,
        platforms: Sequence[str] = (),
        core_only: bool = False,
        core: str | None = None,
        resume: bool = False,
        max_workers: int | None = None,
        max_wait: float | None = None,
    ) -> ScrapeRun:
        """Prepare a run; nothing is asked for before it is iterated over.

        Snapshots go to the sink `to`, which the run closes; a text or path is opened with
        `open_sink` when the iteration begins, which raises as that does. `platforms` are names;
        none: all.
        `core` is `field=value`: those accounts are core ones too, and core ones come first.
        `resume` leaves out accounts of which the sink has a snapshot of this UTC day. `max_wait`
        is the longest pause, in seconds, that a platform may ask for, instead of the settings'.
        Raises UnknownPlatformError, ConfigurationError for a `core` that says nothing.
        """
        wanted = self._wanted(platforms, core_only=core_only, core=core)
        workers = self.settings.max_workers if max_workers is None else max_workers
        if workers < 1:
            raise ValueError(f"max_workers must be at least 1, got {workers}")
        parts = self._parts(workers, self.settings.max_wait if max_wait is None else max_wait)
        return ScrapeRun(Run(accounts, parts, wanted, to=opener(to), resume=resume))

    def scrape(self, accounts: Iterable[Account], **options: Unpack[RunOptions]) -> RunReport:
        """Do a run as `run` describes it, with its options, and report.

        Raises RuntimeError in a running event loop.
        """
        refuse_in_loop("await scrape_async()")
        return asyncio.run(self.scrape_async(accounts, **options))

    async def scrape_async(
        self, accounts: Iterable[Account], **options: Unpack[RunOptions]
    ) -> RunReport:
        """Do a run as `run` describes it, with its options, and report."""
        return await report_of(self.run(accounts, **options))

    def plan(
        self,
        accounts: Iterable[Account],
        *,
        to: Destination | None = None,
        platforms: Sequence[str] = (),
        core_only: bool = False,
        core: str | None = None,
        resume: bool = False,
    ) -> RunPlan:
        """Tell what a run would do: requests, seconds and cost of each platform. Asks nobody.

        `to` is only read from, and closed. Raises as `run`.
        """
        wanted = self._wanted(platforms, core_only=core_only, core=core)
        now = self._clock.wall()
        ids: Mapping[AccountKey, str] = {}
        place = opener(to)
        if (sink := place() if callable(place) else place) is not None:
            try:
                ids = sink.account_ids()
                if resume:
                    wanted = attrs.evolve(wanted, done=sink.done_on(day_of(now)))
            finally:
                sink.close()
        selector = Selector(self._setups, wanted, ids=ids, now=now).take(accounts)
        return plan(selector, lambda setup: self._left_of(setup, now))

    def _left_of(self, setup: PlatformSetup, now: float) -> float | None:
        health = self.health_of(setup.platform.name)
        return None if setup.limit is None else health.left(now, setup.limit)

    def state(self) -> tuple[PlatformState, ...]:
        """Tell how each platform is doing, by name."""
        now, limiter, health_of = self._clock.wall(), self.limiter, self.health_of
        setups = sorted(self._setups.items())
        return tuple(state_of(each, health_of(name), limiter, now) for name, each in setups)

    def health_of(self, name: str) -> Health:
        """Give what is remembered of a platform."""
        with self._lock:
            if name not in self._health:
                self._health[name] = Health(self._clock)
            return self._health[name]

    def after_fork_in_child(self) -> None:
        """Take a new lock: a thread that is not here any more may have held the old one."""
        self._lock = threading.Lock()

    def _wanted(self, platforms: Sequence[str], *, core_only: bool, core: str | None) -> Wanted:
        for name in platforms:
            self.platform(name)
        return Wanted(platforms=tuple(platforms), core_only=core_only, core=core)

    def _parts(self, workers: int, max_wait: float) -> RunParts:
        held = self.settings
        return RunParts(
            setups=self._setups,
            health_of=self.health_of,
            limiter=self.limiter,
            transport_of=self._transport_of,
            options=TransportOptions(
                connect_timeout=held.connect_timeout,
                read_timeout=held.read_timeout,
                total_timeout=held.total_timeout,
                max_body=held.max_body,
                user_agent=held.user_agent,
                max_connections=workers,
            ),
            clock=self._clock,
            observer=self._observer,
            on_fault=self._faults.note,
            max_workers=workers,
            attempts=held.attempts,
            max_wait=max_wait,
            spill_in=self._spill_in,
        )

    def _transport_of(self, platform: Platform) -> TransportFactory:
        found = self._transport
        if found is None and self._client_of is not None:
            found = self._client_of(platform, self.settings)
        if found is not None:
            return found
        from .transports import factory_of  # noqa: PLC0415 - only who scrapes needs an HTTP library

        # Kept, as all its transports share a TLS context, which takes 20 ms to make.
        with self._lock:
            if self._common is None:
                self._common = factory_of(self.settings.transport)
            return self._common

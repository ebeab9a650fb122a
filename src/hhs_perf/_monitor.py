"""The monitor: wires the parts of the library, starts and closes them; it decides nothing."""

from __future__ import annotations

import logging
import math
import threading
from functools import cached_property
from typing import TYPE_CHECKING, Final

from . import sla as sla_rooms
from ._builtin import Builtin
from ._clock import SystemClock, Timeline
from ._faults import Faults
from ._fork import renew_after_fork
from ._in_flight import InFlight
from ._plugins import Plugins
from ._settings import Settings, files_named
from ._ticker import Ticker
from .collectors import Collectors
from .exceptions import ConfigurationError, UnknownSlaError
from .metrics import LocalReader, Registry, load_engine, window_named

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ._clock import Clock
    from .cache import TieredCache
    from .database import Database
    from .metrics import Reader
    from .scrapers import Platform, Scrapers
    from .sla import AlertRule, Sla, SlaVerdict

__all__ = ["Monitor"]

_LOG: Final = logging.getLogger("hhs_perf")
_TICK_EVERY: Final = 1.0
# The collector that owns the name takes milliseconds to import.
_QUERIES: Final = "db.query.duration"


class Monitor:
    """Everything that watches one application.

    Nothing runs before `start()`, or before the first request where an adapter is mounted: then
    a thread moves observations into slots each second and judges SLAs and alerts every
    `HHS_PERF_EVALUATE_EVERY` seconds, and the cache is warmed. With `tick=False` there never is a
    thread: recording and reading see to it themselves, and `cache.warm_now()` warms.
    """

    def __init__(
        self,
        settings: Settings | None = None,
        *,
        clock: Clock | None = None,
        tick: bool = True,
        plugins: Iterable[object] = (),
        installed_plugins: bool = True,
    ) -> None:
        """Wire the parts.

        Raises ConfigurationError for an SLA file that cannot be used or a missing engine.
        """
        self.settings = settings or Settings()
        self.clock: Clock = clock or SystemClock()
        self.timeline = Timeline(self.clock)
        held = self.settings.metrics
        self.metrics = Registry(
            clock=self.clock,
            engine=load_engine(held.digest),
            max_series=held.max_series,
            max_series_per_instrument=held.max_series_per_instrument,
        )
        self.reader: Reader = LocalReader(self.metrics)
        self.collectors = Collectors(self.metrics)
        self.in_flight = InFlight()
        self.plugins = Plugins(
            disabled=self.settings.plugins.disabled, on_failure=self._count_plugin_failure
        )
        self.plugins.register(Builtin(), "hhs_perf")
        if installed_plugins:
            self.plugins.load_installed()
        for plugin in plugins:
            self.plugins.register(plugin, _name_of(plugin))
        self._slas, rules = sla_rooms.configure(
            self.plugins.slas(),
            self.plugins.alerts(),
            config=self.settings.config,
            sla_file=self.settings.evaluation.sla_file,
        )
        self.alerts = sla_rooms.AlertBook(rules)
        self._tracker = sla_rooms.SlaTracker()
        self._count_thresholds()
        self.plugins.register_collectors(self.metrics)
        self._faults = Faults()
        # Guards the seven fields below.
        self._lock = threading.Lock()
        self._cache: TieredCache | None = None
        self._database: Database | None = None
        self._scrapers: Scrapers | None = None
        self.is_started = False
        self._was_closed = False
        self._advanced_at = -math.inf
        self._changes = 0
        self._ticker = (
            Ticker(
                self._tick,
                min(_TICK_EVERY, self.settings.evaluation.evaluate_every),
                "hhs_perf-tick",
                self._faults,
            )
            if tick
            else None
        )
        renew_after_fork(self)
        self._warn_of_unknown_variables()

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None) -> Monitor:
        """Make a monitor with the settings of `environ`, or of the process's environment.

        Raises ConfigurationError with every mistake at once.
        """
        try:
            settings = Settings.from_env(environ)
        except ConfigurationError as exc:
            problems = [*exc.problems, *_mistakes_of_files(environ)]
            raise ConfigurationError(dict.fromkeys(problems)) from exc
        return cls(settings)

    @property
    def is_enabled(self) -> bool:
        """Tell whether HHS_PERF_ENABLED leaves measuring on."""
        return self.settings.enabled

    @property
    def slas(self) -> tuple[Sla, ...]:
        """The SLAs judged."""
        return tuple(self._slas.values())

    @property
    def faults(self) -> Mapping[str, int]:
        """How often a part of the library failed and was kept from the host, by part."""
        return self._faults.counts

    @property
    def cache(self) -> TieredCache:
        """The tiered cache that the settings describe, made when it is first asked for.

        Raises ConfigurationError where REDIS_URL is set and the extra `redis` is missing.
        """
        cache = self._cache
        return cache if cache is not None else self._make_cache()

    @property
    def has_cache(self) -> bool:
        """Tell whether somebody has asked for the cache."""
        return self._cache is not None

    @property
    def database(self) -> Database:
        """What sees the host's databases, made when it is first asked for.

        Raises ConfigurationError where the extra `sql` is missing.
        """
        database = self._database
        return database if database is not None else self._make_database()

    @property
    def has_database(self) -> bool:
        """Tell whether somebody has asked for the database part."""
        return self._database is not None

    @property
    def scrapers(self) -> Scrapers:
        """What asks platforms for the figures of accounts, made when it is first asked for.

        Raises ConfigurationError for variables of platforms that cannot be used, and where
        REDIS_URL is set and the extra `redis` is missing.
        """
        scrapers = self._scrapers
        return scrapers if scrapers is not None else self._make_scrapers()

    @property
    def has_scrapers(self) -> bool:
        """Tell whether somebody has asked for the scrapers."""
        return self._scrapers is not None

    @cached_property
    def _platforms(self) -> tuple[Platform, ...]:
        return tuple(self.plugins.platforms())

    def _make_scrapers(self) -> Scrapers:
        from .scrapers.observing import Observed  # noqa: PLC0415 - slow, and not everybody scrapes
        from .scrapers.scrapers import Scrapers  # noqa: PLC0415 - likewise

        with self._lock:
            scrapers = self._scrapers
            if scrapers is None:
                finished = self.plugins.scrape_finished
                scrapers = Scrapers.from_settings(
                    self.settings,
                    platforms=self._platforms,
                    clock=self.clock,
                    observer=Observed(self.collectors.scrapers, finished)
                    if self.is_enabled
                    else None,
                    client_of=self.plugins.http_client,
                    faults=self._faults,
                )
                self._scrapers = scrapers
        return scrapers

    def _warn_of_unknown_variables(self) -> None:
        unknown = set(self.settings.unknown)
        if unknown:
            from .scrapers.engine.setup import variables_of  # noqa: PLC0415 - seldom needed

            unknown.difference_update(*map(variables_of, self._platforms))
        for variable in sorted(unknown):
            _LOG.warning("the variable %s means nothing to hhs_perf", variable)

    def _make_database(self) -> Database:
        try:
            from .database.database import Database  # noqa: PLC0415 - slow, and needs SQLAlchemy
        except ModuleNotFoundError as exc:
            if (exc.name or "").partition(".")[0] != "sqlalchemy":
                raise
            raise ConfigurationError.missing_extra("monitor.database", "sql") from exc
        with self._lock:
            database = self._database
            if database is None:
                database = Database(
                    self.settings.database,
                    metrics=self.metrics,
                    clock=self.clock,
                    timeline=self.timeline,
                    faults=self._faults,
                    route_of=self.in_flight.route_of,
                    enabled=self.is_enabled,
                )
                self.metrics.feed_from(database.statements)
                self._database = database
        return database

    def _make_cache(self) -> TieredCache:
        from .cache.observed.feed import Feed  # noqa: PLC0415 - slow, and not everybody caches
        from .cache.tiered import TieredCache  # noqa: PLC0415 - likewise

        with self._lock:
            cache = self._cache
            if cache is None:
                cache = TieredCache.from_settings(
                    self.settings, clock=self.clock, faults=self._faults
                )
                self.metrics.feed_from(Feed(cache.core, self.collectors.cache))
                self._cache = cache
            warms = self.is_started and self._ticker is not None
        if warms:
            cache.warming.start()
        return cache

    def add_sla(self, sla: Sla) -> None:
        """Judge `sla` from now on, in place of one of the same name."""
        with self._lock:
            self._slas = {**self._slas, sla.name: sla}
            self._changes += 1
        self._count_thresholds()

    def add_alert(self, rule: AlertRule) -> None:
        """Watch `rule` from now on, in place of one of the same name."""
        self.alerts.add(rule)
        with self._lock:
            self._changes += 1
        self._count_thresholds()

    def evaluate(
        self, name: str | None = None, *, window: str | None = None
    ) -> tuple[SlaVerdict, ...]:
        """Judge all SLAs, or the one of that name, on what is known now; changes no state.

        A `window` is judged instead of each objective's own. Raises UnknownSlaError and
        UnknownWindowError.
        """
        if name is not None and name not in self._slas:
            raise UnknownSlaError(name, self._slas)
        chosen = self.slas if name is None else (self._slas[name],)
        if window is not None:
            reach = window_named(window).name
            chosen = tuple(sla.over(reach) for sla in chosen)
        return sla_rooms.judge_all(chosen, self.reader.read)

    def advance(self) -> None:
        """Judge, move the states of SLAs and alerts, log and tell each change once."""
        with self._lock:
            now = self._advanced_at = self.timeline.now()
        self._advance(now)

    def _advance(self, now: float) -> None:
        sla_changes = self._tracker.advance(self.evaluate(), now)
        alert_changes = self.alerts.advance(now, sla_rooms.remember(self.reader.read))
        for sla_change in sla_changes:
            self.plugins.sla_changed(sla_change)
        for alert_change in alert_changes:
            self.plugins.alert_changed(alert_change)

    def advance_if_overdue(self) -> None:
        """Do what the tick has not done for twice its time: there may be no thread."""
        ticks = self._ticker is not None and self._ticker.is_running
        self._advance_after(2 if ticks else 1)

    def _advance_after(self, turns: int) -> None:
        """Advance if that many turns have passed since somebody last did."""
        with self._lock:
            now = self.timeline.now()
            if now < self._advanced_at + turns * self.settings.evaluation.evaluate_every:
                return
            self._advanced_at = now
        self._advance(now)

    def generation(self) -> str:
        """Name the state of all that the routes show: equal names, equal answers."""
        state = (
            self._changes,
            self.in_flight.routes(),
            self.alerts.state(),
            tuple(self.faults.items()),
            len(self.metrics),
        )
        return f"{self.reader.generation()}-{hash(state)}"

    def start(self) -> None:
        """Start the tick and the warm-ups, unless they run or the tick was not wanted."""
        with self._lock:
            if self.is_started or not self.is_enabled:
                return
            self.is_started = True
            if self._ticker is None:
                return
            self._ticker.start()
            self.metrics.use_ticks(ticking=True)
            cache = self._cache
        if cache is not None:
            cache.warming.start()

    def ensure_started(self) -> None:
        """Do as `start`, at the price of one comparison once that was done."""
        if not self.is_started:
            self.start()

    def close(self) -> None:
        """Stop the tick, and tell the plugins the first time; recording goes on.

        `start` works again, but plugins that have let go of what they held stay without it.
        """
        with self._lock:
            first, self._was_closed = not self._was_closed, True
            was_started, self.is_started = self.is_started, False
        if was_started:
            if self._ticker is not None:
                self.metrics.use_ticks(ticking=False)
                self._ticker.stop()
            self.metrics.flush()
        if self._cache is not None:
            self._cache.close()
        if self._database is not None:
            try:
                self._database.close()
            except Exception as error:  # noqa: BLE001 - a named border: closing the database part
                self.note_fault("closing the database part", error)
        if first:
            self.plugins.shutdown()

    async def aclose(self) -> None:
        """Close the connections that the cache holds in the running event loop; then as `close`."""
        if self._cache is not None:
            await self._cache.aio.close()
        self.close()

    def note_fault(self, where: str, error: BaseException) -> None:
        """Count a fault that was kept from the host, and log the first of its cause."""
        self._faults.note(where, error)

    def after_fork_in_child(self) -> None:
        """Renew the lock, which another thread may have held."""
        self._lock = threading.Lock()

    def _tick(self) -> None:
        self.metrics.flush()
        self._advance_after(1)
        if self._database is not None:
            self._database.tick()

    def _count_thresholds(self) -> None:
        self.metrics.count_at(_QUERIES, [("<=", self.settings.database.slow_query)])
        for metric, thresholds in sla_rooms.thresholds(self.slas, self.alerts.rules):
            self.metrics.count_at(metric, thresholds)
        for metric, tags in sla_rooms.totals(self.slas, self.alerts.rules):
            self.metrics.add_up(metric, tags)

    def _count_plugin_failure(self, plugin: str) -> None:
        self.metrics.counter("plugin.errors", plugin=plugin).add(1)


def _mistakes_of_files(environ: Mapping[str, str] | None) -> tuple[str, ...]:
    """Check the SLA files although the settings have mistakes: all are to be told at once."""
    config, sla_file = files_named(environ)
    try:
        sla_rooms.configure(
            sla_rooms.builtin_slas(), sla_rooms.builtin_alerts(), config=config, sla_file=sla_file
        )
    except ConfigurationError as exc:
        return exc.problems
    return ()


def _name_of(plugin: object) -> str:
    name = getattr(plugin, "__name__", None) or type(plugin).__qualname__
    return str(name)

"""The typed front of pluggy: the only file that builds a PluginManager."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, Any, Final, Literal, TypeVar

import attrs
import pluggy

from . import hookspecs
from . import sla as sla_rooms
from ._faults import Faults
from ._fork import renew_after_fork
from ._offers import offered
from .exceptions import PluginError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from importlib.metadata import EntryPoint

    from ._settings import ScraperSettings
    from .metrics import Registry
    from .scrapers import Outcome, Platform, TransportFactory
    from .sla import AlertChange, AlertRule, Sla, SlaChange

__all__ = ["PluginRow", "PluginStatus", "Plugins"]

PluginStatus = Literal["active", "disabled", "failed to import", "does not fit the hooks"]
V = TypeVar("V")
_GROUP: Final = "hhs_perf"
_SLOW_IMPORT: Final = 5.0
_LOG: Final = logging.getLogger("hhs_perf.plugins")


# No slots: msgspec would write the fields last first.
@attrs.frozen(kw_only=True, slots=False)
class PluginRow:
    """A plugin as `/settings` lists it."""

    name: str
    status: PluginStatus
    failures: int = 0
    last_failure: str | None = None


class Plugins:
    """The plugins of one monitor; a plugin that fails is logged and counted, and hurts nobody."""

    def __init__(
        self,
        *,
        disabled: Iterable[str] = (),
        on_failure: Callable[[str], None] | None = None,
    ) -> None:
        self._manager = pluggy.PluginManager(_GROUP)
        self._manager.add_hookspecs(hookspecs)
        self._disabled = frozenset(disabled)
        self._on_failure = on_failure
        self._faults = Faults("hhs_perf.plugins")
        # Guards _rows; listeners run on whatever thread advances the states.
        self._lock = threading.Lock()
        self._rows: dict[str, PluginRow] = {}
        renew_after_fork(self)

    def register(self, plugin: object, name: str) -> None:
        """Take a plugin object; of a name that is taken already it becomes `name#2`, and so on.

        Raises PluginError when the object itself is registered already.
        """
        if name in self._disabled:
            self._set(name, "disabled")
            return
        if self._manager.is_registered(plugin):
            raise PluginError(name, "is registered already")
        name = self._free_name(name)
        try:
            self._manager.register(plugin, name)
        except pluggy.PluginValidationError as exc:
            # pluggy keeps the hooks it had verified before: _tell passes over them.
            self._set(name, "does not fit the hooks")
            self._fail(name, exc, "does not fit the hooks")
            return
        self._set(name, "active")
        self._warn_of_unknown_hooks(plugin, name)

    def _free_name(self, name: str) -> str:
        with self._lock:
            number, free = 1, name
            while free in self._rows:
                number += 1
                free = f"{name}#{number}"
            return free

    def _set(self, name: str, status: PluginStatus) -> None:
        with self._lock:
            self._rows[name] = PluginRow(name=name, status=status)

    def _warn_of_unknown_hooks(self, plugin: object, name: str) -> None:
        for hook in self._manager.get_hookcallers(plugin) or []:
            if not hook.has_spec():
                _LOG.warning(
                    "plugin %s implements %s, which is no hook of this version",
                    name,
                    hook.name,
                    extra={"plugin": name, "hook": hook.name},
                )

    def load_installed(self) -> None:
        """Import and register what distributions offer under the entry-point group `hhs_perf`."""
        for entry_point in offered(_GROUP):
            name = entry_point.name
            if name in self._disabled:
                self._set(name, "disabled")
                continue
            try:
                self.register(_load(entry_point), name)
            except (Exception, SystemExit) as exc:  # noqa: BLE001 - a named border: importing
                name = self._free_name(name)
                self._set(name, "failed to import")
                self._fail(name, exc, "failed to import")

    def slas(self) -> list[Sla]:
        """Gather the SLAs of all plugins, those registered first first."""
        return self._gather("hhs_perf_register_slas", sla_rooms.Sla)

    def alerts(self) -> list[AlertRule]:
        """Gather the alert rules of all plugins, those registered first first."""
        return self._gather("hhs_perf_register_alerts", sla_rooms.AlertRule)

    def platforms(self) -> list[Platform]:
        """Gather the platforms of all plugins, those registered first first."""
        from .scrapers.platform import Platform  # noqa: PLC0415 - not everybody scrapes

        return self._gather("hhs_perf_register_platforms", Platform)

    def http_client(self, platform: Platform, settings: ScraperSettings) -> TransportFactory | None:
        """Ask for what makes a platform's transport: the first that has one is taken."""
        found: list[TransportFactory] = []

        def take(result: TransportFactory | None) -> None:
            if result is not None:
                if not callable(result):
                    raise TypeError(f"it must give a callable, and gave {result!r}")
                found.append(result)

        self._tell("hhs_perf_http_client", take, platform=platform, settings=settings)
        return found[-1] if found else None

    def scrape_finished(self, outcome: Outcome) -> None:
        """Tell what became of an account."""
        self._tell("hhs_perf_scrape_finished", outcome=outcome)

    def register_collectors(self, metrics: Registry) -> None:
        """Let plugins make their instruments."""
        self._tell("hhs_perf_register_collectors", metrics=metrics)

    def sla_changed(self, change: SlaChange) -> None:
        """Tell of an SLA's new status."""
        self._tell("hhs_perf_sla_changed", change=change)

    def alert_changed(self, change: AlertChange) -> None:
        """Tell of an alert that fires or has resolved."""
        self._tell("hhs_perf_alert_changed", change=change)

    def shutdown(self) -> None:
        """Tell that the monitor closes."""
        self._tell("hhs_perf_shutdown")

    def rows(self) -> tuple[PluginRow, ...]:
        """List the plugins known, by name."""
        with self._lock:
            return tuple(row for _, row in sorted(self._rows.items()))

    def after_fork_in_child(self) -> None:
        """Renew the lock, which another thread may have held; what failed before stays listed."""
        self._lock = threading.Lock()

    def _gather(self, hook: str, of: type[V]) -> list[V]:
        gathered: list[V] = []

        def take(results: Iterable[object] | None) -> None:
            for result in results or ():
                if not isinstance(result, of):
                    raise TypeError(f"it must give {of.__name__}, and gave {result!r}")
                gathered.append(result)

        self._tell(hook, take)
        return gathered

    def _tell(
        self, hook: str, take: Callable[[Any], None] | None = None, **arguments: object
    ) -> None:
        # Each implementation is called apart: with pluggy's own call the first that raises keeps
        # the rest from running. pluggy lists the last registered first.
        for implementation in getattr(self._manager.hook, hook).get_hookimpls():
            if self._rows[implementation.plugin_name].status != "active":
                continue
            accepted = {name: arguments[name] for name in implementation.argnames}
            try:
                result = implementation.function(**accepted)
                if take is not None:
                    take(result)
            except (Exception, SystemExit) as exc:  # noqa: BLE001 - a named border: a hook
                self._fail(implementation.plugin_name, exc, f"raised in {hook}")

    def _fail(self, name: str, exc: BaseException, what: str) -> None:
        with self._lock:
            row = self._rows[name]
            self._rows[name] = attrs.evolve(
                row,
                failures=row.failures + 1,
                last_failure=f"{what}: {type(exc).__name__}: {exc}",
            )
        self._faults.note(f"plugin {name}, which {what},", exc, plugin=name)
        if self._on_failure is not None:
            self._on_failure(name)


def _load(entry_point: EntryPoint) -> object:
    """Import a plugin; say which one it is while that takes long, since nobody can stop it."""
    late = threading.Timer(
        _SLOW_IMPORT,
        _LOG.warning,
        ("plugin %s is still importing after %g s", entry_point.name, _SLOW_IMPORT),
    )
    late.daemon = True
    late.start()
    try:
        return entry_point.load()
    finally:
        late.cancel()

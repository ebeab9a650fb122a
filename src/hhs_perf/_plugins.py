"""The typed front of pluggy: the only file that builds a PluginManager."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar

import pluggy

from . import hookspecs
from . import sla as sla_rooms
from ._offers import offered
from .exceptions import PluginError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from importlib.metadata import EntryPoint

    from .metrics import Registry
    from .sla import AlertChange, AlertRule, Sla, SlaChange

__all__ = ["PluginRow", "Plugins"]

V = TypeVar("V")
_GROUP: Final = "hhs_perf"
_SLOW_IMPORT: Final = 5.0
_LOG: Final = logging.getLogger("hhs_perf.plugins")


class PluginRow(NamedTuple):
    """A plugin as `/settings` lists it."""

    name: str
    status: str
    """`active`, `disabled`, `failed to import` or `does not fit the hooks`."""
    failures: int
    last_failure: str | None


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
        # Guards the three dictionaries; listeners run on whatever thread advances the states.
        self._lock = threading.Lock()
        self._status: dict[str, str] = {}
        self._failures: dict[str, int] = {}
        self._last_failure: dict[str, str] = {}

    def register(self, plugin: object, name: str) -> None:
        """Take a plugin object; raises PluginError when it or its name is registered already."""
        if name in self._disabled:
            self._status[name] = "disabled"
            return
        try:
            self._manager.register(plugin, name)
        except ValueError as exc:
            raise PluginError(name, str(exc)) from exc
        except pluggy.PluginValidationError as exc:
            # pluggy keeps the hooks it had verified before: _tell passes over them.
            self._fail(name, exc, "does not fit the hooks")
            self._status[name] = "does not fit the hooks"
            return
        self._status[name] = "active"
        self._warn_of_unknown_hooks(plugin, name)

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
            if entry_point.name in self._disabled:
                self._status[entry_point.name] = "disabled"
                continue
            try:
                self.register(_load(entry_point), entry_point.name)
            except Exception as exc:  # noqa: BLE001 - a named border: foreign code is imported
                self._fail(entry_point.name, exc, "failed to import")
                self._status[entry_point.name] = "failed to import"

    def slas(self) -> list[Sla]:
        """Gather the SLAs of all plugins, those registered first first."""
        return self._gather("hhs_perf_register_slas", sla_rooms.Sla)

    def alerts(self) -> list[AlertRule]:
        """Gather the alert rules of all plugins, those registered first first."""
        return self._gather("hhs_perf_register_alerts", sla_rooms.AlertRule)

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
            return tuple(
                PluginRow(
                    name=name,
                    status=status,
                    failures=self._failures.get(name, 0),
                    last_failure=self._last_failure.get(name),
                )
                for name, status in sorted(self._status.items())
            )

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
            if self._status.get(implementation.plugin_name) != "active":
                continue
            accepted = {name: arguments[name] for name in implementation.argnames}
            try:
                result = implementation.function(**accepted)
                if take is not None:
                    take(result)
            except Exception as exc:  # noqa: BLE001 - a named border: a plugin's fault is its own
                self._fail(implementation.plugin_name, exc, f"raised in {hook}")

    def _fail(self, name: str, exc: BaseException, what: str) -> None:
        with self._lock:
            self._status.setdefault(name, "active")
            failures = self._failures[name] = self._failures.get(name, 0) + 1
            reason = f"{what}: {type(exc).__name__}: {exc}"
            known = self._last_failure.get(name)
            self._last_failure[name] = reason
        if self._on_failure is not None:
            self._on_failure(name)
        if reason != known:
            _LOG.error(
                "plugin %s %s",
                name,
                what,
                exc_info=exc,
                extra={"plugin": name, "failures": failures},
            )


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

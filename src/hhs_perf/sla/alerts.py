"""The alert book: the state of each alert, and the only one to move it."""

from __future__ import annotations

import logging
from collections import deque
from threading import Lock
from typing import TYPE_CHECKING, Final

import attrs

from .._fork import renew_after_fork
from .evidence import remember
from .figures import tags_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from ..metrics import Snapshot
    from .alert import Alert, AlertChange, AlertState
    from .evidence import Evidence, Figures
    from .rules import AlertRule

__all__ = ["AlertBook"]

_LOG: Final = logging.getLogger("hhs_perf.alerts")
_LEVELS: Final = {"warning": logging.WARNING, "critical": logging.ERROR}
_HISTORY: Final = 200
_MOST_PER_RULE: Final = 500

_Key = tuple[str, str | None]
"""The rule's name, and the value of its `per` tag."""


class _Instance:
    """A rule that is pending or firing for one set of tags; there is none while inactive."""

    __slots__ = ("alert", "held_at", "is_told", "rule", "since", "state", "value")

    def __init__(self, rule: AlertRule, value: str | None, now: float) -> None:
        self.rule = rule
        self.value = value
        self.since = self.held_at = now
        self.state: AlertState = "pending"
        self.is_told = False
        self.alert: Alert | None = None


class _Seen:
    """What one pass saw of one rule for one value of its `per` tag."""

    __slots__ = ("evidence", "holds", "reason", "rule", "value")

    def __init__(self, rule: AlertRule, value: str | None, evidence: Evidence) -> None:
        self.rule = rule
        self.value = value
        self.evidence = evidence
        below = evidence.is_below(rule.cut)
        self.holds = below == rule.alerts_low and (
            evidence.counted(rule.cut) >= rule.needs or evidence.is_clear(rule.cut)
        )
        self.reason = self._why_resolved()

    def _why_resolved(self) -> str | None:
        """Tell why a firing alert may resolve; None when it may not."""
        below = self.evidence.is_below(self.rule.resolve_cut)
        if below is None:
            return "no data"
        return "recovered" if below != self.rule.alerts_low else None


class AlertBook:
    """Holds the state of every alert of one monitor.

    An alert goes inactive → pending → firing → resolved → inactive and no other way, but that a
    pending one whose condition ends is inactive again. At most 500 alerts of one rule are
    followed at a time, and the last 200 events are remembered. Safe for several threads.
    """

    def __init__(self, rules: Iterable[AlertRule] = ()) -> None:
        # Guards all fields.
        self._lock = Lock()
        self._rules = {rule.name: rule for rule in rules}
        self._instances: dict[_Key, _Instance] = {}
        self._history: deque[Alert] = deque(maxlen=_HISTORY)
        self._crowded: set[str] = set()
        self._now = 0.0
        renew_after_fork(self)

    @property
    def rules(self) -> tuple[AlertRule, ...]:
        """The rules watched."""
        return tuple(self._rules.values())

    def add(self, rule: AlertRule) -> None:
        """Watch `rule` from now on, in place of one of the same name, whose alerts it takes on."""
        with self._lock:
            self._rules = {**self._rules, rule.name: rule}

    def active(self) -> tuple[Alert, ...]:
        """Give the alerts that are pending or firing and not inhibited, the oldest first."""
        with self._lock:
            alerts = [instance.alert for instance in self._instances.values()]
        shown = [alert for alert in alerts if alert is not None and alert.inhibited_by is None]
        return tuple(sorted(shown, key=lambda alert: alert.since))

    def state(self) -> tuple[object, ...]:
        """Give something hashable that differs when what `active` and `history` show differs."""
        with self._lock:
            told_at = self._history[-1].last_at if self._history else None
            held = [instance.alert for instance in self._instances.values()]
        shown = (
            (alert.rule, alert.state, alert.value, alert.samples, alert.since, alert.inhibited_by)
            for alert in held
            if alert is not None
        )
        return (told_at, *shown)

    def history(self) -> tuple[Alert, ...]:
        """Give the alerts as they were when they were told to fire or to have resolved.

        The latest comes first; each alert stands there twice, once for either event.
        """
        with self._lock:
            return tuple(reversed(self._history))

    def advance(self, now: float, read: Callable[[str], Snapshot]) -> list[AlertChange]:
        """Look at every rule at `now` and move the alerts; give those that now must be told.

        `now` is seconds since 1970 on the timeline, `read(window)` gives snapshots. Told are
        alerts that fire and told ones that resolve, once each; both are logged here.
        """
        with self._lock:
            rules = self.rules
            known: dict[str, set[str]] = {}
            for rule_name, value in self._instances:
                if value is not None:
                    known.setdefault(rule_name, set()).add(value)
        # Reading takes long: it is done with the lock free.
        figures = remember(read)
        seen = [s for rule in rules for s in _look(rule, figures, known.get(rule.name, set()))]
        with self._lock:
            changes = self._advance(max(now, self._now), seen)
        for change in changes:
            _log(change)
        return changes

    def _advance(self, now: float, seen: list[_Seen]) -> list[AlertChange]:
        self._now = now
        moved = [pair for s in seen if (pair := self._move(now, s)) is not None]
        firing = [i for i in self._instances.values() if i.state == "firing"]
        loud: dict[tuple[str, str | None], list[AlertRule]] = {}
        for instance in firing:
            if instance.rule.severity == "critical":
                at = (instance.rule.figure.metric, instance.value)
                loud.setdefault(at, []).append(instance.rule)
        changes = self._resolve_orphans(now)
        self._history.extend(change.alert for change in changes)
        for instance, s in moved:
            inhibited_by = _inhibitor(instance, loud)
            instance.alert = _alert(instance, s, now, inhibited_by)
            change = _to_tell(instance, instance.alert, now)
            if change is not None:
                changes.append(change)
                self._history.append(change.alert)
        return changes

    def _resolve_orphans(self, now: float) -> list[AlertChange]:
        """Resolve what a rule that was replaced had firing for tags that it no longer follows."""
        changes = []
        for key, instance in list(self._instances.items()):
            name, value = key
            if (self._rules[name].per is None) == (value is None):
                continue
            del self._instances[key]
            if instance.alert is not None and instance.is_told:
                alert = attrs.evolve(
                    instance.alert, state="resolved", last_at=now, reason="rule changed"
                )
                changes.append(_resolved(alert, now))
        return changes

    def _move(self, now: float, seen: _Seen) -> tuple[_Instance, _Seen] | None:
        rule = seen.rule
        key = (rule.name, seen.value)
        instance = self._instances.get(key)
        if instance is None:
            if not seen.holds or not self._has_room(rule):
                return None
            instance = self._instances[key] = _Instance(rule, seen.value, now)
        instance.rule = rule
        if seen.holds:
            instance.held_at = now
            if now - instance.since >= rule.pending_for:
                instance.state = "firing"
        elif instance.state == "pending":
            del self._instances[key]
            return None
        elif seen.reason is not None and now - instance.held_at >= rule.keep_firing_for:
            instance.state = "resolved"
            del self._instances[key]
        return instance, seen

    def _has_room(self, rule: AlertRule) -> bool:
        if rule.per is None:
            return True
        held = sum(name == rule.name for name, _ in self._instances)
        if held < _MOST_PER_RULE:
            return True
        if rule.name not in self._crowded:
            self._crowded.add(rule.name)
            _LOG.warning(
                "alert rule %s has %d alerts already; further ones are not followed",
                rule.name,
                held,
                extra={"rule": rule.name},
            )
        return False

    def after_fork_in_child(self) -> None:
        """Start anew: the alerts of the parent are the parent's to tell."""
        self._lock = Lock()
        self._instances.clear()
        self._history.clear()


def _look(rule: AlertRule, figures: Figures, known: set[str]) -> Iterator[_Seen]:
    if rule.per is None:
        yield _Seen(rule, None, figures.evidence(rule.figure, rule.window))
        return
    present = figures.tag_values(rule.figure, rule.window, rule.per)
    for value in [*present, *sorted(known.difference(present))]:
        evidence = figures.evidence(rule.figure, rule.window, {rule.per: value})
        yield _Seen(rule, value, evidence)


def _inhibitor(
    instance: _Instance, loud: dict[tuple[str, str | None], list[AlertRule]]
) -> str | None:
    rule = instance.rule
    if rule.severity == "critical":
        return None
    for critical in loud.get((rule.figure.metric, instance.value), ()):
        same = critical.figure == rule.figure and critical.per == rule.per
        if same and critical.alerts_low == rule.alerts_low:
            return critical.name
    return None


def _to_tell(instance: _Instance, alert: Alert, now: float) -> AlertChange | None:
    from .alert import AlertChange  # noqa: PLC0415 - slow, and start-up tells nothing

    if instance.state == "firing" and not instance.is_told and alert.inhibited_by is None:
        instance.is_told = True
        return AlertChange(alert=alert, previous="pending", state="firing", at=now)
    if instance.state == "resolved" and instance.is_told:
        return _resolved(alert, now)
    return None


def _resolved(alert: Alert, now: float) -> AlertChange:
    from .alert import AlertChange  # noqa: PLC0415 - slow, and start-up tells nothing

    return AlertChange(alert=alert, previous="firing", state="resolved", at=now)


def _alert(instance: _Instance, seen: _Seen, now: float, inhibited_by: str | None) -> Alert:
    from .alert import Alert  # noqa: PLC0415 - slow, and start-up has none

    rule = instance.rule
    tags = dict(rule.figure.tags)
    if rule.per is not None and instance.value is not None:
        tags[rule.per] = instance.value
    resolved = instance.state == "resolved"
    return Alert(
        rule=rule.name,
        severity=rule.severity,
        state=instance.state,
        figure=str(rule.figure),
        value=seen.evidence.value,
        op=rule.op,
        threshold=rule.threshold,
        unit=rule.figure.unit,
        tags=tags,
        since=instance.since,
        last_at=now,
        inhibited_by=None if resolved else inhibited_by,
        samples=seen.evidence.counted(rule.cut),
        window=rule.window,
        reason=seen.reason if resolved else None,
        summary=rule.summary,
    )


def _log(change: AlertChange) -> None:
    alert = change.alert
    _LOG.log(
        _LEVELS[alert.severity] if change.state == "firing" else logging.INFO,
        "alert %s%s %s: %s is %s, threshold %s %g",
        alert.rule,
        tags_text(alert.tags),
        "is firing" if change.state == "firing" else f"has resolved ({alert.reason})",
        alert.figure,
        "unknown" if alert.value is None else f"{alert.value:.4g}",
        alert.op,
        alert.threshold,
        extra={
            "rule": alert.rule,
            "severity": alert.severity,
            "state": alert.state,
            "figure": alert.figure,
            "value": alert.value,
            "op": alert.op,
            "threshold": alert.threshold,
            "tags": dict(alert.tags),
            "samples": alert.samples,
            "window": alert.window,
            "reason": alert.reason,
        },
    )

"""Alerts: when they fire, keep firing, resolve, keep quiet, and what is told and logged."""

from __future__ import annotations

import logging
import os
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from hhs_perf.exceptions import ConfigurationError
from hhs_perf.sla import (
    AlertBook,
    AlertChange,
    AlertRule,
    Quantile,
    Ratio,
    Selector,
    builtin_alerts,
)

from .conftest import Host

WORK = Quantile(metric="work", quantile=0.95)
EVENTS = Selector(name="events")
FAILED = Selector(name="events", tags={"result": "failed"})


def slow(**changes: Any) -> AlertRule:
    fields = {"name": "slow", "figure": WORK, "threshold": 1.0, "resolve_at": 0.9, **changes}
    return AlertRule(**fields)


def failing(**changes: Any) -> AlertRule:
    figure = Ratio(good=FAILED, total=EVENTS)
    fields = {"name": "failing", "figure": figure, "threshold": 0.05, "resolve_at": 0.04}
    return AlertRule(**{**fields, **changes})


def advance(book: AlertBook, host: Host) -> list[AlertChange]:
    return book.advance(host.clock.wall(), host.reader.read)


def told(book: AlertBook, host: Host) -> list[tuple[str, str, str]]:
    return [(c.alert.rule, c.previous, c.state) for c in advance(book, host)]


def states(book: AlertBook) -> list[tuple[str, str]]:
    return [(alert.rule, alert.state) for alert in book.active()]


def observe(book: AlertBook, host: Host, value: float, seconds: float = 600) -> Any:
    """Let all that the window had pass, observe 40 of `value`, and advance."""
    host.clock.advance(seconds)
    host.record([value] * 40)
    return told(book, host)


def test_alert_fires_at_once_and_is_told_once(host: Host) -> None:
    book = AlertBook([slow()])
    host.record([1.2] * 40)
    (change,) = advance(book, host)
    assert (change.previous, change.state, change.at) == ("pending", "firing", host.clock.wall())
    alert = change.alert
    assert (alert.figure, alert.value, alert.op, alert.threshold) == ("p95 of work", 1.2, ">", 1)
    assert (alert.samples, alert.window, alert.unit, alert.tags) == (40, "5m", "s", {})
    assert alert.since == alert.last_at == host.clock.wall()
    host.clock.advance(15)
    assert advance(book, host) == []
    (active,) = book.active()
    assert active.last_at - active.since == 15


def test_threshold_itself_does_not_fire(host: Host) -> None:
    book = AlertBook([slow()])
    host.record([1.0] * 40)
    assert told(book, host) == []
    assert book.active() == ()


def test_too_few_observations_do_not_fire_unless_beyond_chance(host: Host) -> None:
    book = AlertBook([slow()])
    host.record([1.2] * 2)
    assert told(book, host) == []
    host.record([1.2])
    assert told(book, host) == [("slow", "pending", "firing")]


def test_pending_alert_fires_once_its_condition_held_long_enough(host: Host) -> None:
    book = AlertBook([slow(pending_for=60)])
    host.record([1.2] * 40)
    assert told(book, host) == []
    assert states(book) == [("slow", "pending")]
    began = host.clock.wall()
    host.clock.advance(59)
    assert told(book, host) == []
    host.clock.advance(1)
    (change,) = advance(book, host)
    assert change.state == "firing"
    assert change.alert.since == began


def test_pending_alert_is_dropped_when_its_condition_ends(host: Host) -> None:
    book = AlertBook([slow(pending_for=600)])
    host.record([1.2] * 40)
    assert told(book, host) == []
    assert observe(book, host, 0.1, 300) == []
    assert book.active() == book.history() == ()
    host.clock.advance(600)
    host.record([1.2] * 40)
    assert told(book, host) == []
    assert states(book) == [("slow", "pending")]


def test_firing_alert_resolves_after_keep_firing_for(host: Host) -> None:
    book = AlertBook([slow(keep_firing_for=700)])
    host.record([1.2] * 40)
    advance(book, host)
    assert observe(book, host, 0.1, 600) == []
    assert states(book) == [("slow", "firing")]
    host.clock.advance(100)
    (change,) = advance(book, host)
    assert (change.previous, change.state) == ("firing", "resolved")
    assert (change.alert.reason, change.alert.value) == ("recovered", 0.1)
    assert change.alert.last_at - change.alert.since == 700
    assert book.active() == ()


def test_keep_firing_for_counts_from_when_the_condition_last_held(host: Host) -> None:
    book = AlertBook([slow(keep_firing_for=700)])
    host.record([1.2] * 40)
    advance(book, host)
    assert observe(book, host, 1.2) == []
    assert observe(book, host, 0.1) == []
    assert observe(book, host, 0.1, 99) == []
    assert observe(book, host, 0.1, 1) == [("slow", "firing", "resolved")]


def test_alert_keeps_firing_between_threshold_and_resolve_level(host: Host) -> None:
    book = AlertBook([slow()])
    host.record([1.2] * 40)
    advance(book, host)
    for value in (0.95, 0.9):
        assert observe(book, host, value) == []
        assert states(book) == [("slow", "firing")]
    assert observe(book, host, 0.89) == [("slow", "firing", "resolved")]


def test_without_resolve_level_an_alert_resolves_at_its_threshold(host: Host) -> None:
    book = AlertBook([slow(resolve_at=None)])
    host.record([1.2] * 40)
    advance(book, host)
    assert observe(book, host, 1.0) == [("slow", "firing", "resolved")]


def test_hit_rate_resolves_above_its_resolve_level(host: Host) -> None:
    rule = next(rule for rule in builtin_alerts() if rule.name == "cache-hit-rate")
    book = AlertBook([rule])

    def lookups(hits: int) -> list[tuple[str, str, str]]:
        host.clock.advance(600)
        host.add("cache.lookups", hits, layer="all", result="hit")
        host.add("cache.lookups", 100 - hits, layer="all", result="miss")
        return told(book, host)

    assert lookups(70) == []
    assert lookups(69) == [("cache-hit-rate", "pending", "firing")]
    assert lookups(75) == []
    assert lookups(76) == [("cache-hit-rate", "firing", "resolved")]


def test_alert_without_data_resolves_and_says_why(host: Host) -> None:
    book = AlertBook([slow(keep_firing_for=1000)])
    host.record([1.2] * 40)
    advance(book, host)
    host.clock.advance(999)
    assert told(book, host) == []
    host.clock.advance(1)
    (change,) = advance(book, host)
    assert (change.state, change.alert.reason) == ("resolved", "no data")
    assert (change.alert.value, change.alert.samples) == (None, 0)


def test_few_bad_observations_do_not_resolve_what_fires(host: Host) -> None:
    """Two slow requests prove nothing, least of all that all is well."""
    book = AlertBook([slow()])
    host.record([1.2] * 40)
    advance(book, host)
    host.clock.advance(600)
    host.record([1.2] * 2)
    assert told(book, host) == []
    assert states(book) == [("slow", "firing")]


def test_resolved_alert_can_fire_anew(host: Host) -> None:
    book = AlertBook([slow()])
    host.record([1.2] * 40)
    advance(book, host)
    assert observe(book, host, 0.1) == [("slow", "firing", "resolved")]
    assert observe(book, host, 1.2) == [("slow", "pending", "firing")]
    assert [alert.state for alert in book.history()] == ["firing", "resolved", "firing"]


def api_rules() -> list[AlertRule]:
    return [
        slow(name="very-slow", severity="critical", threshold=2.0, resolve_at=1.8),
        slow(),
    ]


@pytest.mark.parametrize("order", [1, -1])
def test_critical_rule_keeps_the_warning_on_its_figure_quiet(host: Host, order: int) -> None:
    book = AlertBook(api_rules()[::order])
    host.record([2.5] * 40)
    assert told(book, host) == [("very-slow", "pending", "firing")]
    assert states(book) == [("very-slow", "firing")]


def test_warning_is_told_once_the_critical_one_has_resolved(host: Host) -> None:
    book = AlertBook(api_rules())
    host.record([2.5] * 40)
    advance(book, host)
    assert observe(book, host, 1.5) == [
        ("very-slow", "firing", "resolved"),
        ("slow", "pending", "firing"),
    ]
    assert observe(book, host, 1.5) == []
    assert observe(book, host, 0.1) == [("slow", "firing", "resolved")]


def test_warning_told_before_is_not_told_again(host: Host) -> None:
    book = AlertBook(api_rules())
    host.record([1.5] * 40)
    assert told(book, host) == [("slow", "pending", "firing")]
    assert observe(book, host, 2.5) == [("very-slow", "pending", "firing")]
    assert states(book) == [("very-slow", "firing")]
    assert observe(book, host, 1.5) == [("very-slow", "firing", "resolved")]
    assert states(book) == [("slow", "firing")]


def test_warning_told_before_is_told_to_have_resolved_with_the_critical_one(host: Host) -> None:
    book = AlertBook(api_rules())
    host.record([1.5] * 40)
    advance(book, host)
    assert observe(book, host, 2.5) == [("very-slow", "pending", "firing")]
    assert observe(book, host, 0.1) == [
        ("very-slow", "firing", "resolved"),
        ("slow", "firing", "resolved"),
    ]


def test_warning_never_told_resolves_in_silence(host: Host) -> None:
    book = AlertBook(api_rules())
    host.record([2.5] * 40)
    advance(book, host)
    assert observe(book, host, 0.1) == [("very-slow", "firing", "resolved")]
    assert observe(book, host, 0.1) == []
    assert len(book.history()) == 2


@pytest.mark.parametrize(
    "other",
    [
        {"figure": Quantile(metric="work", quantile=0.99)},
        {"figure": Quantile(metric="work", quantile=0.95, tags={"kind": "cached"})},
        {"op": "<", "threshold": 9.0, "resolve_at": None},
        {"per": "kind"},
    ],
)
def test_critical_rule_on_another_figure_inhibits_nothing(
    host: Host, other: dict[str, Any]
) -> None:
    critical = slow(name="other", severity="critical", **other)
    book = AlertBook([critical, slow()])
    host.watch(critical, slow())
    host.record([1.5] * 400, kind="cached")
    advance(book, host)
    assert states(book) == [("other", "firing"), ("slow", "firing")]


def test_inhibition_is_per_tag_value(host: Host) -> None:
    book = AlertBook(_per_kind())
    host.record([2.5] * 40, kind="a")
    host.record([1.5] * 40, kind="b")
    changes = advance(book, host)
    assert {(c.alert.rule, c.alert.tags["kind"]) for c in changes} == {
        ("very-slow", "a"),
        ("slow", "b"),
    }


def _per_kind() -> list[AlertRule]:
    return [
        slow(name="very-slow", severity="critical", threshold=2.0, per="kind", resolve_at=None),
        slow(per="kind"),
    ]


def test_each_value_of_the_tag_is_watched_apart(host: Host) -> None:
    book = AlertBook([failing(per="route")])
    for route, failures in (("/a", 10), ("/b", 0), ("/c", 5)):
        host.add("events", failures, route=route, result="failed")
        host.add("events", 100 - failures, route=route, result="ok")
    (change,) = advance(book, host)
    assert change.alert.tags == {"route": "/a"}
    assert (change.alert.value, change.alert.samples) == (0.1, 100)


def test_alert_of_a_tag_value_that_is_gone_resolves(host: Host) -> None:
    book = AlertBook([slow(per="kind")])
    host.record([2.0] * 40, kind="a")
    advance(book, host)
    host.clock.advance(600)
    host.record([0.1] * 40, kind="b")
    (change,) = advance(book, host)
    assert (change.state, change.alert.reason) == ("resolved", "no data")
    assert change.alert.tags == {"kind": "a"}
    assert book.active() == ()


def test_tag_may_have_any_name(host: Host) -> None:
    book = AlertBook([slow(per="window"), slow(name="b", per="name")])
    host.record([2.0] * 40, window="north", name="x")
    assert len(advance(book, host)) == 2


def test_alerts_of_one_rule_are_bounded(host: Host, caplog: pytest.LogCaptureFixture) -> None:
    host.registry.max_series_per_instrument = 600
    book = AlertBook([failing(per="route", min_samples=1), slow()])
    for index in range(505):
        host.add("events", 1, route=str(index), result="failed")
    host.record([2.0] * 40)
    assert len(advance(book, host)) == 501
    assert len(book.active()) == 501
    advance(book, host)
    crowded = [r for r in caplog.records if "not followed" in r.getMessage()]
    assert [r.rule for r in crowded] == ["failing"]
    assert len(book.history()) == 200


def test_rule_added_in_place_of_another_takes_its_alerts_on(host: Host) -> None:
    book = AlertBook([slow()])
    host.record([1.5] * 40)
    advance(book, host)
    book.add(slow(threshold=3.0, resolve_at=None))
    assert [rule.threshold for rule in book.rules] == [3.0]
    host.clock.advance(300)
    host.record([1.5] * 40)
    assert told(book, host) == [("slow", "firing", "resolved")]


def test_firing_and_resolving_are_logged_once_each(
    host: Host, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "hhs_perf")
    book = AlertBook([failing(per="route")])
    for _ in range(3):
        host.add("events", 40, route="/a\n", result="failed")
        advance(book, host)
    host.clock.advance(600)
    for _ in range(2):
        host.add("events", 40, route="/a\n", result="ok")
        advance(book, host)
    fired, resolved = caplog.records
    assert (fired.name, fired.levelno) == ("hhs_perf.alerts", logging.WARNING)
    assert fired.getMessage() == (
        "alert failing{route=/a\\n} is firing: "
        "events{result=failed} / events is 1, threshold > 0.05"
    )
    told_about = {"rule": "failing", "severity": "warning", "state": "firing", "value": 1.0}
    told_about |= {"figure": "events{result=failed} / events", "threshold": 0.05, "op": ">"}
    told_about |= {"tags": {"route": "/a\n"}, "samples": 40, "window": "5m", "reason": None}
    assert told_about.items() <= vars(fired).items()
    assert resolved.levelno == logging.INFO
    assert (resolved.state, resolved.value, resolved.reason) == ("resolved", 0.0, "recovered")
    assert "has resolved (recovered)" in resolved.getMessage()


def test_critical_alert_is_logged_as_an_error(host: Host, caplog: pytest.LogCaptureFixture) -> None:
    book = AlertBook(api_rules())
    host.record([2.5] * 40)
    advance(book, host)
    assert [record.levelno for record in caplog.records] == [logging.ERROR]


def test_concurrent_advances_tell_each_change_once(host: Host) -> None:
    book = AlertBook([slow(), failing(per="route")])
    host.record([2.0] * 40)
    for index in range(20):
        host.add("events", 40, route=str(index), result="failed")
    with ThreadPoolExecutor(8) as threads:
        changes = [
            c for found in threads.map(lambda _: advance(book, host), range(40)) for c in found
        ]
    assert len(changes) == 21
    assert len(book.active()) == 21


def test_child_starts_without_the_alerts_of_its_parent(host: Host) -> None:
    book = AlertBook([slow()])
    host.record([2.0] * 40)
    advance(book, host)
    with book._lock:
        child = os.fork()
        if not child:
            os._exit(0 if book.active() == book.history() == () else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert len(book.active()) == 1


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"name": ""}, "name: must be a non-empty string, got ''"),
        ({"severity": "page"}, "slow.severity: must be one of warning, critical, got 'page'"),
        ({"figure": "p95"}, "slow.figure: must be a Quantile or a Ratio, got 'p95'"),
        ({"threshold": -1, "resolve_at": None}, "slow.threshold: must be > 0, got -1"),
        ({"resolve_at": 1.1}, "slow.resolve_at: must be <= the threshold 1, got 1.1"),
        ({"op": "<"}, "slow.resolve_at: must be >= the threshold 1, got 0.9"),
        ({"op": "="}, "slow.op: must be one of <, <=, >, >=, got '='"),
        ({"pending_for": -1}, "slow.pending_for: must be >= 0, got -1"),
        (
            {"keep_firing_for": float("inf")},
            "slow.keep_firing_for: must be a finite number, got inf",
        ),
        ({"window": "30m"}, "slow.window: must be one of 5m, 1h, 24h, got '30m'"),
        ({"min_samples": "9"}, "slow.min_samples: must be a whole number of at least 1, got '9'"),
        ({"per": 3}, "slow.per: must be a non-empty string, got 3"),
        ({"summary": None}, "slow.summary: must be a string, got None"),
    ],
)
def test_mistake_in_a_rule_is_named_with_its_key(changes: dict[str, Any], problem: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        slow(**changes)
    assert caught.value.problems == (problem,)


def test_a_rule_that_is_replaced_leaves_no_alert_behind(host: Host) -> None:
    """What it followed by tag ends, and is told, when it follows tags no longer."""
    by_part = slow(per="part")
    host.watch(by_part)
    book = AlertBook([by_part])
    host.record([2.0] * 40, part="a")
    assert told(book, host) == [("slow", "pending", "firing")]
    book.add(slow())
    changes = advance(book, host)
    assert [(c.state, dict(c.alert.tags), c.alert.reason) for c in changes] == [
        ("resolved", {"part": "a"}, "rule changed"),
        ("firing", {}, None),
    ]
    assert states(book) == [("slow", "firing")]
    assert told(book, host) == []

"""Property: alerts move in the allowed ways only, whatever happens."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from hhs_perf.sla import AlertBook, AlertRule, AlertState, Quantile

from .conftest import Host

TOLD = {("pending", "firing"), ("firing", "resolved")}
# What one look after another may find; a resolved alert is inactive at once.
SEEN = {
    ("inactive", "inactive"),
    ("inactive", "pending"),
    ("pending", "inactive"),
    ("pending", "pending"),
    ("pending", "firing"),
    ("firing", "firing"),
    ("firing", "inactive"),
}
STEPS = st.lists(
    st.tuples(
        st.sampled_from([1.0, 60.0, 299.0, 300.0, 600.0]),
        st.sampled_from([0.1, 0.89, 0.9, 0.95, 1.0, 1.5, 1.8, 1.9, 2.5]),
        st.sampled_from([0, 1, 3, 40, 400]),
    ),
    max_size=25,
)


def rules(pending_for: float, keep_firing_for: float) -> list[AlertRule]:
    figure = Quantile(metric="work", quantile=0.95)
    delays = {"pending_for": pending_for, "keep_firing_for": keep_firing_for}
    return [
        AlertRule(name="slow", figure=figure, threshold=1, resolve_at=0.9, **delays),
        AlertRule(
            name="very-slow",
            severity="critical",
            figure=figure,
            threshold=2,
            resolve_at=1.8,
            **delays,
        ),
    ]


@settings(max_examples=150, deadline=None)
@given(
    steps=STEPS,
    pending_for=st.sampled_from([0.0, 60.0, 500.0]),
    keep_firing_for=st.sampled_from([0.0, 300.0, 700.0]),
)
def test_alerts_move_in_allowed_ways_only(
    steps: list[tuple[float, float, int]], pending_for: float, keep_firing_for: float
) -> None:
    host = Host()
    watched = rules(pending_for, keep_firing_for)
    host.watch(*watched)
    book = AlertBook(watched)
    seen: dict[str, AlertState] = {rule.name: "inactive" for rule in watched}
    told: dict[str, list[AlertState]] = {rule.name: [] for rule in watched}
    # Without a delay an alert is pending for no time that anybody could see.
    allowed = SEEN if pending_for else SEEN | {("inactive", "firing")}
    for seconds, value, count in steps:
        host.clock.advance(seconds)
        host.record([value] * count)
        now = host.clock.wall()
        for change in book.advance(now, host.reader.read):
            assert (change.previous, change.state) in TOLD
            assert change.alert.state == change.state
            assert change.at == change.alert.last_at == now
            least = pending_for if change.state == "firing" else pending_for + keep_firing_for
            assert now - change.alert.since >= least
            told[change.alert.rule].append(change.state)
        found = {name: instance.state for (name, _), instance in book._instances.items()}
        for name, before in seen.items():
            seen[name] = found.get(name, "inactive")
            assert (before, seen[name]) in allowed
        shown = {alert.rule: alert.state for alert in book.active()}
        assert shown.items() <= found.items()
        assert all(told[name][-1:] == ["firing"] for name, s in shown.items() if s == "firing")
        quiet = found.keys() - shown.keys()
        assert quiet == (found.keys() & {"slow"} if found.get("very-slow") == "firing" else set())
    for moves in told.values():
        assert moves == (["firing", "resolved"] * len(moves))[: len(moves)]
    assert len(book.history()) == sum(map(len, told.values()))

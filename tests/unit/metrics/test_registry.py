"""Getting and creating series, caps and overflow, forgetting, thresholds at run time."""

from __future__ import annotations

import gc
import math
import random
from typing import Any, cast

import pytest

from hhs_perf.exceptions import MetricKindError
from hhs_perf.metrics import (
    OTHER,
    Counter,
    Gauge,
    Holding,
    LocalReader,
    Registry,
    Timer,
    load_engine,
)
from hhs_perf.testing import FakeClock

DAY_AND_A_BIT = 86_400.0 + 3_700.0


@pytest.fixture
def registry(clock: FakeClock) -> Registry:
    """A registry on the clock that is moved by hand; no tick lives."""
    return Registry(clock=clock)


def test_the_same_name_and_tags_are_the_same_series(registry: Registry) -> None:
    assert registry.timer("a", x="1") is registry.timer("a", x="1")
    assert registry.timer("a", x="1") is not registry.timer("a", x="2")
    assert registry.timer("a") is not registry.timer("a", x="1")
    assert len(registry) == 3


def test_the_order_of_tags_does_not_matter(registry: Registry) -> None:
    assert registry.timer("a", x="1", y="2") is registry.timer("a", y="2", x="1")
    assert registry.timer("a", y="2", x="1").tags == (("x", "1"), ("y", "2"))


def test_a_tag_may_be_called_name(registry: Registry) -> None:
    assert registry.timer("a", name="b", self="c").tags == (("name", "b"), ("self", "c"))


def test_each_kind_is_its_own_class(registry: Registry) -> None:
    assert type(registry.timer("t")) is Timer
    assert type(registry.counter("c")) is Counter
    assert type(registry.gauge("g")) is Gauge


@pytest.mark.parametrize("tags", [{}, {"x": "1"}])
def test_a_name_is_one_kind_of_instrument(registry: Registry, tags: dict[str, str]) -> None:
    registry.timer("a")
    with pytest.raises(MetricKindError, match="'a' is a timer, not a counter") as caught:
        registry.counter("a", **tags)
    assert (caught.value.name, caught.value.kind, caught.value.wanted) == ("a", "timer", "counter")
    with pytest.raises(MetricKindError):
        registry.gauge("a", **tags)
    assert len(registry) == 1


def test_the_cap_of_an_instrument_sends_later_tags_to_other(clock: FakeClock) -> None:
    registry = Registry(clock=clock, max_series=100, max_series_per_instrument=3)
    for n in range(10):
        registry.timer("a", route=f"/{n}", method="GET").record(1.0)
    snapshot = LocalReader(registry).read()
    routes = {tags["route"]: seen.count for tags, seen in snapshot.timers("a")}
    assert routes == {"/0": 1, "/1": 1, "/2": 1, OTHER: 7}
    assert registry.timer("a", route="/7", method="GET").tags == (
        ("method", OTHER),
        ("route", OTHER),
    )
    assert registry.refused == {"a": 8}


def test_known_series_are_still_found_past_the_cap(clock: FakeClock) -> None:
    registry = Registry(clock=clock, max_series=1)
    first = registry.counter("a", x="1")
    assert registry.counter("a", x="2").tags == (("x", OTHER),)
    assert registry.counter("a", x="1") is first
    assert registry.refused == {"a": 1}


def test_other_instruments_have_room_when_one_is_full(clock: FakeClock) -> None:
    registry = Registry(clock=clock, max_series_per_instrument=1)
    registry.timer("a", x="1")
    registry.timer("a", x="2")
    assert registry.timer("b", x="2").tags == (("x", "2"),)
    assert registry.refused == {"a": 1}


def test_new_names_past_the_cap_share_one_instrument_a_kind(clock: FakeClock) -> None:
    registry = Registry(clock=clock, max_series=1)
    registry.timer("a")
    for n in range(50):
        registry.timer(f"t{n}", x="1").record(1.0)
        registry.counter(f"c{n}").add(2)
        registry.gauge(f"g{n}").set(n)
    assert registry.timer("t0", x="1").name == "other.timer"
    assert len(registry) == 4
    assert registry.refused == {"other.timer": 51, "other.counter": 50, "other.gauge": 50}
    snapshot = LocalReader(registry).read()
    assert snapshot.timer("other.timer").count == 50
    assert snapshot.count("other.counter") == 100
    assert [value for _, value in snapshot.gauges("other.gauge")] == [49]


def test_ten_thousand_hostile_series_stay_at_the_cap(clock: FakeClock) -> None:
    """Random values, names of tags and names of instruments: nothing of ours grows with them."""
    rng = random.Random(7)
    registry = Registry(clock=clock, max_series=200, max_series_per_instrument=50)
    for _ in range(10_000):
        word = f"{rng.random()}"
        registry.timer("http", route=word).record(0.1)
        registry.timer("http", **{word: "1"}).record(0.1)
        registry.counter(word).add(1)
    assert len(registry) <= 200 + 3
    sizes = [len(v) for v in vars(registry).values() if hasattr(v, "__len__")]
    assert max(sizes) <= 203
    # One of the 200 is the overflow series of `http` itself.
    assert sum(registry.refused.values()) == 30_000 - 199
    snapshot = LocalReader(registry).read()
    assert snapshot.timer("http").count == 20_000
    names = {name for name, *_ in registry._series}
    assert sum(snapshot.count(name) for name in names if name != "http") == 10_000


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (200, "200"),
        (None, "None"),
        (1.5, "1.5"),
        (True, "True"),
        (["a"], "['a']"),
        ({"a": 1}, "{'a': 1}"),
        (b"x", "b'x'"),
        ("", ""),
        ("x" * 1_000_000, "x" * 256),
        ("<img onerror=alert(1)>", "<img onerror=alert(1)>"),
        ("line\nbreak\0nul\x1b[31m", "line\nbreak\0nul\x1b[31m"),
        ("half \ud800 a pair", "half ? a pair"),
    ],
)
def test_values_of_tags_become_bounded_text(registry: Registry, value: Any, text: str) -> None:
    timer = registry.timer("a", x=value)
    assert timer.tags == (("x", text),)
    assert registry.timer("a", x=value) is timer
    assert len(registry) == 1
    timer.tags[0][1].encode()


def test_long_values_that_begin_alike_are_one_series(registry: Registry) -> None:
    assert registry.timer("a", x="y" * 300) is registry.timer("a", x="y" * 400)


@pytest.mark.parametrize("ticking", [True, False])
def test_an_idle_series_is_forgotten(clock: FakeClock, ticking: bool) -> None:
    registry = Registry(clock=clock, max_series=1)
    registry.use_ticks(ticking=ticking)
    registry.timer("a").record(1.0)
    registry.flush()
    clock.advance(DAY_AND_A_BIT)
    registry.flush()
    gc.collect()
    assert len(registry) == 0
    assert registry.timer("b").name == "b"  # its room is free again


def test_a_series_in_use_is_not_forgotten(registry: Registry, clock: FakeClock) -> None:
    timer, counter = registry.timer("t"), registry.counter("c")
    for _ in range(30):
        clock.advance(3_600)
        timer.record(1.0)
        counter.add(1)
    registry.flush()
    assert registry.timer("t") is timer
    assert registry.counter("c") is counter


def test_gauges_are_not_forgotten(registry: Registry, clock: FakeClock) -> None:
    """They have no window: what was set still holds."""
    registry.gauge("pool").set(5)
    clock.advance(DAY_AND_A_BIT)
    registry.flush()
    assert registry.gauge("pool").value == 5


@pytest.mark.parametrize("ticking", [True, False])
def test_a_forgotten_series_comes_back_through_a_kept_record(
    clock: FakeClock, ticking: bool
) -> None:
    registry = Registry(clock=clock)
    registry.use_ticks(ticking=ticking)
    record, add = registry.timer("t").record, registry.counter("c").add
    record(1.0)
    add(1)
    registry.flush()
    clock.advance(DAY_AND_A_BIT)
    registry.flush()
    assert len(registry) == 0
    clock.advance(4_000.0)  # slots that the series, being forgotten, did not live through
    record(7.0)
    add(3)
    snapshot = LocalReader(registry).read("5m")
    assert (snapshot.timer("t").count, snapshot.timer("t").max) == (1, 7.0)
    assert snapshot.count("c") == 3
    assert len(registry) == 2
    record(8.0)
    assert LocalReader(registry).read("24h").timer("t").count == 2


def test_a_forgotten_series_asked_for_again_is_the_one_still_held(
    registry: Registry, clock: FakeClock
) -> None:
    """Two series of one name and tags would each have half of the figures."""
    kept = registry.timer("t")
    clock.advance(DAY_AND_A_BIT)
    registry.flush()
    assert len(registry) == 0
    again = registry.timer("t")
    assert again is kept
    kept.record(1.0)
    again.record(2.0)
    assert LocalReader(registry).read("5m").timer("t").count == 2
    assert len(registry) == 1


def test_a_series_revived_twice_at_once_is_one(registry: Registry, clock: FakeClock) -> None:
    """A flush that is about to revive a series finds it revived by a creation."""
    kept = registry.timer("t")
    clock.advance(DAY_AND_A_BIT)
    registry.flush()
    key = ("t", ())
    kept.buffer.append(1.0)
    with registry._creating:
        registry._adopt(Timer, key)
    assert registry._adopt(Timer, key) is kept
    assert registry._sizes["t"] == 1
    assert LocalReader(registry).read().timer("t").count == 1


def test_a_forgotten_series_that_comes_back_ticks_as_all_others(
    registry: Registry, clock: FakeClock
) -> None:
    kept = registry.timer("t")
    clock.advance(DAY_AND_A_BIT)
    registry.flush()
    registry.use_ticks(ticking=True)
    assert registry.timer("t") is kept
    assert kept.record == kept.buffer.append


def test_counting_at_a_new_level_starts_with_the_next_slot(
    registry: Registry, clock: FakeClock
) -> None:
    """Until then the answer says of how many it knows."""
    timer = registry.timer("a")
    registry.count_at("a", [("<", 1.0)])
    for n in range(600):
        timer.record(n / 300)
    registry.flush()
    registry.count_at("a", [("<", 0.5)])
    for n in range(600):
        timer.record(n / 300)
    clock.advance(30)
    for n in range(300):
        timer.record(n / 300)
    seen = LocalReader(registry).read().timer("a")
    assert seen.count == 1500
    # The slot of 1,200 values opened before anybody asked; that of 300 after.
    assert seen.holding(("<", 0.5)) == Holding(150, 300)
    assert seen.holding(("<", 1.0)) in (None, Holding(300, 300))


def test_levels_known_before_the_first_series_are_exact_from_the_start(
    registry: Registry,
) -> None:
    registry.count_at("a", [("<=", 1.0), ("<", 1.0)])
    timer = registry.timer("a")
    for n in range(1000):
        timer.record(n / 500)
    seen = LocalReader(registry).read().timer("a")
    assert seen.holding(("<", 1.0)) == Holding(500, 1000)
    assert seen.holding(("<=", 1.0)) == Holding(501, 1000)


def test_levels_add_up_and_are_kept_once(registry: Registry) -> None:
    registry.count_at("a", [("<", 1.0)])
    registry.count_at("a", [("<", 2.0), ("<", 1.0)])
    registry.count_at("b", [("<", 9.0)])
    assert registry.thresholds("a") == (("<", 1.0), ("<", 2.0))
    assert registry.thresholds("c") == ()


def test_the_engine_handed_in_is_the_one_used(clock: FakeClock) -> None:
    engine = load_engine()
    assert Registry(clock=clock, engine=engine).engine is engine


def test_use_ticks_changes_how_every_series_takes(registry: Registry) -> None:
    timer, counter = registry.timer("t"), registry.counter("c")
    registry.use_ticks(ticking=True)
    late = registry.timer("late")
    for series in (timer, counter, late):
        assert series.record == series.buffer.append
    registry.use_ticks(ticking=False)
    for series in (timer, counter, late):
        assert series.record != series.buffer.append
    timer.record(1.0)
    assert LocalReader(registry).read().timer("t").count == 1


def test_without_a_tick_the_buffer_stays_small(registry: Registry) -> None:
    timer = registry.timer("t")
    for _ in range(10_000):
        timer.record(0.1)
        assert len(timer.buffer) <= 513
    assert LocalReader(registry).read().timer("t").count == 10_000


@pytest.mark.parametrize("bad", [math.nan, -1.0, None, "x"])
def test_a_flush_outlives_whatever_was_recorded(registry: Registry, bad: Any) -> None:
    timer, counter = registry.timer("t"), registry.counter("c")
    for series in (timer, counter):
        cast("Any", series).record(bad)
        series.record(1.0)
    seen = LocalReader(registry).read()
    assert (seen.timer("t").count, seen.timer("t").rejected) == (1, 1)
    assert (seen.count("c"), counter.rejected) == (1, 1)

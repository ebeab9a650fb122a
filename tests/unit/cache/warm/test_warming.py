"""Warm-ups: when they run, what they load, and what becomes of those that fail."""

from __future__ import annotations

import asyncio
import functools
import gc
import os
import threading
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from hhs_perf import Monitor, Settings
from hhs_perf.cache import TieredCache
from hhs_perf.cache.warm.board import Board
from hhs_perf.cache.warm.warm_ups import WarmResult
from hhs_perf.testing import FakeClock
from tests.servers import Server, wait_until

Make = Callable[..., TieredCache]


@pytest.fixture
def make(clock: FakeClock) -> Iterator[Make]:
    """Make caches that are closed in the end; they all go by one clock."""
    made: list[TieredCache] = []

    def build(**options: Any) -> TieredCache:
        made.append(TieredCache(**{"clock": clock, **options}))
        return made[-1]

    yield build
    for cache in made:
        cache.close()


class Loads:
    """A loader that counts."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self) -> int:
        self.count += 1
        return self.count


def result_of(cache: TieredCache, name: str) -> WarmResult:
    return next(each for each in cache.warming.results() if each.name == name)


def settle(cache: TieredCache, name: str, runs: int = 1) -> WarmResult:
    wait_until(lambda: result_of(cache, name).runs >= runs, f"{runs} runs of {name}")
    return result_of(cache, name)


def test_a_keyed_warm_up_stores_its_value(make: Make) -> None:
    cache = make()
    cache.warm("answer", lambda: 42, key="answer", ttl=30)
    [result] = cache.warm_now("answer")
    assert (result.state, result.error, result.runs, result.failures) == ("done", None, 1, 0)
    assert cache.get("answer") == 42
    assert cache.ttl("answer") == 30


def test_nothing_runs_before_the_start(make: Make) -> None:
    cache, loads = make(), Loads()
    cache.warm("a", loads, key="a")
    assert result_of(cache, "a") == WarmResult(name="a", state="waiting")
    assert loads.count == 0


def test_start_does_not_wait_for_loaders(make: Make) -> None:
    cache, go = make(), threading.Event()
    cache.warm("slow", lambda: go.wait(20), key="slow")
    cache.warming.start()
    wait_until(lambda: result_of(cache, "slow").state == "running", "the loader")
    go.set()
    assert settle(cache, "slow").state == "done"


def test_a_second_start_runs_nothing_again(make: Make) -> None:
    cache, loads = make(), Loads()
    cache.warm("a", loads)
    cache.warming.start()
    cache.warming.start()
    settle(cache, "a")
    cache.warming.turn()
    assert loads.count == 1


def test_what_is_registered_after_the_start_runs_at_once(make: Make) -> None:
    cache = make()
    cache.warming.start()
    cache.warm("late", lambda: 1, key="late")
    assert settle(cache, "late").state == "done"


def test_no_more_run_at_a_time_than_there_are_workers(make: Make) -> None:
    cache = make(warm_workers=2)
    lock, go = threading.Lock(), threading.Event()
    running, most = [0], [0]

    def load() -> None:
        with lock:
            running[0] += 1
            most[0] = max(most[0], running[0])
        go.wait(20)
        with lock:
            running[0] -= 1

    for number in range(6):
        cache.warm(f"w{number}", load)
    cache.warming.start()
    wait_until(lambda: running[0] == 2, "two loaders")
    go.set()
    for number in range(6):
        settle(cache, f"w{number}")
    assert most[0] == 2


def test_a_failure_is_told_and_counted_and_the_others_run(
    make: Make, caplog: pytest.LogCaptureFixture
) -> None:
    cache = make(warm_workers=1)

    def fail() -> None:
        raise LookupError("no such table")

    cache.warm("broken", fail, key="broken")
    cache.warm("sound", lambda: 1, key="sound")
    for _ in range(2):
        cache.warm_now()
    broken, sound = result_of(cache, "broken"), result_of(cache, "sound")
    assert (broken.state, broken.error, broken.runs, broken.failures) == (
        *("failed", "LookupError"),
        *(2, 2),
    )
    assert (sound.state, sound.failures) == ("done", 0)
    assert cache.core.faults.counts == {"the warm-up broken: LookupError": 2}
    assert [record.exc_info is not None for record in caplog.records] == [True]


def test_a_loader_that_wants_to_end_the_process_fails(make: Make) -> None:
    cache = make()
    cache.warm("exit", lambda: exec("raise SystemExit"))
    assert cache.warm_now("exit")[0].error == "SystemExit"


def test_a_warm_up_that_recovers_shows_no_error(make: Make) -> None:
    cache, fails = make(), [True]

    def load() -> int:
        if fails.pop():
            raise OSError
        return 1

    fails[:] = [False, True]
    cache.warm("a", load, key="a")
    assert cache.warm_now("a")[0].error == "OSError"
    [result] = cache.warm_now("a")
    assert (result.state, result.error, result.failures) == ("done", None, 1)


def test_times_are_told_in_seconds(make: Make, clock: FakeClock) -> None:
    cache = make()
    cache.warm("a", lambda: clock.advance(2.5))
    [result] = cache.warm_now("a")
    assert result.seconds == 2.5
    assert result.finished_at == clock.wall()


def test_coroutine_functions_get_an_event_loop(make: Make) -> None:
    cache = make()

    async def load() -> str:
        return "there"

    @cache.cached(ttl=60)
    async def cached() -> str:
        return "too"

    async def both() -> None:
        await cache.aio.get_or_load("inner", load)

    cache.warm("keyed", load, key="keyed")
    cache.warm("lambda", lambda: load(), key="lambda")  # noqa: PLW0108 - not a coroutine function
    cache.warm("cached", cached)
    cache.warm("both", both)
    states = {each.state for each in cache.warm_now("keyed", "lambda", "cached", "both")}
    assert states == {"done"}
    assert cache.get_many(["keyed", "lambda", "inner"]) == dict.fromkeys(
        ["keyed", "lambda", "inner"], "there"
    )
    assert cache.get(cached.key_of()) == "too"


def test_a_cached_function_is_warmed_as_it_is(make: Make) -> None:
    """Called once at the start, loaded anew when that is asked for."""
    cache, loads = make(), Loads()

    @cache.cached(ttl=60, key="twice:{number}")
    def twice(number: int = 5) -> int:
        return 2 * number + 0 * loads()

    cache.warm("plain", twice)
    cache.warm("with", functools.partial(twice, 7))
    cache.warming.start()
    settle(cache, "plain")
    settle(cache, "with")
    assert (cache.get("twice:5"), cache.get("twice:7"), loads.count) == (10, 14, 2)
    cache.warm_now("plain")
    assert loads.count == 3


def test_a_method_is_warmed_on_its_instance(make: Make) -> None:
    cache = make()

    class Shop:
        name = "corner"

        @cache.cached(key="shop:{self.name}")
        def stock(self) -> int:
            return 3

    cache.warm("stock", Shop().stock)
    cache.warm_now("stock")
    assert cache.get("shop:corner") == 3


def test_a_loader_may_call_cached_functions(make: Make) -> None:
    cache = make()

    @cache.cached(key="account:{number}")
    def account(number: int) -> int:
        return number

    cache.warm("top", lambda: [account(number) for number in (1, 2, 3)])
    cache.warm_now("top")
    assert cache.get_many(["account:1", "account:2", "account:3"]) == {
        f"account:{number}": number for number in (1, 2, 3)
    }


@pytest.mark.parametrize("composed", [False, True], ids=["a loader", "a loader with a key"])
def test_what_a_loader_calls_is_loaded_anew_once(make: Make, *, composed: bool) -> None:
    """However often the loader calls it, and through whatever other cached function."""
    cache, loads = make(), Loads()

    @cache.cached(ttl=600, key="part:{number}")
    def part(number: int) -> int:
        return loads() + 100 * number

    @cache.cached(ttl=600, key="whole")
    def whole() -> int:
        return part(1)

    cache.warm("top", lambda: [part(1), whole(), part(1)], key="top" if composed else None)
    assert (part(1), whole()) == (101, 101)
    for count in (2, 3):
        assert cache.warm_now("top")[0].state == "done"
        assert (loads.count, part(1), whole()) == (count, 100 + count, 100 + count)
    assert cache.report().hits >= 4


def test_what_a_coroutine_awaits_is_loaded_anew_as_well(make: Make) -> None:
    cache, loads = make(), Loads()

    @cache.cached(ttl=600, key="part")
    async def part() -> int:
        return loads()

    async def parts() -> None:
        await asyncio.gather(part(), part())

    cache.warm("parts", parts)
    for count in (1, 2):
        cache.warm_now("parts")
        assert loads.count == count


def test_a_schedule_keeps_warm_what_its_loader_calls(make: Make, clock: FakeClock) -> None:
    cache, loads = make(), Loads()

    @cache.cached(ttl=100, key="part")
    def part() -> int:
        return loads()

    cache.warm("parts", lambda: [part()], every=60)
    cache.warming.start()
    settle(cache, "parts")
    assert (loads.count, part()) == (1, 1)
    clock.advance(70)
    cache.warming.turn()
    settle(cache, "parts", runs=2)
    clock.advance(50)
    assert (part(), loads.count) == (2, 2)


def test_the_start_takes_what_is_there(make: Make) -> None:
    cache, loads = make(), Loads()

    @cache.cached(ttl=100, key="part")
    def part() -> int:
        return loads()

    part()
    cache.warm("parts", lambda: [part()])
    cache.warming.start()
    settle(cache, "parts")
    assert loads.count == 1


def test_others_hit_what_is_there_while_it_is_loaded_anew(make: Make) -> None:
    """No hit waits for a warm-up; and what is invalidated meanwhile is void."""
    cache, goes, go = make(), threading.Event(), threading.Event()
    slow = threading.Event()

    @cache.cached(ttl=100, tags=["all"], key="part:{number}")
    def part(number: int) -> int:
        if slow.is_set() and threading.current_thread() is not threading.main_thread():
            goes.set()
            go.wait(20)
        return number

    assert (part(1), part(2)) == (1, 2)
    cache.warm("parts", lambda: [part(1)])
    slow.set()
    cache.warm_now("parts", timeout=0)
    assert goes.wait(20)
    before = cache.report()
    assert (part(1), part(2)) == (1, 2)
    assert cache.report().hits == before.hits + 2
    cache.invalidate(tags=["all"])
    part(2)
    assert cache.report().misses == before.misses + 1
    go.set()
    settle(cache, "parts")
    marks = cache.core.memory.marks
    assert marks.quick == marks.epoch


def test_a_fleet_loads_anew_once_what_its_loaders_call(valkey_url: str, namespace: str) -> None:
    loads = Loads()
    caches = [TieredCache(valkey_url, namespace=namespace, l2_timeout=5.0) for _ in range(2)]
    for cache in caches:

        @cache.cached(ttl=300, key="part")
        def part() -> int:
            return loads()

        cache.warm("parts", lambda part=part: [part()])
        cache.warming.start()
    for cache in caches:
        settle(cache, "parts")
    before = loads.count
    stranger = TieredCache(valkey_url, namespace=namespace, l2_timeout=5.0)
    Board(stranger.core).ask_to_warm("parts")
    for cache in caches:
        settle(cache, "parts", runs=2)
    stranger.close()
    assert loads.count == before + 1
    assert [cache.get("part") for cache in caches] == [loads.count] * 2
    for cache in caches:
        cache.close()


def test_warming_counts_neither_as_hit_nor_as_miss(make: Make) -> None:
    """Nobody waited: the hit rate is that of the callers."""
    cache = make()

    @cache.cached()
    def value() -> int:
        return 1

    cache.warm("value", value)
    cache.warm("loose", lambda: value())  # noqa: PLW0108 - not the cached function itself
    cache.warm("keyed", lambda: 1, key="k")
    cache.warm_now()
    counts = cache.core.memory.counts
    assert (counts.hits, counts.misses, counts.l1_misses) == (0, 0, 0)
    # Those two ask for the same, and may do so at the same time.
    assert counts.loads in {2, 3}


def test_a_schedule_runs_again_and_again(make: Make, clock: FakeClock) -> None:
    cache, loads = make(), Loads()
    cache.warm("a", loads, key="a", every=60)
    cache.warming.start()
    settle(cache, "a", 1)
    clock.advance(53)
    cache.warming.turn()
    assert loads.count == 1
    for runs in (2, 3, 4):
        clock.advance(66.1)
        cache.warming.turn()
        settle(cache, "a", runs)
    assert (loads.count, cache.get("a")) == (4, 4)


def test_a_scheduled_value_lives_until_the_next_is_there(make: Make) -> None:
    cache = make(l1_ttl=5, l2_ttl=5)
    cache.warm("a", lambda: 1, key="a", every=100)
    cache.warm("b", lambda: 1, key="b", every=100, ttl=120)
    cache.warm_now()
    assert (cache.ttl("a"), cache.ttl("b")) == (150, 120)


def test_nothing_is_scheduled_after_the_close(make: Make, clock: FakeClock) -> None:
    cache, loads = make(), Loads()
    cache.warm("a", loads, key="a", every=60)
    cache.warming.start()
    settle(cache, "a")
    cache.close()
    clock.advance(1000)
    cache.warming.turn()
    cache.warming._queue.clear(5)
    assert loads.count == 1


def test_what_waits_at_the_close_is_dropped(make: Make) -> None:
    cache, loads, go = make(warm_workers=1), Loads(), threading.Event()
    cache.warm("slow", lambda: go.wait(20))
    cache.warm("next", loads)
    cache.warming.start()
    wait_until(lambda: result_of(cache, "slow").state == "running", "the loader")
    closing = threading.Thread(target=cache.close)
    closing.start()
    wait_until(lambda: not cache.warming._queue._waiting, "the close")
    go.set()
    closing.join(20)
    assert loads.count == 0


def test_an_order_that_comes_while_its_warm_up_runs_is_not_lost(make: Make) -> None:
    """What it loads may be older than what the order is about."""
    cache, loads = make(), Loads()
    began, go = threading.Event(), threading.Event()

    def load() -> int:
        began.set()
        go.wait(20)
        return loads()

    cache.warm("a", load, key="a")
    cache.warming.start()
    assert began.wait(20)
    waiting = [threading.Thread(target=cache.warm_now, args=("a",)) for _ in range(3)]
    for thread in waiting:
        thread.start()
    wait_until(lambda: "a" in cache.warming._queue._waiting, "the orders")
    go.set()
    for thread in waiting:
        thread.join(20)
    assert 2 <= loads.count <= 4


def test_warm_now_gives_up_after_its_time(make: Make) -> None:
    go = threading.Event()
    cache = TieredCache()
    cache.warm("slow", lambda: go.wait(20))
    [result] = cache.warm_now("slow", timeout=0.01)
    assert result.state in {"waiting", "running"}
    go.set()
    cache.close()


def test_a_name_that_no_warm_up_has_is_named(make: Make) -> None:
    cache = make()
    cache.warm("a", lambda: 1)
    with pytest.raises(ValueError, match=r"'b'; there are frequent, a$"):
        cache.warm_now("b")


@pytest.mark.parametrize("name", ["", "frequent", "a\nb", "x" * 101])
def test_a_name_that_cannot_be_used_is_refused(make: Make, name: str) -> None:
    with pytest.raises(ValueError, match="name: must be"):
        make().warm(name, lambda: 1)


@pytest.mark.parametrize("option", [{"ttl": 5}, {"tags": ["a"]}, {"type": int}])
def test_what_belongs_to_a_key_needs_one(make: Make, option: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="belong to a key"):
        make().warm("a", lambda: 1, **option)


@pytest.mark.parametrize("every", [0, -1, float("nan")])
def test_a_schedule_that_makes_no_sense_is_refused(make: Make, every: float) -> None:
    with pytest.raises(ValueError, match="every"):
        make().warm("a", lambda: 1, key="a", every=every)


def test_a_cached_function_that_needs_arguments_is_refused(make: Make) -> None:
    cache = make()

    @cache.cached()
    def account(number: int) -> int:
        return number

    with pytest.raises(TypeError, match="number"):
        cache.warm("a", account)


def test_a_later_registration_replaces_one_of_its_name(make: Make) -> None:
    cache = make()
    cache.warm("a", lambda: 1, key="a")
    cache.warm("a", lambda: 2, key="a")
    cache.warm_now("a")
    assert cache.get("a") == 2


def test_a_cache_that_nobody_holds_is_collected(clock: FakeClock) -> None:
    cache = TieredCache(clock=clock)
    cache.warm("a", lambda: 1, key="a", every=5)
    cache.warming.start()
    settle(cache, "a")
    held = weakref.ref(cache.warming)
    cache.warming._queue.clear(5)
    del cache

    def is_gone() -> bool:
        gc.collect()
        return held() is None

    wait_until(is_gone, "the collection")


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_forked_child_warms_itself(make: Make) -> None:
    """Its memory begins empty, and it has none of the parent's threads."""
    cache, loads = make(), Loads()
    cache.warm("a", loads, key="a")
    cache.warming.start()
    settle(cache, "a")
    reader, writer = os.pipe()
    child = os.fork()
    if not child:  # pragma: no cover - the child
        told = b"no"
        try:
            was_empty = cache.get("a") is None and result_of(cache, "a").state == "waiting"
            cache.warming.turn()
            if was_empty and settle(cache, "a").state == "done" and cache.get("a") == 2:
                told = b"ok"
        finally:
            os.write(writer, told)
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as answer:
        assert answer.read() == b"ok"
    os.waitpid(child, 0)
    assert loads.count == 1


# -- the monitor


def monitor_of(clock: FakeClock, **options: Any) -> Monitor:
    return Monitor(Settings.from_env({}), clock=clock, installed_plugins=False, **options)


def test_the_monitor_starts_what_is_registered(clock: FakeClock) -> None:
    monitor = monitor_of(clock)
    monitor.cache.warm("a", lambda: 1, key="a")
    monitor.start()
    assert settle(monitor.cache, "a").state == "done"
    monitor.close()


def test_a_cache_made_after_the_start_warms_as_well(clock: FakeClock) -> None:
    monitor = monitor_of(clock)
    monitor.start()
    monitor.cache.warm("a", lambda: 1, key="a")
    assert settle(monitor.cache, "a").state == "done"
    monitor.close()


def test_without_a_tick_nothing_warms_by_itself(clock: FakeClock) -> None:
    monitor = monitor_of(clock, tick=False)
    monitor.cache.warm("a", lambda: 1, key="a")
    monitor.start()
    assert result_of(monitor.cache, "a").state == "waiting"
    assert monitor.cache.warm_now("a")[0].state == "done"
    monitor.close()


def test_a_monitor_without_a_cache_makes_none(clock: FakeClock) -> None:
    monitor = monitor_of(clock)
    monitor.start()
    monitor.close()
    assert not monitor.has_cache


# -- with an L2


def test_a_fleet_loads_once_at_its_start(valkey_url: str, namespace: str) -> None:
    fleet = [TieredCache(valkey_url, namespace=namespace, l2_timeout=5.0) for _ in range(4)]
    loads = Loads()
    for cache in fleet:
        cache.warm("a", loads, key="a")
        cache.warming.start()
    for cache in fleet:
        assert settle(cache, "a").state == "done"
        assert cache.get("a") == 1
    for cache in fleet:
        cache.close()
    assert loads.count == 1


def test_a_fleet_refreshes_once_in_each_turn(valkey_url: str, namespace: str) -> None:
    """The others take the value that the first of them has loaded."""
    clock = FakeClock(wall=1_700_000_000.0)
    fleet = [
        TieredCache(valkey_url, namespace=namespace, clock=clock, l2_timeout=5.0) for _ in range(3)
    ]
    loads = Loads()
    for cache in fleet:
        cache.warm("a", loads, key="a", every=0.2, ttl=60)
        cache.warming.start()
        settle(cache, "a")
    assert loads.count == 1
    # Redis's clock goes on by itself: the value is older than half a turn now.
    level2 = fleet[0].core.below.level2
    wait_until(lambda: age_of(fleet[0], "a") > 0.1, "half a turn")
    assert level2.ahead is not None
    clock.advance(0.25)
    for number, cache in enumerate(fleet):
        cache.warming.turn()
        settle(cache, "a", 2)
        if not number:
            wait_until(lambda: loads.count == 2, "the load")
    assert all(cache.get("a") == loads.count for cache in fleet)
    for cache in fleet:
        cache.close()


def age_of(cache: TieredCache, key: str) -> float:
    link, second = cache.core.link, cache.core.lookup.second
    raw = link.fetch(second.level2.names.value(key))
    seconds, micros = link.send("TIME")
    return seconds + micros / 1e6 - second.codec.peek(second.namespace, key, raw).created


def test_a_request_on_the_backplane_runs_warm_ups_by_name(valkey_url: str, namespace: str) -> None:
    from hhs_perf.cache.warm.board import Board

    fleet = [TieredCache(valkey_url, namespace=namespace, l2_timeout=5.0) for _ in range(3)]
    loads, others = Loads(), Loads()
    for cache in fleet:
        cache.warm("a", loads, key="a")
        cache.warm("b", others, key="b")
        cache.warming.start()
        settle(cache, "a")
        settle(cache, "b")
        backplane = cache.core.below.backplane
        wait_until(lambda backplane=backplane: backplane.is_linked, "the link")
    caller = TieredCache(valkey_url, namespace=namespace, l2_timeout=5.0)
    request = Board(caller.core).ask_to_warm("a")
    for cache in fleet:
        settle(cache, "a", 2)

    def have_answered() -> bool:
        rows = Board(caller.core).processes()
        told = [each for row in rows for each in row.warm_ups if each.name == "a"]
        return len(told) == 3 and all(each.request == request for each in told)

    wait_until(have_answered, "the answers")
    assert others.count == 1
    # All hear the request at about the same time, and one of them loads for all.
    assert loads.count == 2
    assert all(cache.get("a") == 2 for cache in fleet)
    for cache in (*fleet, caller):
        cache.close()
    assert (
        Board(TieredCache(valkey_url, namespace=namespace, l2_timeout=5.0).core).processes() == ()
    )


def test_a_request_that_is_heard_again_is_done_once(valkey_url: str, namespace: str) -> None:
    """Who asks does so again until all have answered."""
    cache, loads = TieredCache(valkey_url, namespace=namespace, l2_timeout=5.0), Loads()
    cache.warm("a", loads)
    for request in ("1700000000000001", "1700000000000001", "1700000000000000"):
        cache.warming.asked(f"{request}a")
        settle(cache, "a")
        cache.warming._queue.clear(5)
    assert loads.count == 1
    cache.warming.asked("1700000000000002")
    settle(cache, "a", 2)
    cache.close()


@pytest.mark.parametrize("message", ["", "x", "1700000000000000nobody", "²" * 16, "9" * 16 + "\0"])
def test_a_request_that_makes_no_sense_is_ignored(
    message: str, valkey_url: str, namespace: str
) -> None:
    cache = TieredCache(valkey_url, namespace=namespace, l2_timeout=5.0)
    cache.warming.asked(message)
    assert all(each.runs == 0 for each in cache.warming.results())
    cache.close()


def test_warming_goes_on_without_redis(
    launch: Callable[..., Server], namespace: str, caplog: pytest.LogCaptureFixture
) -> None:
    """And says so in a line: a backend that is away needs no traceback."""
    server = launch()
    cache = TieredCache(server.url, namespace=namespace)
    cache.warm("a", lambda: 1, key="a", every=5)
    server.kill()
    cache.warming.start()
    assert settle(cache, "a").state == "done"
    assert cache.get("a") == 1
    wait_until(lambda: result_of(cache, "frequent").state == "failed", "the built-in one")
    assert result_of(cache, "frequent").error == "CacheBackendError"
    assert str(result_of(cache, "frequent").note).startswith("Redis cannot be used: ")
    [record] = [each for each in caplog.records if "warm-up" in each.getMessage()]
    assert record.getMessage().startswith("the warm-up frequent failed; the host goes on: ")
    assert record.exc_info is None
    cache.warming.turn()
    cache.close()

"""Limits that processes share: under wrong clocks, while Redis goes and comes, after a fork."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import re
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator

import pytest

from hhs_perf._clock import SystemClock
from hhs_perf.exceptions import ConfigurationError
from hhs_perf.scrapers.limits.shared import SharedLimiter
from tests.limit_process import LimitProcess
from tests.servers import Server, valkey_binary, wait_until

INTERVAL = 0.1
SKEWS = (-0.4, 0.4, 5.0, 0.0)
# A process that is late by a fifth of the interval asks again; on a machine that stalls it may be
# late again.
CLOSEST = 0.5 * INTERVAL


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """A server that the four processes use, and nobody else."""
    with Server(valkey_binary()) as server:
        yield server


@pytest.fixture(scope="module")
def all_four(server: Server) -> Iterator[list[LimitProcess]]:
    """Four processes, whose clocks are wrong."""
    with contextlib.ExitStack() as stack:
        made = [stack.enter_context(LimitProcess(server.url, "four", skew)) for skew in SKEWS]
        for each in made:
            each.wait_until_ready()
        yield made


@contextlib.asynccontextmanager
async def limiters(url: str, namespace: str, count: int = 1) -> AsyncIterator[list[SharedLimiter]]:
    """Members of one namespace in this event loop, all listening."""
    made = [SharedLimiter(url, SystemClock(), namespace=namespace) for _ in range(count)]
    for limiter in made:
        await limiter.acquire("warm-up", 0)
    for limiter in made:
        await asyncio.to_thread(wait_until, lambda each=limiter: each.is_listening, "the link")
    try:
        yield made
    finally:
        for limiter in made:
            await limiter.close()


def gaps(starts: list[float]) -> list[float]:
    """The seconds between one start and the next, of whatever process."""
    return [later - earlier for earlier, later in itertools.pairwise(sorted(starts))]


def scripts_run(server: Server) -> int:
    """How often scripts were run by their hash."""
    found = re.search(rb"cmdstat_evalsha:calls=(\d+)", server.say("INFO commandstats"))
    return int(found[1]) if found else 0


def test_four_processes_with_wrong_clocks_start_one_by_one(
    server: Server, all_four: list[LimitProcess]
) -> None:
    """Neither do two start together, nor is one left out, nor is time lost."""
    before = scripts_run(server)
    at = time.perf_counter() + 0.2
    for process in all_four:
        process.tell(count=3, tasks=2, interval=INTERVAL, at=at)
    answers = [process.answer() for process in all_four]
    ran = scripts_run(server) - before
    starts = [start for answer in answers for start in answer["starts"]]
    assert len(starts) == 24
    assert min(gaps(starts)) >= CLOSEST
    # 23 intervals; who was late on a machine that stalls has used up another one.
    assert 22.5 * INTERVAL < max(starts) - min(starts) < 30 * INTERVAL
    assert 24 <= ran <= 30
    # Round by round: nobody is a whole round ahead.
    order = sorted((start, who) for who, each in enumerate(answers) for start in each["starts"])
    assert {who for _, who in order[:5]} == set(range(4))


async def test_a_start_takes_one_round_trip(launch: Callable[..., Server], namespace: str) -> None:
    """However long it has to wait."""
    server = launch()
    async with limiters(server.url, namespace) as [limiter]:
        before = scripts_run(server)
        for number in range(20):
            await limiter.acquire(f"platform{number}", 5.0)
        for _ in range(3):
            await limiter.acquire("x", 0.5)
        assert scripts_run(server) - before == 23


async def test_no_interval_and_no_pause_asks_nobody(
    launch: Callable[..., Server], namespace: str
) -> None:
    """Once a platform is known, and pauses are heard of."""
    server = launch()
    async with limiters(server.url, namespace, 2) as [limiter, other]:
        await limiter.acquire("x", 0)
        before = scripts_run(server)
        for _ in range(50):
            await limiter.acquire("x", 0)
        assert scripts_run(server) == before
        await other.pause("x", 0.4)
        paused = time.perf_counter()
        await asyncio.to_thread(wait_until, lambda: limiter.free_in("x") > 0, "the pause")
        await limiter.acquire("x", 0)
        assert time.perf_counter() - paused > 0.35


async def test_a_pause_stops_those_who_have_reserved(redis_url: str, namespace: str) -> None:
    """They ask again, and start one by one after it; whoever comes later does so, too."""
    starts: list[float] = []

    async def start(limiter: SharedLimiter) -> None:
        await limiter.acquire("x", 0.3)
        starts.append(time.perf_counter())

    async with limiters(redis_url, namespace, 4) as [one, two, three, pausing]:
        await start(one)
        waiting = [asyncio.ensure_future(start(each)) for each in (one, two, three)]
        await asyncio.sleep(0.05)
        paused = time.perf_counter()
        await pausing.pause("x", 1.0)
        await pausing.pause("x", 0.1)
        await asyncio.gather(*waiting, start(pausing))
    held = sorted(starts)[1:]
    assert held[0] >= paused + 0.99
    assert min(gaps(held)) > 0.15
    assert held[-1] < paused + 1.0 + 6 * 0.3


async def test_one_who_comes_later_learns_of_a_pause(valkey_url: str, namespace: str) -> None:
    """Its first question tells it, even without an interval."""
    async with limiters(valkey_url, namespace, 2) as [pausing, late]:
        await pausing.pause("x", 0.4)
        paused = time.perf_counter()
        await late.acquire("x", 0)
        assert time.perf_counter() - paused > 0.35


async def test_who_is_cancelled_leaves_its_turn_to_the_next(
    valkey_url: str, namespace: str
) -> None:
    """Time-outs of callers cost no starts."""
    async with limiters(valkey_url, namespace) as [limiter]:
        await limiter.acquire("x", 0.5)
        began = time.perf_counter()
        for _ in range(4):
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(limiter.acquire("x", 0.5), 0.05)
        await limiter.acquire("x", 0.5)
        assert 0.45 < time.perf_counter() - began < 0.95


async def test_ready_waits_out_pauses_and_own_starts(valkey_url: str, namespace: str) -> None:
    """It reserves nothing, so any number may ask."""
    async with limiters(valkey_url, namespace) as [limiter]:
        await limiter.ready("x", 0.2)
        await limiter.acquire("x", 0.2)
        began = time.perf_counter()
        await asyncio.gather(*(limiter.ready("x", 0.2) for _ in range(5)))
        assert time.perf_counter() - began > 0.15
        await limiter.pause("x", 0.3)
        assert 0.25 < limiter.free_in("x") <= 0.3
        await limiter.ready("x", 0.2)
        assert time.perf_counter() - began > 0.45


def test_redis_killed_in_the_midst_and_back(server: Server, all_four: list[LimitProcess]) -> None:
    """Alone, each keeps to its share; then all share again; never more than is allowed."""
    at = time.perf_counter() + 0.2
    for process in all_four:
        process.tell(count=6, tasks=2, interval=INTERVAL, at=at)
    time.sleep(1.2)
    server.kill()
    killed = time.perf_counter()
    time.sleep(1.5)
    server.start()
    back = time.perf_counter()
    starts = sorted(itertools.chain(*(each.answer()["starts"] for each in all_four)))
    ran = scripts_run(server)
    assert len(starts) == 48
    away = [start for start in starts if killed < start < back]
    # Reservations are kept; then four shares are one interval's worth.
    assert 5 <= len(away) <= (back - killed) / INTERVAL + 5
    # They share again: what was started after that was reserved.
    assert ran >= 8
    for first in range(48 - 10):
        assert starts[first + 10] - starts[first] > 5 * INTERVAL


async def test_a_silent_redis_costs_one_time_out(
    launch: Callable[..., Server], namespace: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Then nobody asks it, until it answers the thread that tries."""
    server = launch()
    async with limiters(server.url, namespace) as [limiter]:
        await limiter.acquire("x", 0.05)
        server.pause()
        began = time.perf_counter()
        with caplog.at_level(logging.INFO, "hhs_perf"):
            for _ in range(5):
                await limiter.acquire("x", 0.05)
            assert time.perf_counter() - began < 2.0
            assert limiter.report.state != "closed"
            await limiter.pause("x", 0.7)
            paused = time.perf_counter()
            server.resume()
            await asyncio.to_thread(
                wait_until, lambda: limiter.report.state == "closed", "the breaker"
            )
        # What nobody could be told of then holds all the same, and is told now.
        await limiter.acquire("x", 0.05)
        assert time.perf_counter() - paused > 0.65
    told = [record.message for record in caplog.records if record.name == "hhs_perf"]
    assert ["away" in line for line in told] == [True, False]
    assert "back" in told[1]


async def test_a_redis_that_was_never_there(namespace: str) -> None:
    """The limits of one process hold, and closing ends what there is."""
    limiter = SharedLimiter("redis://127.0.0.1:9/0", SystemClock(), namespace=namespace)
    starts: list[float] = []
    for _ in range(4):
        await limiter.acquire("x", 0.05)
        starts.append(time.perf_counter())
    assert min(gaps(starts)) > 0.045
    assert limiter.free_in("x") > 0
    await limiter.close()


async def test_a_redis_that_forgets_a_pause_is_told_again(
    launch: Callable[..., Server], namespace: str
) -> None:
    """Whoever still knows of it tells it, and so all others."""
    server = launch()
    async with limiters(server.url, namespace, 2) as [one, other]:
        await one.pause("x", 1.0)
        paused = time.perf_counter()
        server.say("FLUSHALL")
        await one.acquire("x", 0.05)
        assert time.perf_counter() - paused > 0.95
        await other.acquire("x", 0.05)


async def test_what_no_limiter_says_is_logged_once_and_left(
    valkey_url: str, namespace: str, caplog: pytest.LogCaptureFixture
) -> None:
    """A message of somebody else ends nothing."""
    import redis.asyncio

    async with limiters(valkey_url, namespace, 2) as [limiter, other]:
        await limiter.acquire("x", 0.0)
        async with redis.asyncio.Redis.from_url(valkey_url) as client:
            for message in ("", "nonsense", "1 x y", b"\xff\xfe", "9" * 5000):
                await client.publish(f"hhs:{namespace}:scrape1", message)
        await other.pause("x", 0.6)
        began = time.perf_counter()
        await asyncio.to_thread(wait_until, lambda: limiter.free_in("x") > 0, "the pause")
        await limiter.acquire("x", 0.0)
        assert time.perf_counter() - began > 0.5
    assert len([each for each in caplog.messages if "listening for pauses" in each]) == 2


def test_one_loop_after_another(valkey_url: str, namespace: str) -> None:
    """Each keeps its distance from the one before, and what belonged to that one is let go of."""
    limiter = SharedLimiter(valkey_url, SystemClock(), namespace=namespace)
    starts: list[float] = []
    held: list[int] = []

    async def use() -> None:
        for _ in range(2):
            await limiter.acquire("x", 0.2)
            starts.append(time.perf_counter())
        held.append(len(limiter._links))
        await limiter.close()

    for _ in range(3):
        asyncio.run(use())
    assert held == [1, 1, 1]
    assert len(limiter._links) == 0
    assert min(gaps(starts)) > 0.18
    assert starts[-1] - starts[0] < 2.0
    assert limiter.report.state == "closed"
    wait_until(lambda: not limiter.is_listening, "the end of the thread")


FORKS = """
import asyncio, os, sys, time
from hhs_perf._clock import SystemClock
from hhs_perf.scrapers.limits.shared import SharedLimiter

limiter = SharedLimiter(sys.argv[1], SystemClock(), namespace=sys.argv[2])

async def use(count):
    starts = []
    for _ in range(count):
        await limiter.acquire("x", 0.05)
        starts.append(time.perf_counter())
    return starts

with asyncio.Runner() as runner:
    runner.run(use(2))
    child = os.fork()
    if child == 0:
        asyncio.events._set_running_loop(None)
        with asyncio.Runner() as own:
            own.run(use(3))
            own.run(limiter.close())
        os._exit(0)
    runner.run(use(3))
    assert os.waitpid(child, 0)[1] == 0
    runner.run(use(1))
    runner.run(limiter.close())
"""


def test_a_forked_child_is_a_member_of_its_own(valkey_url: str, namespace: str) -> None:
    """Both go on, each over connections of its own."""
    command = [sys.executable, "-W", "error", "-c", FORKS, valkey_url, namespace]
    subprocess.run(command, check=True, timeout=30)


def test_an_address_that_cannot_be_read_is_a_setting_that_is_wrong() -> None:
    """And its text is not told."""
    with pytest.raises(ConfigurationError, match="scheme"):
        SharedLimiter("http://secret@example.org", SystemClock(), namespace="n")

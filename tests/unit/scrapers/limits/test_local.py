"""Starts within one process, on time that only moves when all tasks wait."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine, Iterator
from typing import Any

import pytest

from hhs_perf._clock import SystemClock
from hhs_perf.scrapers.limits.lane import Lane, Ticket
from hhs_perf.scrapers.limits.local import LocalLimiter
from hhs_perf.testing import FakeClock


class TimelessLoop(asyncio.SelectorEventLoop):
    """An event loop that moves a clock on instead of waiting."""

    def __init__(self, clock: FakeClock) -> None:
        super().__init__()
        selector: Any = self._selector  # type: ignore[attr-defined]  # asyncio's own name for it
        look = selector.select

        def select(timeout: float | None) -> object:
            events = look(0)
            if not events and timeout:
                clock.advance(timeout)
            return events

        selector.select = select
        self.time = clock.monotonic  # type: ignore[method-assign]


class Runs:
    """Starts tasks on a limiter and notes when each came through."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.limiter = LocalLimiter(self.clock)
        self.loop = TimelessLoop(self.clock)
        self.starts: list[tuple[float, str]] = []

    def run(self, work: Coroutine[Any, Any, None]) -> None:
        self.loop.run_until_complete(asyncio.wait_for(work, 10_000))

    async def start(self, name: str = "", interval: float = 0.5, platform: str = "x") -> None:
        await self.limiter.acquire(platform, interval)
        self.starts.append((self.clock.monotonic(), name))

    @property
    def times(self) -> list[float]:
        return [at for at, _ in self.starts]


@pytest.fixture
def runs() -> Iterator[Runs]:
    """A limiter, a clock and a loop."""
    made = Runs()
    yield made
    made.loop.close()


def test_starts_are_an_interval_apart_and_in_order(runs: Runs) -> None:
    """Five that come together start one by one, the first at once."""

    async def work() -> None:
        await asyncio.gather(*(runs.start(name) for name in "abcde"))

    runs.run(work())
    assert runs.starts == [(0.0, "a"), (0.5, "b"), (1.0, "c"), (1.5, "d"), (2.0, "e")]


def test_sums_of_floats_end(runs: Runs) -> None:
    """A third of a second is no number of a computer, and yet nobody asks for ever."""

    async def work() -> None:
        await asyncio.gather(*(runs.start(interval=1 / 3) for _ in range(50)))

    runs.run(work())
    assert runs.times[-1] == pytest.approx(49 / 3, abs=1e-4)


def test_rest_earns_no_burst(runs: Runs) -> None:
    """After a minute without starts the next two are an interval apart all the same."""

    async def work() -> None:
        await runs.start()
        await asyncio.sleep(60)
        await asyncio.gather(runs.start(), runs.start(), runs.start())

    runs.run(work())
    assert runs.times == [0.0, 60.0, 60.5, 61.0]


def test_gaps_count_from_actual_starts(runs: Runs) -> None:
    """Who starts late delays the next one, who would else follow too soon."""

    async def work() -> None:
        await runs.start()
        late, last = asyncio.ensure_future(runs.start()), asyncio.ensure_future(runs.start())
        await asyncio.sleep(0.25)
        runs.clock.advance(0.5)  # the loop was busy when the second start was due
        await asyncio.gather(late, last)

    runs.run(work())
    assert runs.times == [0.0, 0.75, 1.25]


def test_platforms_do_not_wait_for_each_other(runs: Runs) -> None:
    """Each has starts of its own."""

    async def work() -> None:
        await asyncio.gather(*(runs.start(name, platform=name) for name in "abc"))

    runs.run(work())
    assert runs.times == [0.0, 0.0, 0.0]


def test_pause_holds_those_who_wait_and_a_longer_one_stays(runs: Runs) -> None:
    """Who waits already waits for the end of the longest pause, then in the old order."""

    async def work() -> None:
        await runs.start("a")
        waiting = [asyncio.ensure_future(runs.start(name)) for name in "bc"]
        await asyncio.sleep(0.25)
        await runs.limiter.pause("x", 4.0)
        await runs.limiter.pause("x", 1.0)
        await runs.limiter.pause("x", 0.0)
        await runs.limiter.pause("x", float("nan"))
        await asyncio.gather(*waiting)

    runs.run(work())
    assert runs.starts == [(0.0, "a"), (4.25, "b"), (4.75, "c")]


def test_without_interval_only_pauses_hold(runs: Runs) -> None:
    """An interval of 0 lets all start at once, and after a pause all together."""

    async def work() -> None:
        await asyncio.gather(*(runs.start(interval=0) for _ in range(3)))
        await runs.limiter.pause("x", 2.0)
        await asyncio.gather(*(runs.start(interval=0) for _ in range(3)))

    runs.run(work())
    assert runs.times == [0.0, 0.0, 0.0, 2.0, 2.0, 2.0]


def test_who_is_cancelled_gives_its_turn_to_the_next(runs: Runs) -> None:
    """Neither the first nor the last of a queue leaves a hole."""

    async def work() -> None:
        await runs.start("a")
        b, c, d = (asyncio.ensure_future(runs.start(name)) for name in "bcd")
        await asyncio.sleep(0.25)
        b.cancel()
        d.cancel()
        await c
        await runs.start("e")

    runs.run(work())
    assert runs.starts == [(0.0, "a"), (0.5, "c"), (1.0, "e")]


def test_ready_waits_for_those_who_wait_and_reserves_nothing(runs: Runs) -> None:
    """It returns just before a start is free, however often it is asked."""

    async def work() -> None:
        await runs.limiter.ready("x", 0.5)
        assert runs.clock.monotonic() == 0.0
        await runs.start()
        waiting = asyncio.ensure_future(runs.start())
        await asyncio.sleep(0)
        await asyncio.gather(runs.limiter.ready("x", 0.5), runs.limiter.ready("x", 0.5))
        assert 0.99 < runs.clock.monotonic() < 1.0
        await waiting
        assert runs.limiter.free_in("x") < 0.01

    runs.run(work())


def test_free_in_tells_the_wait(runs: Runs) -> None:
    """An unknown platform is free; a start or a pause takes as long as it says."""

    async def work() -> None:
        assert runs.limiter.free_in("x") == 0.0
        await runs.start()
        assert runs.limiter.free_in("x") == 0.5
        await runs.limiter.pause("x", 30)
        assert runs.limiter.free_in("x") == 30
        await runs.limiter.close()

    runs.run(work())


def test_idle_platforms_are_forgotten(runs: Runs) -> None:
    """Hosts by the thousand leave as many lanes as are in use."""

    async def work() -> None:
        await runs.limiter.pause("kept", 1e6)
        for number in range(5_000):
            await runs.start(platform=f"host{number}")
            runs.clock.advance(0.5)

    runs.run(work())
    assert len(runs.limiter._lanes) <= 1024
    assert runs.limiter.free_in("kept") > 0


def test_a_loop_that_stands_still_loses_its_turn(runs: Runs) -> None:
    """Others go on a second after its start was due, and it comes back to the end."""
    asleep, awake = asyncio.new_event_loop(), runs.loop
    lane = Lane()
    assert lane.start_at_once(0.0, 0.5)
    first, second = Ticket(asleep), Ticket(awake)
    lane.join(first)
    lane.join(second)
    assert lane.start_in_turn(second, 0.6, 0.5) > 0
    assert lane.start_in_turn(second, 1.6, 0.5) == 0.0
    lane.leave(second)
    assert lane.start_in_turn(first, 2.1, 0.5) == 0.0
    asleep.close()


def test_a_closed_loop_leaves_the_queue(runs: Runs) -> None:
    """Whoever waited in it cannot start any more, and holds nobody up."""
    closed = asyncio.new_event_loop()
    lane = Lane()
    tickets = [Ticket(runs.loop), Ticket(closed), Ticket(runs.loop)]
    for ticket in tickets:
        lane.join(ticket)
    closed.close()
    lane.leave(tickets[0])
    assert lane.start_in_turn(tickets[2], 0.0, 0.5) == 0.0


def test_a_forked_child_forgets_the_queue(runs: Runs) -> None:
    """Its parent's tasks do not run in it; the time of the last start holds."""

    async def work() -> None:
        await runs.start()
        waiting = asyncio.ensure_future(runs.start())
        await asyncio.sleep(0)
        runs.limiter.after_fork_in_child()
        assert runs.limiter.free_in("x") == 0.5
        waiting.cancel()
        await runs.start()

    runs.run(work())
    assert runs.times == [0.0, 0.5]


def test_loops_of_several_threads_share_the_starts() -> None:
    """Three threads with five tasks each keep one interval between all their starts."""
    limiter = LocalLimiter(SystemClock())
    starts: list[float] = []

    async def start() -> None:
        for _ in range(2):
            await limiter.acquire("x", 0.02)
            starts.append(time.perf_counter())

    async def all_starts() -> None:
        await asyncio.gather(*(start() for _ in range(5)))

    async def in_threads() -> None:
        await asyncio.gather(*(asyncio.to_thread(asyncio.run, all_starts()) for _ in range(3)))

    asyncio.run(in_threads())
    starts.sort()
    assert len(starts) == 30
    # A start is noted after it was counted, which the system may delay.
    assert starts[-1] - starts[0] >= 29 * 0.02 - 0.005

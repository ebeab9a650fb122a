"""How runs end: early, late, in the middle of something, and with parts that fail."""

from __future__ import annotations

import asyncio
import itertools
from typing import TYPE_CHECKING, Any

import pytest

from hhs_perf.scrapers import Account, RateSignal, Reply
from hhs_perf.scrapers.engine import desk
from tests.scripted_platforms import (
    Scripted,
    Shelf,
    accounts,
    by_handle,
    platform,
    reply,
    resolver,
    scrapers,
    well,
)

if TYPE_CHECKING:
    pass


def test_who_stops_within_a_batch_loses_nothing_of_it() -> None:
    """All that was fetched is kept, and the report counts it."""
    shelf = Shelf()
    run = scrapers(Scripted(), platform(batch=50)).run(accounts(50), to=shelf)
    for _ in run:
        break
    assert sorted(map(str, shelf.held)) == sorted(f"plain-{n}" for n in range(50))
    assert (run.report.succeeded, run.report.written, run.report.left) == (50, 50, 0)


def test_an_account_that_is_resolved_late_is_ended_with_its_platform(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """However full the way out is meanwhile: nobody waits for ever."""
    monkeypatch.setattr(desk, "_MOST_WAITING", 1)
    turns = itertools.count()

    async def answer(url: str, whom: list[str]) -> Reply:
        turn = next(turns)
        await asyncio.sleep(0.001 * (turn % 3))
        if turn == 4:
            return reply(429, {}, retry_after="100000")
        return await well(url, whom)

    held = scrapers(Scripted(answer), platform(batch=2, resolve=resolver()))
    found = list(held.run(accounts(12), max_workers=4))
    assert len(found) == 12


def test_replies_at_the_same_moment_that_end_an_allowance_keep_their_figures() -> None:
    """The pause comes after them."""
    gate = asyncio.Event()

    def rate_signal(answer: Reply) -> RateSignal:
        return RateSignal(wait=5000.0, remaining=0)

    async def answer(url: str, whom: list[str]) -> Reply:
        if whom == ["plain-0"]:
            gate.set()
        await gate.wait()
        return await well(url, whom)

    held = scrapers(Scripted(answer), platform(rate_signal=rate_signal))
    outcomes = list(held.run(accounts(9), max_workers=3))
    kinds = {each.failure.kind for each in outcomes if each.failure is not None}
    assert kinds == {"rate_limited"}
    assert sum(each.status == "success" for each in outcomes) >= 3


def test_a_limiter_that_fails_at_the_end_costs_no_snapshot() -> None:
    """It is noted as a fault, and the sink is closed."""
    held = scrapers(Scripted())

    async def close() -> None:
        raise ConnectionError("gone")

    held.limiter.close = close  # type: ignore[method-assign]
    shelf = Shelf()
    report = held.scrape(accounts(20), to=shelf)
    assert (report.written, len(shelf.held), shelf.closed) == (20, 20, 1)


def test_a_pace_slower_than_the_longest_pause_is_no_pause() -> None:
    """The platform asked for nothing."""
    held = scrapers(Scripted(), platform(interval=0.05), max_wait=0.01)
    assert held.scrape(accounts(4)).succeeded == 4


def test_an_id_that_is_of_nobody_any_more_is_found_out_anew() -> None:
    """Once a run; the new one is kept."""

    async def answer(url: str, whom: list[str]) -> Reply:
        return reply(404, {}) if whom == ["old"] else await well(url, whom)

    transport = Scripted(answer)
    shelf = Shelf()
    shelf.ids["plain", "plain-0"] = "old"
    held = scrapers(transport, platform(resolve=resolver()))
    [outcome] = held.run(accounts(1), to=shelf)
    assert outcome.status == "success"
    assert outcome.attempts == 3
    assert shelf.ids == {("plain", "plain-0"): "id of plain-0"}
    assert transport.requests() == [("old",), ("plain-0",), ("id of plain-0",)]


def test_accounts_that_nobody_was_asked_about_are_not_slow() -> None:
    """They took no time at all."""

    async def answer(url: str, whom: list[str]) -> Reply:
        return reply(401, {})

    held = scrapers(Scripted(answer))
    held.scrape(accounts(20), max_workers=1)
    [state] = held.state()
    assert 0 < len(state.slowest) <= 5
    assert state.last_good is None


def many(**fields: Any) -> Any:
    """Make a platform of many hosts: `name@host`."""
    return platform(
        many_hosts=True,
        match=lambda address: f"{address.path[0]}@{address.host}",
        host_of=lambda target: target.handle.partition("@")[2],
        **fields,
    )


def test_one_host_that_refuses_stops_no_other() -> None:
    """Walls, pauses and breakers are each host's own; the platform's state tells of the worst."""

    async def answer(url: str, whom: list[str]) -> Reply:
        if whom[0].endswith("@shut.test"):
            return reply(401, {})
        if whom[0].endswith("@busy.test"):
            return reply(429, {}, retry_after="5000")
        return await well(url, whom)

    listed = [
        Account(platform="plain", url=f"https://{host}.test/{n}")
        for n in range(8)
        for host in ("shut", "open", "busy")
    ]
    transport = Scripted(answer)
    held = scrapers(transport, many())
    run = held.run(listed)
    found = by_handle(run)
    assert all(found[f"{n}@open.test"].status == "success" for n in range(8))
    failures = {
        (found[f"{n}@{host}.test"].failure or pytest.fail("no failure")).kind
        for n in range(8)
        for host in ("shut", "busy")
    }
    assert failures == {"auth", "rate_limited"}
    assert run.expected == {"plain": 24}
    assert held.state()[0].next_allowed is not None

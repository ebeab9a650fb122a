"""A run as its caller goes through it."""

from __future__ import annotations

import asyncio
import gc
import threading
from collections.abc import Iterator
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from hhs_perf import _fork
from hhs_perf.exceptions import ConfigurationError
from hhs_perf.scrapers import Reply, ScrapeRun, running
from hhs_perf.scrapers.transports import factory_of
from tests.scripted_platforms import Scripted, Shelf, accounts, scrapers, well

if TYPE_CHECKING:
    pass

WHO: ContextVar[str] = ContextVar("WHO", default="nobody")


async def slowly(url: str, whom: list[str]) -> Reply:
    """Answer after some milliseconds."""
    await asyncio.sleep(0.003)
    return await well(url, whom)


def threads() -> list[threading.Thread]:
    return [each for each in threading.enumerate() if each.name.startswith("hhs_perf-scrape")]


@pytest.fixture(autouse=True)
def _no_thread_is_left() -> Iterator[None]:
    yield
    for each in threads():
        each.join(5)
    assert threads() == []


def ended(run: ScrapeRun, transport: Scripted, shelf: Shelf) -> None:
    """Assert that nothing is under way, and that what was fetched is kept."""
    assert not any(each.name == "hhs_perf-scrape" for each in threads())
    assert transport.under_way == 0
    assert transport.closed == transport.opened == 1
    assert shelf.closed
    assert len(shelf.held) == run.report.succeeded > 0


def test_requests_go_on_while_the_caller_works() -> None:
    """The body of the loop may wait for the next request: it is made meanwhile."""
    last = threading.Event()

    async def answer(url: str, whom: list[str]) -> Reply:
        if len(transport.asked) == 40:
            last.set()
        return await slowly(url, whom)

    transport = Scripted(answer)
    run = scrapers(transport, max_workers=1).run(accounts(40))
    for number, outcome in enumerate(run):
        if number == 0:
            assert last.wait(5)
        assert outcome.seconds < 2
    assert number == 39


def test_a_run_is_so_many_outcomes_ahead_and_not_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """What waits for the caller is bounded; all arrive in the end."""
    monkeypatch.setattr(running, "_MOST_AHEAD", 4)
    monkeypatch.setattr(running, "_RETURNED_AT_ONCE", 2)
    threaded = running._Threaded(scrapers(Scripted()).run(accounts(50))._run)
    first = threaded.take()
    while threaded._handed.qsize() < 3:
        threading.Event().wait(0.001)
    most = 0
    taken = [first]
    while (outcome := threaded.take()) is not None:
        taken.append(outcome)
        most = max(most, threaded._handed.qsize())
    assert len(taken) == 50
    assert most <= 5


def test_a_second_iteration_raises_at_once() -> None:
    """The message says so, and what came of the first stays."""
    run = scrapers(Scripted()).run(accounts(3))
    assert len(list(run)) == 3
    with pytest.raises(RuntimeError, match="iterated over once"):
        iter(run)
    with pytest.raises(RuntimeError, match="iterated over once"):
        aiter(run)
    assert run.report.succeeded == 3


def test_who_breaks_off_leaves_nothing_under_way() -> None:
    """What was fetched until then is kept."""
    transport, shelf = Scripted(slowly), Shelf()
    run = scrapers(transport).run(accounts(5000), to=shelf)
    for number, _ in enumerate(run):
        if number == 3:
            break
    ended(run, transport, shelf)
    assert run.report.left > 4000


def test_who_breaks_off_at_the_last_outcome_loses_nothing() -> None:
    """A run that ends by itself is not cut short in writing what it has."""
    for _ in range(20):
        transport, shelf = Scripted(), Shelf()
        run = scrapers(transport).run(accounts(5), to=shelf)
        for number, _ in enumerate(run):
            if number == 4:
                break
        ended(run, transport, shelf)
        assert len(shelf.held) == 5


def test_an_unfinished_iterator_that_is_collected_ends_its_run() -> None:
    """Whether its last reference went, or a cycle was found."""
    transport, shelf = Scripted(slowly), Shelf()
    run = scrapers(transport).run(accounts(5000), to=shelf)
    outcomes = iter(run)
    next(outcomes)
    cycle: list[object] = [outcomes]
    cycle.append(cycle)
    del outcomes, cycle
    gc.collect()
    ended(run, transport, shelf)


def test_a_collection_on_another_thread_does_not_wait() -> None:
    """The run may need that thread to wind up."""
    transport, shelf = Scripted(slowly), Shelf()
    held = [iter(scrapers(transport).run(accounts(5000), to=shelf))]
    next(held[0])
    elsewhere = threading.Thread(target=held.clear)
    elsewhere.start()
    elsewhere.join(5)
    for each in threads():
        each.join(5)
    assert shelf.closed
    assert transport.under_way == 0


def test_an_exception_of_the_caller_ends_the_run() -> None:
    """It arrives unchanged."""
    transport, shelf = Scripted(slowly), Shelf()
    run = scrapers(transport).run(accounts(5000), to=shelf)
    with pytest.raises(KeyError, match="mine"):
        for _ in run:
            raise KeyError("mine")
    ended(run, transport, shelf)


def test_ctrl_c_while_the_caller_waits_ends_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """As an early break does; what was fetched is kept."""
    transport, shelf = Scripted(slowly), Shelf()
    run = scrapers(transport).run(accounts(5000), to=shelf)
    outcomes = iter(run)
    next(outcomes)

    def interrupted(_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(running._Threaded, "_next", interrupted)
        with pytest.raises(KeyboardInterrupt):
            next(outcomes)
    ended(run, transport, shelf)


def test_what_the_run_raises_is_raised_in_the_caller() -> None:
    """The thread has ended then."""

    def broken() -> Iterator[object]:
        raise LookupError("no such list")
        yield

    shelf = Shelf()
    run = scrapers(Scripted()).run(broken(), to=shelf)  # type: ignore[arg-type]
    with pytest.raises(LookupError, match="no such list"):
        list(run)
    assert shelf.closed
    assert threads() == []


def test_the_context_of_the_caller_is_that_of_the_requests() -> None:
    """Tracing and logging find what the caller set."""
    found = set()

    async def answer(url: str, whom: list[str]) -> Reply:
        found.add(WHO.get())
        return await well(url, whom)

    token = WHO.set("the caller")
    try:
        list(scrapers(Scripted(answer)).run(accounts(2)))
    finally:
        WHO.reset(token)
    assert found == {"the caller"}


def test_a_place_is_opened_off_the_event_loop_when_the_iteration_begins(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A run that nobody iterates over opens nothing; the other one closes it."""
    opened: list[tuple[object, str, Shelf]] = []

    def open_sink(to: object) -> Shelf:
        shelf = Shelf()
        opened.append((to, threading.current_thread().name, shelf))
        return shelf

    monkeypatch.setattr("hhs_perf.scrapers.storage.opening.open_sink", open_sink)
    held = scrapers(Scripted())
    held.run(accounts(1), to=tmp_path / "never.jsonl")
    run = held.run(accounts(2), to=str(tmp_path / "figures.jsonl"))
    assert opened == []
    assert len(list(run)) == 2
    [(place, name, shelf)] = opened
    assert place == str(tmp_path / "figures.jsonl")
    assert name not in ("MainThread", "hhs_perf-scrape")
    assert shelf.closed
    assert len(shelf.held) == 2


def test_a_place_that_cannot_be_used_raises_from_the_iteration(tmp_path: Path) -> None:
    """Nobody has been asked then."""
    transport = Scripted()
    run = scrapers(transport).run(accounts(2), to=tmp_path / "figures.xlsx")
    with pytest.raises(ConfigurationError, match="xlsx"):
        next(iter(run))
    assert transport.asked == []


def test_locks_are_renewed_after_a_fork() -> None:
    """Another thread may have held them, which the child has not."""
    held = scrapers(Scripted())
    factory = factory_of("aiohttp").__self__  # type: ignore[attr-defined]
    for each in (held, factory):
        assert each in _fork._AWARE
        assert each._lock.acquire(blocking=False)
        each.after_fork_in_child()
        assert each._lock.acquire(blocking=False)

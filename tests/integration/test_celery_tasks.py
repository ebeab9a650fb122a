"""What the tasks do, called as Celery calls them: against fake platforms and a real Valkey."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from kombu.exceptions import OperationalError

from hhs_perf import Monitor
from hhs_perf.adapters._celery_report import GatheredRun
from hhs_perf.adapters._celery_work import Options, Work
from hhs_perf.adapters.celery import read_run
from hhs_perf.exceptions import StorageError
from hhs_perf.scrapers import Account
from hhs_perf.scrapers.platforms import bundled
from hhs_perf.scrapers.storage.opening import open_sink
from hhs_perf.scrapers.testing import FakeServer, Fault


class Again(Exception):  # noqa: N818 - it is no error
    """The task is to be done again: with other arguments, in so many seconds."""

    def __init__(self, options: dict[str, Any]) -> None:
        self.kwargs = options.get("kwargs", {})
        self.countdown = options["countdown"]


class Message:
    """A task bound to a message, as far as ours look at it."""

    def __init__(self, name: str, *, redelivered: bool = False, **kwargs: Any) -> None:
        self.request = SimpleNamespace(
            id=name, retries=0, kwargs=kwargs, delivery_info={"redelivered": redelivered}
        )

    def retry(self, **options: Any) -> Exception:
        raise Again(options)


class Host:
    """A Celery application whose tasks are done here, one after the other."""

    def __init__(self, monitor: Monitor, **options: Any) -> None:
        self.monitor = monitor
        self.sent: list[dict[str, Any]] = []
        usual = {"to": None, "accounts": None, "chunk_size": 50, "chunk_timeout": 20.0}
        queue = SimpleNamespace(apply_async=lambda **held: self.sent.append(held["kwargs"]))
        self.work = Work(
            SimpleNamespace(tasks={"hhs_perf.scrape_chunk": queue}),
            monitor,
            Options(**{**usual, "max_wait": 60.0, **options}),
        )

    def deal(self, run: str, accounts: list[Account] | None = None, **wanted: Any) -> None:
        if accounts is not None:
            wanted["accounts"] = [{"platform": a.platform, "handle": a.handle} for a in accounts]
        self.work.deal(Message(run), **wanted)

    def fetch(self, *, redelivered: bool = False, **kwargs: Any) -> Again | None:
        """Do one task; gives how it is to be done again."""
        try:
            self.work.fetch(Message("chunk", redelivered=redelivered, **kwargs), **kwargs)
        except Again as again:
            return again
        return None

    def run(self, name: str, accounts: list[Account] | None = None, **wanted: Any) -> GatheredRun:
        self.deal(name, accounts, **wanted)
        while self.sent:
            again = self.fetch(**self.sent.pop(0))
            if again is not None:
                self.sent.append(again.kwargs)
        return read_run(self.monitor, name)


@pytest.fixture
def server() -> Iterator[FakeServer]:
    with FakeServer() as running:
        yield running


@pytest.fixture
def host(
    server: FakeServer, valkey_url: str, namespace: str, tmp_path: Path
) -> Iterator[Callable[..., Host]]:
    """Make hosts with a database of their own."""
    monitors: list[Monitor] = []

    def make(environ: dict[str, str] | None = None, **options: Any) -> Host:
        held = {
            "REDIS_URL": valkey_url,
            "HHS_PERF_NAMESPACE": namespace,
            "DATABASE_URL": f"sqlite:///{tmp_path}/figures.db",
            "HHS_PERF_SCRAPE_INTERVAL": "0",
            **server.environment(bundled()),
            **(environ or {}),
        }
        monitors.append(Monitor.from_env(held))
        return Host(monitors[-1], **options)

    yield make
    for each in monitors:
        each.close()


def accounts(platform: str, count: int) -> list[Account]:
    return [Account(platform=platform, handle=f"a{n}") for n in range(count)]


def kept(tmp_path: Path) -> list[tuple[str, int]]:
    with sqlite3.connect(tmp_path / "figures.db") as connection:
        found = connection.execute(
            "SELECT handle, count(*) FROM fact_followers_snapshot"
            " JOIN dim_account USING (account_key) GROUP BY platform, handle ORDER BY handle"
        ).fetchall()
    connection.close()
    return found


def test_a_run_is_gathered_from_its_tasks(
    host: Callable[..., Host], server: FakeServer, tmp_path: Path
) -> None:
    server.world.mark("instagram", "a3", "unknown")
    listed = [*accounts("Instagram", 25), *accounts("X", 10)]
    found = host(chunk_size=10).run("one", listed)
    assert (found.chunks, found.chunks_done, found.is_finished) == (4, 4, True)
    assert (found.succeeded, found.failed, found.requests) == (34, 1, 26)
    shares = {each.platform: each for each in found.platforms}
    assert shares["x"].cost == pytest.approx(0.10)
    assert shares["instagram"].failed == {"not_found": 1}
    [missed] = found.missed
    assert (missed.account, missed.why) == ("Instagram a3", "not_found")
    assert not found.is_complete
    assert found.success_rate == pytest.approx(34 / 35)
    assert {times for _, times in kept(tmp_path)} == {1}


def test_without_a_list_the_accounts_are_those_of_the_database(
    host: Callable[..., Host], server: FakeServer
) -> None:
    first = host()
    assert first.run("one", accounts("Bluesky", 3)).is_complete
    again = first.run("two")
    assert (again.succeeded, again.is_complete) == (3, True)
    done = first.run("three", resume=True)
    assert (done.chunks, done.skipped, done.is_complete) == (0, {"already_done": 3}, True)
    told = host(accounts=lambda: accounts("Bluesky", 1)).run("four")
    assert told.succeeded == 1


def test_ids_that_are_known_travel_with_the_accounts(
    host: Callable[..., Host], server: FakeServer
) -> None:
    linkedin = [Account(platform="LinkedIn", handle="hhs")]
    first = host()
    first.run("one", linkedin)
    asked = len(server.arrived("linkedin"))
    first.run("two", linkedin)
    assert len(server.arrived("linkedin")) == asked + 1


def test_what_cannot_be_asked_is_told_with_its_reason(
    host: Callable[..., Host], server: FakeServer
) -> None:
    held = host({"HHS_PERF_X_TOKEN": ""})
    found = held.run("one", [*accounts("X", 2), Account(platform="MySpace", handle="tom")])
    assert found.skipped == {"no_credentials": 2, "unresolvable": 1}
    assert {each.why for each in found.missed} == {"no_credentials", "unresolvable"}
    assert (found.chunks, found.is_finished, found.is_complete) == (0, True, False)


def test_the_budget_is_that_of_all_runs_of_the_day(
    host: Callable[..., Host], server: FakeServer
) -> None:
    budget = {"HHS_PERF_X_BUDGET": "0.05"}
    assert host(budget).run("one", accounts("X", 3)).succeeded == 3
    # Another process, which has spent nothing itself.
    second = host(budget).run("two", [Account(platform="X", handle=f"b{n}") for n in range(4)])
    assert (second.succeeded, second.skipped) == (2, {"budget": 2})


def test_a_run_that_is_dealt_twice_costs_its_budget_once(
    host: Callable[..., Host], server: FakeServer
) -> None:
    budget = {"HHS_PERF_X_BUDGET": "0.05"}
    held = host(budget)
    held.deal("one", accounts("X", 4))
    held.deal("one", accounts("X", 4))
    assert [len(each["rows"]) for each in held.sent] == [4]
    assert host(budget).run("two", [Account(platform="X", handle="b")]).succeeded == 1


def refusing(held: Host, *, after: int, keeps: bool) -> list[dict[str, Any]]:
    """Have a host's broker refuse one message, after it kept it or not; gives what it holds."""
    stored, left = [], [after]

    def apply_async(**sent: Any) -> None:
        left[0] -= 1
        if left[0] != -1 or keeps:
            stored.append(sent["kwargs"])
        if left[0] == -1:
            raise OperationalError("connection refused")

    held.work._app.tasks["hhs_perf.scrape_chunk"].apply_async = apply_async
    return stored


@pytest.mark.parametrize("keeps", [False, True], ids=["lost", "kept"])
def test_a_broker_that_goes_while_accounts_are_dealt_loses_none_and_asks_for_none_twice(
    host: Callable[..., Host], server: FakeServer, tmp_path: Path, *, keeps: bool
) -> None:
    """Also where a message was kept, and only the word of it was lost, so that it is sent twice."""
    listed = accounts("Instagram", 12)
    held = host(chunk_size=3)
    stored = refusing(held, after=2, keeps=keeps)
    with pytest.raises(Again) as again:
        held.deal("one", listed)
    assert 15 <= again.value.countdown <= 30
    # Some of it is done before the dealing goes on, which would now list other accounts.
    for message in stored[:2]:
        assert held.fetch(**message) is None
    held.deal("one", listed, resume=True)
    assert sorted({each["number"] for each in stored}) == [0, 1, 2, 3]
    assert len(stored) == (5 if keeps else 4)
    for message in stored[2:]:
        assert held.fetch(**message) is None
    found = read_run(held.monitor, "one")
    assert (found.chunks, found.succeeded, found.requests) == (4, 12, 12)
    assert found.is_complete
    assert len(server.arrivals) == 12
    assert kept(tmp_path) == sorted((f"a{n}", 1) for n in range(12))


def test_what_a_platform_refuses_for_now_is_sent_again_for_later(
    host: Callable[..., Host], server: FakeServer, tmp_path: Path
) -> None:
    server.world.arm(Fault(kind="retry_after", platform="instagram", skip=4, times=1, wait=70))
    held = host({"HHS_PERF_SCRAPE_WORKERS": "1"})
    held.deal("one", accounts("Instagram", 10))
    again = held.fetch(**held.sent.pop())
    assert again is not None
    assert 60 < again.countdown <= 70
    assert len(again.kwargs["rows"]) == 6
    assert not read_run(held.monitor, "one").is_finished
    # Later, and elsewhere: the pause is over.
    server.world.heal()
    fresh = host({"HHS_PERF_NAMESPACE": "elsewhere"})
    fresh.work._board = held.work._board
    assert fresh.fetch(**again.kwargs) is None
    found = read_run(held.monitor, "one")
    assert (found.succeeded, found.failed, found.is_complete) == (10, 0, True)
    assert found.requests == 11
    assert len(kept(tmp_path)) == 10


def test_failures_that_may_pass_are_tried_again_a_few_times_only(
    host: Callable[..., Host], server: FakeServer
) -> None:
    server.world.arm(Fault(kind="server", platform="bluesky"))
    held = host({"HHS_PERF_SCRAPE_ATTEMPTS": "1"})
    held.deal("one", accounts("Bluesky", 1))
    countdowns = []
    again = held.fetch(**held.sent.pop())
    while again is not None:
        countdowns.append(again.countdown)
        again = held.fetch(**again.kwargs)
    assert len(countdowns) == 3
    assert all(15 * 2**n <= each <= 30 * 2**n for n, each in enumerate(countdowns))
    found = read_run(held.monitor, "one")
    assert (found.failed, found.requests) == (1, 4)


def test_a_task_that_takes_too_long_hands_on_the_rest(
    host: Callable[..., Host], server: FakeServer, tmp_path: Path
) -> None:
    server.latency = 0.05
    held = host({"HHS_PERF_SCRAPE_WORKERS": "1"}, chunk_timeout=0.5)
    held.deal("one", accounts("Instagram", 20))
    again = held.fetch(**held.sent.pop())
    assert again is not None
    assert again.kwargs["resume"]
    assert 5 <= len(again.kwargs["rows"]) < 20
    server.latency = 0.0
    assert held.fetch(**again.kwargs) is None
    found = read_run(held.monitor, "one")
    assert found.succeeded + found.skipped.get("already_done", 0) == 20
    assert kept(tmp_path) == sorted((f"a{n}", 1) for n in range(20))


def test_a_task_that_comes_twice_asks_for_nothing_twice(
    host: Callable[..., Host], server: FakeServer
) -> None:
    held = host()
    held.deal("one", accounts("Instagram", 3))
    [message] = held.sent
    assert held.fetch(**message) is None
    assert held.fetch(redelivered=True, **message) is None
    assert len(server.arrivals) == 3
    # Its worker died before it could tell: what was kept is not asked for again.
    held.deal("two", accounts("Instagram", 4))
    assert held.fetch(redelivered=True, **held.sent[-1]) is None
    assert len(server.arrivals) == 4
    assert read_run(held.monitor, "two").skipped == {"already_done": 3}


def test_a_task_that_kills_its_workers_is_given_up(
    host: Callable[..., Host], server: FakeServer
) -> None:
    held = host()
    held.deal("one", accounts("Bluesky", 2))
    [message] = held.sent
    for _ in range(4):
        assert held.work._board.deliver_again("one", 0)
    assert held.fetch(redelivered=True, **message) is None
    found = read_run(held.monitor, "one")
    assert (found.lost, found.is_finished, found.is_complete) == (2, True, False)
    assert {each.why for each in found.missed} == {"lost"}
    assert server.arrivals == []


def test_a_database_that_is_away_loses_no_account(
    host: Callable[..., Host], server: FakeServer, tmp_path: Path
) -> None:
    held = host()
    held.deal("one", accounts("Bluesky", 2))
    calls = []

    def sink() -> Any:
        calls.append(1)
        if len(calls) == 1:
            raise StorageError("no connection")
        return open_sink(f"sqlite:///{tmp_path}/figures.db")

    flaky = host(to=sink)
    again = flaky.fetch(**held.sent.pop())
    assert again is not None
    assert flaky.fetch(**again.kwargs) is None
    assert read_run(held.monitor, "one").is_complete
    assert len(kept(tmp_path)) == 2


def test_a_fault_of_ours_is_told_in_the_end_and_ends_the_run(
    host: Callable[..., Host], server: FakeServer
) -> None:
    held = host()
    held.deal("one", accounts("Bluesky", 2))

    def broken() -> Any:
        raise ZeroDivisionError

    faulty = host(to=broken)
    again, tries = faulty.fetch(**held.sent.pop()), 0
    while again is not None:
        again, tries = faulty.fetch(**again.kwargs), tries + 1
    found = read_run(held.monitor, "one")
    assert (tries, found.lost, found.is_finished) == (3, 2, True)


def test_nothing_is_known_of_a_run_that_has_not_begun(host: Callable[..., Host]) -> None:
    with pytest.raises(LookupError, match="nothing is known"):
        read_run(host().monitor, "none")


def test_no_secret_and_no_address_of_a_database_is_in_what_travels(
    host: Callable[..., Host], server: FakeServer
) -> None:
    held = host()
    held.deal("one", accounts("X", 2))
    text = repr(held.sent)
    assert "sqlite" not in text
    assert "0123456789" not in text

"""Outcomes on their way to a sink: in batches, soon, and never lost."""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING

import pytest

from hhs_perf.exceptions import StorageError
from hhs_perf.scrapers.engine import writing
from tests.scripted_platforms import Scripted, accounts, platform, resolver, scrapers

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date
    from pathlib import Path

    from hhs_perf.scrapers import AccountKey, Outcome


class Shelf:
    """A sink in memory that refuses the first `refusals` batches."""

    def __init__(self, refusals: int = 0) -> None:
        self.refusals = refusals
        self.held: dict[str, int | None] = {}
        self.batches: list[int] = []
        self.threads: set[int] = set()
        self.ids: dict[AccountKey, str] = {}
        self.done: set[AccountKey] = set()
        self.closed = 0

    def account_ids(self) -> Mapping[AccountKey, str]:
        self.threads.add(threading.get_ident())
        return self.ids

    def done_on(self, day: date) -> set[AccountKey]:
        return self.done

    def write(self, outcomes: Sequence[Outcome]) -> None:
        self.threads.add(threading.get_ident())
        if self.refusals:
            self.refusals -= 1
            raise StorageError("database is locked")
        self.batches.append(len(outcomes))
        for each in outcomes:
            if each.snapshot is not None:
                self.held[each.snapshot.handle] = each.snapshot.figure("followers_count").value
            if each.account_id is not None and each.handle is not None:
                self.ids["plain", each.handle] = each.account_id

    def close(self) -> None:
        self.threads.add(threading.get_ident())
        self.closed += 1


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writing, "_FIRST_PAUSE", 0.001)


def test_all_snapshots_are_kept_in_batches_on_one_thread() -> None:
    """The sink is closed in the end."""
    shelf = Shelf()
    report = scrapers(Scripted()).scrape(accounts(450), to=shelf)
    assert report.written == len(shelf.held) == 450
    assert max(shelf.batches) == 200
    assert len(shelf.threads) == 1
    assert threading.get_ident() not in shelf.threads
    assert shelf.closed == 1


def test_what_a_sink_refuses_is_tried_again(caplog: pytest.LogCaptureFixture) -> None:
    """Nothing is lost, nothing is written elsewhere, and it is told once."""
    shelf = Shelf(refusals=4)
    report = scrapers(Scripted()).scrape(accounts(30), to=shelf)
    assert len(shelf.held) == report.written == 30
    assert (report.unsaved, report.spilled_to, report.storage_error) == (0, None, None)
    assert [each.message for each in caplog.records].count(
        "snapshots could not be written, trying again: database is locked"
    ) == 1


def test_what_a_sink_never_takes_goes_to_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The report names it, and each snapshot is in it."""
    monkeypatch.chdir(tmp_path)
    report = scrapers(Scripted()).scrape(accounts(250), to=Shelf(refusals=1000))
    assert (report.written, report.unsaved) == (0, 250)
    assert report.storage_error == "database is locked"
    assert not report.is_complete
    assert report.spilled_to is not None
    assert report.spilled_to.stat().st_mode & 0o077 == 0
    rows = [json.loads(line) for line in report.spilled_to.read_text().splitlines()]
    assert len({row["handle"] for row in rows}) == 250


def test_a_sink_that_comes_back_gets_the_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it refused before is in the file, what follows is kept: nothing is missing."""
    monkeypatch.chdir(tmp_path)
    shelf = Shelf(refusals=6)
    report = scrapers(Scripted()).scrape(accounts(900), to=shelf)
    assert report.unsaved == 200
    assert report.written == len(shelf.held) == 700


def test_ids_that_were_found_out_are_used_in_the_next_run() -> None:
    """Also those of accounts whose figures could not be had."""
    shelf = Shelf()
    transport = Scripted()
    held = scrapers(transport, platform(batch=10, resolve=resolver()))
    held.scrape(accounts(5), to=shelf)
    assert len(transport.asked) == 6
    held.scrape(accounts(5), to=shelf)
    assert len(transport.asked) == 7


def test_a_run_that_resumes_asks_for_the_rest() -> None:
    """Accounts with a snapshot of today are skipped, and that is no flaw of the run."""
    shelf = Shelf()
    shelf.done = {("plain", "plain-0"), ("plain", "plain-2")}
    transport = Scripted()
    report = scrapers(transport).scrape(accounts(4), to=shelf, resume=True)
    assert transport.requests() == [("plain-1",), ("plain-3",)]
    assert report.skipped == {"already_done": 2}
    assert report.is_complete


def test_what_was_fetched_is_kept_when_the_run_is_stopped() -> None:
    """Also what nobody had asked for yet."""
    shelf = Shelf()
    run = scrapers(Scripted()).run(accounts(300), to=shelf)
    seen = set()
    for outcome in run:
        seen.add(outcome.handle)
        if len(seen) == 10:
            break
    assert seen <= shelf.held.keys()
    assert run.report.written == len(shelf.held) == run.report.succeeded
    assert shelf.closed == 1

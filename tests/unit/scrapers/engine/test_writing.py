"""Outcomes on their way to a sink: in batches, soon, and never lost."""

from __future__ import annotations

import json
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from hhs_perf.exceptions import StorageError
from hhs_perf.scrapers.engine import writing
from hhs_perf.scrapers.storage.files import JsonLinesSink
from tests.scripted_platforms import Scripted, Shelf, accounts, platform, resolver, scrapers

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hhs_perf.scrapers import Outcome, RunReport


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


def test_a_batch_is_tried_for_so_long_and_no_longer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(writing, "_LONGEST", 0.0)
    shelf = Shelf(refusals=1000)
    report = scrapers(Scripted()).scrape(accounts(30), to=shelf)
    assert (report.unsaved, shelf.refused) == (30, 1)


def test_an_error_that_cannot_pass_is_not_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    shelf = Shelf(refusals=1000)
    shelf.cause = PermissionError(13, "Permission denied")
    report = scrapers(Scripted()).scrape(accounts(30), to=shelf)
    assert (report.unsaved, shelf.refused) == (30, 1)


def test_nothing_is_waited_for_after_the_last_attempt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(writing, "_ATTEMPTS", 1)
    monkeypatch.setattr(writing, "_LONGEST", 1000.0)
    monkeypatch.setattr(writing, "_FIRST_PAUSE", 20.0)
    begin = time.monotonic()
    report = scrapers(Scripted()).scrape(accounts(30), to=Shelf(refusals=1000))
    assert report.unsaved == 30
    assert time.monotonic() - begin < 8


def spilled(folder: Path, count: int = 30) -> RunReport:
    """Run into a storage that takes nothing."""
    held = scrapers(Scripted())
    held._spill_in = folder
    return held.scrape(accounts(count), to=Shelf(refusals=1000))


def handles_in(path: Path | None) -> int:
    assert path is not None
    assert path.stat().st_mode & 0o777 == 0o600
    return len({json.loads(line)["handle"] for line in path.read_text().splitlines()})


def test_the_folder_of_what_is_unsaved_is_made(tmp_path: Path) -> None:
    """With those above it."""
    report = spilled(tmp_path / "state" / "dir")
    assert report.spilled_to is not None
    assert report.spilled_to.parent == tmp_path / "state" / "dir"
    assert handles_in(report.spilled_to) == report.unsaved == 30


def test_the_current_folder_takes_what_that_folder_cannot(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The report says where, and what the storage said, not what the folder did."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()
    report = spilled(tmp_path / "file" / "dir")
    assert report.spilled_to is not None
    assert report.spilled_to.parent == tmp_path
    assert handles_in(report.spilled_to) == report.unsaved == 30
    assert report.storage_error == "database is locked"


def test_a_temporary_folder_is_the_last_resort(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody else can look into it."""
    gone = tmp_path / "gone"
    gone.mkdir()
    (tmp_path / "temporary").mkdir()
    (tmp_path / "file").touch()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    monkeypatch.chdir(gone)
    gone.rmdir()
    report = spilled(tmp_path / "file" / "dir")
    monkeypatch.chdir(tmp_path)
    assert report.spilled_to is not None
    assert report.spilled_to.parent.parent == tmp_path / "temporary"
    assert report.spilled_to.parent.stat().st_mode & 0o777 == 0o700
    assert handles_in(report.spilled_to) == report.unsaved == 30
    assert report.storage_error == "database is locked"


def test_what_could_be_kept_nowhere_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After what the storage said first."""

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("hhs_perf.scrapers.storage.files._write_whole", full)
    report = spilled(tmp_path)
    assert (report.unsaved, report.spilled_to) == (30, None)
    assert report.storage_error is not None
    assert report.storage_error.startswith("database is locked; not kept in a file either: ")
    assert "No space left on device" in report.storage_error
    assert not list(tmp_path.glob("hhs-perf-unsaved-*"))


def test_a_file_that_takes_no_more_is_followed_by_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The report names both."""
    monkeypatch.chdir(tmp_path)
    write = JsonLinesSink.write

    def once(sink: JsonLinesSink, outcomes: Sequence[Outcome]) -> None:
        if sink.account_ids() or sink.path.stat().st_size:
            raise StorageError("quota")
        write(sink, outcomes)

    monkeypatch.setattr(JsonLinesSink, "write", once)
    report = spilled(tmp_path, 350)
    first, second = sorted(tmp_path.glob("hhs-perf-unsaved-*"))
    assert report.spilled_to == first
    assert report.storage_error == f"database is locked; more of them are in {second}"
    assert handles_in(first) + handles_in(second) == report.unsaved == 350


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

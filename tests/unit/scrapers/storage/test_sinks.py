"""One contract for whatever keeps snapshots: SQLite, JSON Lines and CSV."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import attrs
import pytest

from hhs_perf.exceptions import ConfigurationError, StorageError
from hhs_perf.scrapers import (
    Account,
    Failure,
    Figure,
    Outcome,
    Snapshot,
    open_sink,
    queries,
    recover,
)
from hhs_perf.scrapers.storage.files import FileSink
from hhs_perf.scrapers.storage.sql import SqlSink
from hhs_perf.scrapers.values import HIDDEN

DAY = date(2023, 11, 15)
NOON = 1_700_049_600.0
HOSTILE = '=HYPERLINK("x")\r\n\u202e\ud800 \0 \'; DROP TABLE dim_account; --'
KINDS = ("a.db", "a.jsonl", "a.csv")

Stored = dict[str, dict[str, Figure]]


def outcome(handle: str = "hhsgov", at: float = NOON, **figures: Figure) -> Outcome:
    account = Account(platform="X", url=f"https://x.com/{handle}", organization="HHS")
    snapshot = Snapshot(
        account=account,
        platform="x",
        handle=handle,
        account_id=f"id-{handle}",
        display_name="HHS",
        taken_at=at,
        figures=figures or {"followers_count": Figure.ok(12)},
    )
    return Outcome(
        account=account, platform="x", handle=handle, status="success", snapshot=snapshot, at=at
    )


def failure(handle: str = "hhsgov", account_id: str | None = None) -> Outcome:
    return Outcome(
        account=Account(url=f"https://x.com/{handle}"),
        platform="x",
        handle=handle,
        status="failure",
        failure=Failure(kind="network", detail="refused"),
        account_id=account_id,
        at=NOON,
    )


@pytest.fixture(params=KINDS)
def path(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return tmp_path / request.param


def figures_in(path: Path) -> Stored:
    """What stands there of all accounts, read anew."""
    sink = open_sink(path)
    try:
        if isinstance(sink, FileSink):
            return {row.handle: dict(row.figures) for row in sink.rows() if row.day is not None}
        assert isinstance(sink, SqlSink)
        keys = range(1, 1 + len(sink.account_ids()))
        found = [queries.history(sink.engine, key) for key in keys]
        return {
            each.account.handle: dict(each.days[0].figures) for each in found if each and each.days
        }
    finally:
        sink.close()


def write(path: Path, *batches: list[Outcome]) -> None:
    sink = open_sink(path)
    for batch in batches:
        sink.write(batch)
    sink.close()


def test_snapshots_are_there_again_after_a_close(path: Path) -> None:
    figures = {
        "followers_count": Figure.ok(2**63 - 1),
        "likes_count": HIDDEN,
        "posts_count": Figure.ok(0),
        "video_views": Figure.rounded(1_200_000, 100_000),
    }
    write(path, [outcome(**figures)])
    assert figures_in(path) == {"hhsgov": figures}


def test_ids_and_days_are_told_to_the_next_run(path: Path) -> None:
    write(path, [outcome("a"), outcome("b", at=NOON - 86_400)])
    sink = open_sink(path)
    assert dict(sink.account_ids()) == {("x", "a"): "id-a", ("x", "b"): "id-b"}
    assert sink.done_on(DAY) == {("x", "a")}
    assert sink.done_on(date(2023, 11, 14)) == {("x", "b")}
    assert sink.done_on(date(2023, 11, 13)) == set()
    sink.close()


def test_a_day_has_one_snapshot_of_an_account(path: Path) -> None:
    again = outcome(at=NOON + 60, followers_count=Figure.ok(13))
    write(path, [outcome(), outcome()], [again], [again])
    assert figures_in(path) == {"hhsgov": {"followers_count": Figure.ok(13)}}
    if path.suffix != ".db":
        assert path.read_text().count("hhsgov,id") + path.read_text().count('"hhsgov"') == 1


def test_a_figure_is_replaced_only_by_one_that_has_a_value(path: Path) -> None:
    first = outcome(followers_count=Figure.rounded(1000, 100), posts_count=Figure.ok(5))
    second = outcome(
        at=NOON + 60, followers_count=Figure.ok(1012), posts_count=HIDDEN, likes_count=HIDDEN
    )
    write(path, [first], [second])
    assert figures_in(path)["hhsgov"] == {
        "followers_count": Figure.ok(1012),
        "posts_count": Figure.ok(5),
        "likes_count": HIDDEN,
    }


def test_what_was_taken_earlier_fills_gaps_alone(path: Path) -> None:
    """As when a file of what could not be written is recovered after the next run."""
    late = outcome(at=NOON - 60, followers_count=Figure.rounded(900, 100), posts_count=Figure.ok(5))
    write(path, [outcome()], [late])
    assert figures_in(path)["hhsgov"] == {
        "followers_count": Figure.ok(12),
        "posts_count": Figure.ok(5),
    }


def test_a_failure_replaces_no_snapshot(path: Path) -> None:
    write(path, [outcome()], [failure(), failure("other")])
    assert figures_in(path) == {"hhsgov": {"followers_count": Figure.ok(12)}}


def test_the_id_of_a_failed_account_is_kept(path: Path) -> None:
    write(path, [failure("gone", "77")], [failure("gone", "77")])
    sink = open_sink(path)
    assert dict(sink.account_ids()) == {("x", "gone"): "77"}
    assert sink.done_on(DAY) == set()
    sink.close()


def test_hostile_text_stays_text(path: Path) -> None:
    held = outcome()
    account = attrs.evolve(held.account, organization=HOSTILE)
    snapshot = attrs.evolve(held.snapshot, account=account, display_name=HOSTILE * 100)
    write(path, [attrs.evolve(held, account=account, snapshot=snapshot)])
    sink = open_sink(path)
    if isinstance(sink, FileSink):
        [row] = sink.rows()
        names = row.display_name, row.organization
    else:
        assert isinstance(sink, SqlSink)
        found = queries.history(sink.engine, 1)
        assert found is not None
        names = found.account.display_name, found.account.organization
    sink.close()
    clean = HOSTILE.replace("\0", "\ufffd").replace("\ud800", "?")
    assert names == ((clean * 100)[: len(names[0])], clean)
    assert len(names[0]) == 1000
    if path.suffix == ".csv":
        cells = path.read_bytes().decode().split(",")
        assert not [cell for cell in cells if cell.lstrip('"').startswith("=")]


def test_nothing_is_written_of_an_empty_batch(path: Path) -> None:
    write(path, [])
    assert figures_in(path) == {}


@pytest.mark.parametrize("name", ["a.txt", "a", "nodb://x"])
def test_where_snapshots_cannot_go_is_said(name: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError):
        open_sink(name if "://" in name else tmp_path / name)


@pytest.mark.parametrize("kind", KINDS)
def test_a_folder_that_is_not_there_is_a_storage_error(kind: str, tmp_path: Path) -> None:
    with pytest.raises(StorageError):
        open_sink(tmp_path / "none" / kind)


@pytest.mark.parametrize("kind", ["a.jsonl", "a.csv"])
@pytest.mark.parametrize("cut", [1, 30, 70])
def test_a_line_cut_by_a_kill_is_dropped(kind: str, cut: int, tmp_path: Path) -> None:
    path = tmp_path / kind
    write(path, [outcome("a"), outcome("b")])
    path.write_bytes(path.read_bytes()[:-cut])
    sink = open_sink(path)
    assert sink.done_on(DAY) == {("x", "a")}
    sink.write([outcome("c")])
    sink.close()
    assert set(figures_in(path)) == {"a", "c"}


@pytest.mark.parametrize("kind", ["a.jsonl", "a.csv"])
def test_a_file_of_something_else_is_left_alone(kind: str, tmp_path: Path) -> None:
    path = tmp_path / kind
    path.write_text("organization,url\nHHS,https://x.com/HHSGov\n")
    with pytest.raises(StorageError, match=r"a\."):
        open_sink(path)
    assert path.read_text() == "organization,url\nHHS,https://x.com/HHSGov\n"


@pytest.mark.parametrize("kind", ["a.jsonl", "a.csv"])
def test_one_run_at_a_time_writes_a_file(kind: str, tmp_path: Path) -> None:
    sink = open_sink(tmp_path / kind)
    with pytest.raises(StorageError, match="another run"):
        open_sink(tmp_path / kind)
    sink.close()


@pytest.mark.parametrize("kind", ["a.jsonl", "a.csv"])
def test_a_full_disk_leaves_the_file_as_it_was(kind: str, tmp_path: Path) -> None:
    path = tmp_path / kind
    write(path, [outcome("a")])
    before = path.read_bytes()
    sink = open_sink(path)
    assert isinstance(sink, FileSink)
    sink._file = Full(sink._file)
    with pytest.raises(StorageError, match="No space left"):
        sink.write([outcome("b"), outcome("c")])
    assert path.read_bytes() == before
    sink.close()


class Full:
    """A file that takes ten bytes, as disks do when they fill up."""

    def __init__(self, file) -> None:
        self._file = file
        self._left = 10

    def __getattr__(self, name: str) -> object:
        return getattr(self._file, name)

    def write(self, data: bytes) -> int:
        if not self._left:
            raise OSError(28, "No space left on device")
        written, self._left = self._file.write(data[: self._left]), 0
        return written


def test_what_could_not_be_written_is_recovered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spilled = tmp_path / "unsaved.jsonl"
    write(spilled, [outcome("a"), failure("gone", "77")], [outcome("b")])
    sink = open_sink(tmp_path / "a.db")

    def refuse(_: object) -> None:
        raise StorageError("away")

    with monkeypatch.context() as away:
        away.setattr(sink, "write", refuse)
        with pytest.raises(StorageError):
            recover(spilled, sink)
    assert recover(spilled, sink) == 2
    assert not spilled.exists()
    sink.close()
    assert set(figures_in(tmp_path / "a.db")) == {"a", "b"}

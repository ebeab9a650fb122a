"""How a run tells how far it is."""

from __future__ import annotations

import io
import sys

import attrs
import pytest

from hhs_perf.cli._scrape_progress import shown_progress
from hhs_perf.scrapers import Account, Failure, Outcome
from hhs_perf.testing import FakeClock

TITLES = {"x": "X", "flickr": "Flickr"}


@attrs.frozen
class _Run:
    expected: dict[str, int]


def _outcome(platform: str, **held: object) -> Outcome:
    account = Account(platform="X", handle="a")
    held.setdefault("status", "success")
    return Outcome(account=account, platform=platform or None, handle="a", **held)


FAILED = {"status": "failure", "failure": Failure(kind="server", detail="HTTP 500")}


def test_without_a_terminal_there_is_a_line_for_each_platform_that_is_done(
    clock: FakeClock, capsys: pytest.CaptureFixture[str]
) -> None:
    with shown_progress(_Run({"x": 2, "flickr": 1}), TITLES, clock) as took:
        took(_outcome("x"))
        took(_outcome("flickr", **FAILED))
        took(_outcome("x", status="skipped", skipped="not_selected"))
        took(_outcome("x", status="skipped", skipped="budget"))
    shown, told = capsys.readouterr()
    assert shown == ""
    assert told == "Flickr: done, 1 without a snapshot\nX: done, 1 without a snapshot\n"


def test_without_a_terminal_there_is_a_line_now_and_then(
    clock: FakeClock, capsys: pytest.CaptureFixture[str]
) -> None:
    with shown_progress(_Run({"x": 1000}), TITLES, clock) as took:
        for _ in range(50):
            took(_outcome("x"))
            clock.advance(1.0)
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 4
    assert lines[0] == "11 of 1,000 accounts"


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_on_a_terminal_there_is_a_bar_for_each_platform(
    clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    screen = _Terminal()
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setenv("TERM", "xterm")
    with shown_progress(_Run({"x": 2, "flickr": 1}), TITLES, clock) as took:
        took(_outcome("x"))
        took(_outcome("flickr", **FAILED))
        took(_outcome("", status="skipped", skipped="unresolvable"))
    shown = screen.getvalue()
    for words in ("X", "Flickr", "1/2", "1/1", "1 without"):
        assert words in shown

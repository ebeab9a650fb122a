"""What becomes of errors: a line on stderr and an exit status."""

from __future__ import annotations

import logging
import re

import pytest

from hhs_perf.cli import _commands, main


def test_a_fault_of_ours_is_one_line_without_its_text(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object, **__: object) -> bytes:
        raise RuntimeError("token s3cret")

    monkeypatch.setattr(_commands, "fetch", fail)
    assert main(["status", "localhost"]) == 70
    complaints = capsys.readouterr().err
    assert re.fullmatch(
        r"hhs-perf: internal error: RuntimeError \(test_run.py:\d+\) "
        r"\(hhs-perf --debug COMMAND shows more\)\n",
        complaints,
    )


def test_debug_shows_the_traceback_and_obeys_nothing_in_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object, **__: object) -> bytes:
        raise RuntimeError("red \x1b[31m")

    monkeypatch.setattr(_commands, "fetch", fail)
    assert main(["--debug", "status", "localhost"]) == 70
    complaints = capsys.readouterr().err
    assert "Traceback (most recent call last):\n" in complaints
    assert "RuntimeError: red" in complaints
    assert "\x1b" not in complaints
    last = complaints.splitlines()[-1]
    assert re.fullmatch(r"hhs-perf: internal error: RuntimeError \(test_run.py:\d+\)", last)


def test_records_are_kept_back_unless_debug_asks_for_them(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The logger is as it was afterwards, for who calls `main` from a program."""

    def warn(*_: object, **__: object) -> bytes:
        logging.getLogger("hhs_perf.plugins").warning("a plugin failed")
        return b"{}"

    logger = logging.getLogger("hhs_perf")
    before = (logger.level, list(logger.handlers))
    monkeypatch.setattr(_commands, "fetch", warn)
    assert main(["status", "localhost"]) == 4
    assert "a plugin failed" not in capsys.readouterr().err
    assert main(["--debug", "status", "localhost"]) == 4
    assert "a plugin failed\n" in capsys.readouterr().err
    assert (logger.level, list(logger.handlers)) == before


def test_an_interrupt_is_130(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupt(*_: object, **__: object) -> bytes:
        raise KeyboardInterrupt

    monkeypatch.setattr(_commands, "fetch", interrupt)
    assert main(["status", "localhost"]) == 130
    assert "Traceback" not in capsys.readouterr().err

"""One run of the command line: whatever happens becomes a line on stderr and an exit status."""

from __future__ import annotations

import contextlib
import io
import logging
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final, TextIO

import click

from ..exceptions import ConfigurationError, HhsPerfError
from . import _exits
from ._commands import hhs_perf
from ._console import plain
from ._report import ReplyError
from ._trace import Trace, traced

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["run"]

# Room for every mistake of a configuration, which is told at once.
_LONGEST_LINE: Final = 10_000
_LOG: Final = logging.getLogger("hhs_perf.cli")


def run(arguments: Sequence[str]) -> int:
    """Run the command that `arguments` name and give its exit status."""
    with contextlib.ExitStack() as opened:
        for name in ("stdout", "stderr"):
            if getattr(sys, name) is None:  # closed by the shell: `>&-`
                setattr(sys, name, opened.enter_context(Path(os.devnull).open("w")))
                opened.callback(setattr, sys, name, None)
            # A terminal that cannot show a letter gets a `?` for it, not a crash.
            elif isinstance(getattr(sys, name), io.TextIOWrapper):
                getattr(sys, name).reconfigure(errors="replace")
        return _flushed(_outcome(arguments, opened.enter_context(traced())))


def _flushed(status: int) -> int:
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        return _reader_left()
    except OSError as exc:
        _reader_left()
        return _fail(*_explain(exc))
    return status


def _outcome(arguments: Sequence[str], trace: Trace) -> int:
    try:
        _check_text(arguments)
        return int(
            hhs_perf.main(list(arguments), prog_name="hhs-perf", standalone_mode=False, obj=trace)
            or 0
        )
    except (click.Abort, KeyboardInterrupt):
        return _exits.INTERRUPTED
    except BrokenPipeError:
        return _reader_left()
    except Exception as exc:  # noqa: BLE001 -- the last border: users get a line, never a traceback
        _LOG.debug("the command failed", exc_info=exc)
        message, status = _explain(exc)
        if status == _exits.SOFTWARE and not trace.is_shown:
            message += " (hhs-perf --debug COMMAND shows more)"
        return _fail(message, status)


def _check_text(arguments: Sequence[str]) -> None:
    # Bytes that are no text come as half letters, which nothing can be named by.
    if any("\ud800" <= letter <= "\udfff" for each in arguments for letter in each):
        raise click.UsageError("an argument is not UTF-8 text")


def _explain(exc: Exception) -> tuple[str, int]:
    match exc:
        case click.UsageError():
            command = exc.ctx.command_path if exc.ctx else "hhs-perf"
            return f"{exc.format_message()} (see {command} --help)", _exits.USAGE
        case ReplyError():
            return str(exc), _exits.UNREACHABLE
        case ConfigurationError():
            return str(exc), _exits.CONFIGURATION
        case OSError():
            return exc.strerror or type(exc).__name__, _exits.IO_ERROR
        case HhsPerfError():
            return str(exc), _exits.SOFTWARE
        case _:
            # Its text is left out, since it could hold a token.
            return f"internal error: {type(exc).__name__} ({_place(exc)})", _exits.SOFTWARE


def _place(exc: Exception) -> str:
    trace = exc.__traceback__
    while trace and trace.tb_next:
        trace = trace.tb_next
    if trace is None:
        return "unknown place"
    code = trace.tb_frame.f_code
    return f"{Path(code.co_filename).name}:{trace.tb_lineno}"


def _fail(message: str, status: int) -> int:
    _say(sys.stderr, f"hhs-perf: {plain(message, _LONGEST_LINE)}\n")
    return status


def _say(stream: TextIO, text: str) -> None:
    # Nobody reads stderr any more: there is no place left to say so.
    with contextlib.suppress(BrokenPipeError):
        stream.write(text)
        stream.flush()


def _reader_left() -> int:
    # Python flushes stdout once more at its end, and would complain again.
    devnull = os.open(os.devnull, os.O_WRONLY)
    os.dup2(devnull, sys.stdout.fileno())
    os.close(devnull)
    return _exits.BROKEN_PIPE

"""What hhs_perf logs while a command runs: kept back, unless `--debug` asks for it."""

from __future__ import annotations

import logging
import sys
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final

from ._console import plain

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Trace", "traced"]

_LOG: Final = logging.getLogger("hhs_perf")
_LONGEST_LINE: Final = 10_000


class Trace(logging.Handler):
    """Takes every record of hhs_perf, so that Python itself prints none of them on stderr."""

    is_shown = False

    def show(self) -> None:
        """Write the records to stderr from now on, with their tracebacks."""
        self.is_shown = True
        _LOG.setLevel(logging.DEBUG)

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record; what could steer a terminal is replaced."""
        if not self.is_shown:
            return
        # Nobody reads stderr any more: there is no place left to say so.
        with suppress(BrokenPipeError):
            for line in self.format(record).splitlines():
                sys.stderr.write(f"{plain(line, _LONGEST_LINE)}\n")


@contextmanager
def traced() -> Iterator[Trace]:
    """Keep the records of hhs_perf back until `show` is called, for as long as the block lasts."""
    trace, level = Trace(), _LOG.level
    _LOG.addHandler(trace)
    try:
        yield trace
    finally:
        _LOG.removeHandler(trace)
        _LOG.setLevel(level)

"""The line of the application that sent a query."""

from __future__ import annotations

import sys
import sysconfig
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

import attrs

try:
    from greenlet import getcurrent
except ModuleNotFoundError:  # without it there are no asynchronous engines

    def getcurrent() -> None:  # type: ignore[misc] # stands in for the function of greenlet
        """Say that there is no greenlet."""


if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

__all__ = ["Line", "Stack", "application_line", "application_stack", "line_of"]

_MOST_FRAMES: Final = 120
_LINES_OF_A_STACK: Final = 3
_PACKAGE: Final = str(Path(__file__).parent.parent) + "/"
_DEMO: Final = _PACKAGE + "demo/"
_STDLIB: Final = tuple(
    f"{sysconfig.get_path(name)}/" for name in ("stdlib", "platstdlib") if sysconfig.get_path(name)
)


@attrs.frozen(kw_only=True, slots=False)
class Line:
    """A line of the application; a `file` below the working directory is relative to that."""

    file: str
    line: int
    function: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


@lru_cache(maxsize=4096)
def _is_application(file: str) -> bool:
    # The demo is an application that happens to live inside the package, installed or not.
    if file.startswith(_DEMO):
        return True
    if file.startswith("<") or "site-packages" in file or "dist-packages" in file:
        return False
    return not file.startswith((*_STDLIB, _PACKAGE))


@lru_cache(maxsize=4096)
def _shown(file: str, folder: str) -> str:
    return file[len(folder) + 1 :] if file.startswith(f"{folder}/") else file


def line_of(frame: FrameType | None) -> Line | None:
    """Give the innermost line of the application at or above `frame`, None where there is none."""
    left = _MOST_FRAMES
    while frame is not None and left:
        code = frame.f_code
        if _is_application(code.co_filename):
            return _made(code.co_filename, frame.f_lineno, code.co_qualname)
        frame = frame.f_back
        left -= 1
    return None


@lru_cache(maxsize=4096)
def _made(file: str, line: int, function: str) -> Line:
    return Line(file=_shown(file, _folder()), line=line, function=function)


@lru_cache(maxsize=1)
def _folder() -> str:
    try:
        return str(Path.cwd())
    except OSError:
        return "/nowhere"


class Stack(tuple[object, ...]):
    """The innermost lines of the application that are running; equal places are equal."""

    __slots__ = ()

    @property
    def line(self) -> Line | None:
        """The innermost of them."""
        if not self:
            return None
        code: Any = self[0]
        return _made(code.co_filename, cast("int", self[1]), code.co_qualname)


def application_stack() -> Stack:
    """Give the lines of the application that are running, the innermost first, three at most."""
    found: list[object] = []
    for frame in _frames():
        code = frame.f_code
        if _is_application(code.co_filename):
            found += (code, frame.f_lineno)
            if len(found) == 2 * _LINES_OF_A_STACK:
                break
    return Stack(found)


def _frames() -> Iterator[FrameType]:
    """Go through the running frames from the inside, through greenlets as well."""
    left = _MOST_FRAMES
    frame: FrameType | None = sys._getframe(2)  # noqa: SLF001 - see application_line
    greenlet = getcurrent()
    while left:
        while frame is not None and left:
            yield frame
            frame = frame.f_back
            left -= 1
        greenlet = None if greenlet is None else greenlet.parent
        if greenlet is None:
            return
        frame = greenlet.gr_frame


def application_line() -> Line | None:
    """Give the innermost line of the application that is running, through greenlets.

    SQLAlchemy runs its synchronous code for asyncio in a greenlet: the coroutine that awaits it
    is found in the frame of the greenlet's parent.
    """
    found = line_of(sys._getframe(1))  # noqa: SLF001 - the documented way costs twenty times as much
    if found is not None:
        return found
    greenlet = getcurrent()
    while greenlet is not None:
        greenlet = greenlet.parent
        if greenlet is not None:
            found = line_of(greenlet.gr_frame)
            if found is not None:
                return found
    return None

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

__all__ = ["Line", "Stack", "application_line", "application_stack", "callers", "line_of"]

_MOST_FRAMES: Final = 120
_MOST_FILES: Final = 4096
_LINES_OF_A_STACK: Final = 3
# Frames of libraries that may lie between two lines of a stack; below is what serves requests.
_MOST_BETWEEN: Final = 30
# What calls the code of one request: the lines above are of whoever started the server.
_END: Final = -1
_CALLERS: Final = (
    "/fastapi/routing.py",
    "/starlette/routing.py",
    "/flask/app.py",
    "/hhs_perf/web/asgi.py",
    "/hhs_perf/web/wsgi.py",
    "/asyncio/events.py",
)
_PACKAGE: Final = str(Path(__file__).parent.parent) + "/"
_DEMO: Final = _PACKAGE + "demo/"
_STDLIB: Final = tuple(
    f"{sysconfig.get_path(name)}/" for name in ("stdlib", "platstdlib") if sysconfig.get_path(name)
)


def callers(frame: FrameType | None, most: int) -> Iterator[FrameType]:
    """Go through a frame and those that led to it, `most` of them."""
    while frame is not None and most:
        yield frame
        frame, most = frame.f_back, most - 1


@attrs.frozen(kw_only=True, slots=False)
class Line:
    """A line of the application; a `file` below the working directory is relative to that."""

    file: str
    line: int
    function: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


class _Files(dict[str, int]):
    """Whose files are: asked for every frame, where a call costs more."""

    def __missing__(self, file: str) -> int:
        if len(self) >= _MOST_FILES:
            self.clear()
        found = _END if file.endswith(_CALLERS) else int(_is_application(file))
        self[file] = found
        return found


_whose: Final = _Files()


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
        whose = _whose[frame.f_code.co_filename]
        if whose:
            if whose == _END:
                return None
            code = frame.f_code
            return _made(code.co_filename, _number_of(frame), code.co_qualname)
        frame = frame.f_back
        left -= 1
    return None


def _number_of(frame: FrameType) -> int:
    """Give the line's number: in a template of Jinja's, which is compiled, that of its source."""
    template = frame.f_globals.get("__jinja_template__")
    if template is None:
        return frame.f_lineno
    number: int = template.get_corresponding_lineno(frame.f_lineno)
    return number


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
        file, line, function = self[:3]
        return _made(cast("str", file), cast("int", line), cast("str", function))


def application_stack() -> Stack:
    """Give the lines of the application that are running, the innermost first, three at most."""
    found: list[object] = []
    left = _MOST_FRAMES
    frame: FrameType | None = sys._getframe(1)  # noqa: SLF001 - see application_line
    greenlet: Any = None
    while left:
        if frame is None:
            greenlet = getcurrent() if greenlet is None else greenlet
            greenlet = None if greenlet is None else greenlet.parent
            if greenlet is None:
                break
            frame = greenlet.gr_frame
            continue
        code = frame.f_code
        whose = _whose[code.co_filename]
        if whose == _END:
            break
        if whose:
            # Not the code itself: to hash it costs more than all else here.
            found += (code.co_filename, _number_of(frame), code.co_qualname)
            if len(found) == 3 * _LINES_OF_A_STACK:
                break
            left = min(left, _MOST_BETWEEN)
        frame = frame.f_back
        left -= 1
    return Stack(found)


def application_line() -> Line | None:
    """Give the innermost line of the application that is running, through greenlets.

    SQLAlchemy runs its synchronous code for asyncio in a greenlet: the coroutine that awaits it
    is found in the frame of the greenlet's parent.
    """
    found = line_of(sys._getframe(1))  # noqa: SLF001 - the documented way costs twenty times as much
    if found is not None:
        return found
    greenlet: Any = getcurrent()
    while greenlet is not None:
        greenlet = greenlet.parent
        if greenlet is not None:
            found = line_of(greenlet.gr_frame)
            if found is not None:
                return found
    return None

"""Who holds a connection, and where that is."""

from __future__ import annotations

import asyncio
import sys
import threading
from contextvars import Context
from typing import TYPE_CHECKING
from weakref import ref

from ..lines import Line, line_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

__all__ = [
    "Hold",
    "Note",
    "TaskRef",
    "current_caller",
    "current_task",
    "holder_line",
    "route_of_hold",
    "thread_name",
]

TaskRef = ref[asyncio.Task[object]]
Hold = tuple[float, int, Context, TaskRef | None]
"""One connection that is out: when it was taken, the thread, the context and the task of the taker.

A tuple, since one is made at each checkout. The route is asked for in the context when somebody
wants to know. No frame is held, and a task only weakly.
"""


class Note:
    """What is known of a connection that is out beyond what each checkout notes."""

    __slots__ = ("later", "line", "route", "taken_at", "was_looked_at")

    def __init__(self, taken_at: float, line: Line | None) -> None:
        self.taken_at = taken_at
        self.line = line
        self.later: Line | None = None
        self.route: str | None = None
        self.was_looked_at = False


def current_task() -> TaskRef | None:
    """Give the task that is running, weakly."""
    try:
        task = asyncio.current_task()
    except RuntimeError:
        return None
    return None if task is None else ref(task)


def current_caller() -> int:
    """Give the id of the task that is running."""
    try:
        return id(asyncio.current_task())
    except RuntimeError:
        return threading.get_ident()


def holder_line(hold: Hold) -> Line | None:
    """Give the line of the application where the holder of a connection is now."""
    _, thread, _, held = hold
    if held is not None:
        task = held()
        return None if task is None else _task_line(task)
    return line_of(sys._current_frames().get(thread))  # noqa: SLF001 - its documented name


def _task_line(task: asyncio.Task[object]) -> Line | None:
    # A task that waits is a chain of what awaits what; its stack shows the outermost only.
    found = None
    awaited: object = task.get_coro()
    while awaited is not None:
        frame: FrameType | None = getattr(awaited, "cr_frame", None) or getattr(
            awaited, "ag_frame", None
        )
        found = line_of(frame) or found
        awaited = getattr(awaited, "cr_await", None) or getattr(awaited, "ag_await", None)
    return found


def route_of_hold(hold: Hold, route_of: Callable[[], str | None]) -> str | None:
    """Give the route on whose behalf a connection is held."""
    return hold[2].copy().run(route_of)


def thread_name(hold: Hold) -> str | None:
    """Give the name of the thread that took a connection, None when it ended."""
    return next((one.name for one in threading.enumerate() if one.ident == hold[1]), None)

"""The slow path is written once, as generators of requests; here they are answered.

A generator yields `(verb, arguments)`. A link has a method for every verb; that of a thread
answers at once, that of an event loop gives something to await. An exception of the method is
raised where the generator yielded.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from .remote.loop_link import AsyncLink
    from .remote.thread_link import SyncLink

__all__ = ["Request", "Steps", "run", "run_async"]

T = TypeVar("T")
Request = tuple[str, tuple[Any, ...]]
Steps = Generator[Request, Any, T]


def run(steps: Steps[T], link: SyncLink) -> T:
    """Answer what `steps` ask for in this thread, and give what they return."""
    try:
        verb, arguments = steps.send(None)
        while True:
            try:
                answer = getattr(link, verb)(*arguments)
            except BaseException as exc:  # noqa: BLE001 - it travels on inside the generator
                verb, arguments = steps.throw(exc)
            else:
                verb, arguments = steps.send(answer)
    except StopIteration as stop:
        result: T = stop.value
        return result


async def run_async(steps: Steps[T], link: AsyncLink) -> T:
    """Do as `run`, awaiting the answers."""
    try:
        verb, arguments = steps.send(None)
        while True:
            try:
                answer = await getattr(link, verb)(*arguments)
            except GeneratorExit:
                # The event loop is gone, and with it whatever could be awaited.
                steps.close()
                raise
            except BaseException as exc:  # noqa: BLE001 - it travels on inside the generator
                verb, arguments = steps.throw(exc)
            else:
                verb, arguments = steps.send(answer)
    except StopIteration as stop:
        result: T = stop.value
        return result

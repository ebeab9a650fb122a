"""Timing blocks and functions."""

from __future__ import annotations

import functools
import inspect
from typing import TYPE_CHECKING, Any, ParamSpec, Protocol, TypeVar, cast

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Generator
    from types import TracebackType

__all__ = ["Timing", "wrap"]

P = ParamSpec("P")
R = TypeVar("R")


class _Recorder(Protocol):
    record: Callable[[float], None]


class Timing:
    """A `with` block that is timed; it can be entered again, but not inside itself."""

    __slots__ = ("_now", "_record", "_started")

    def __init__(self, record: Callable[[float], None], now: Callable[[], float]) -> None:
        self._record = record
        self._now = now

    def __enter__(self) -> None:
        self._started = self._now()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._record(self._now() - self._started)


def wrap(function: Callable[P, R], timer: _Recorder, now: Callable[[], float]) -> Callable[P, R]:
    """Wrap `function`, of any of the four kinds, so that its calls are recorded to `timer`."""
    if inspect.isasyncgenfunction(function):
        wrapper: Callable[..., Any] = _async_generator(function, timer, now)
    elif inspect.iscoroutinefunction(function):
        wrapper = _coroutine(function, timer, now)
    elif inspect.isgeneratorfunction(function):
        wrapper = _generator(function, timer, now)
    else:
        wrapper = _plain(function, timer, now)
    return cast("Callable[P, R]", functools.update_wrapper(wrapper, function))


def _plain(
    function: Callable[..., R], timer: _Recorder, now: Callable[[], float]
) -> Callable[..., R]:
    def timed(*args: Any, **kwargs: Any) -> R:
        started = now()
        try:
            return function(*args, **kwargs)
        finally:
            timer.record(now() - started)

    return timed


def _coroutine(
    function: Callable[..., Any], timer: _Recorder, now: Callable[[], float]
) -> Callable[..., Any]:
    async def timed(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - as the function says
        started = now()
        try:
            return await function(*args, **kwargs)
        finally:
            timer.record(now() - started)

    return timed


def _generator(
    function: Callable[..., Any], timer: _Recorder, now: Callable[[], float]
) -> Callable[..., Any]:
    def timed(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
        started = now()
        try:
            return (yield from function(*args, **kwargs))
        finally:
            timer.record(now() - started)

    return timed


def _async_generator(
    function: Callable[..., AsyncGenerator[Any, Any]], timer: _Recorder, now: Callable[[], float]
) -> Callable[..., AsyncGenerator[Any, Any]]:
    async def timed(*args: Any, **kwargs: Any) -> AsyncGenerator[Any, Any]:
        started = now()
        inner = function(*args, **kwargs)
        try:
            step = anext(inner)
            while True:
                try:
                    item = await step
                except StopAsyncIteration:
                    return
                # There is no `yield from` here: what the consumer sends or throws is passed on.
                try:
                    sent = yield item
                except GeneratorExit:
                    raise
                except BaseException as error:  # noqa: BLE001 - it is passed on, not swallowed
                    step = inner.athrow(error)
                else:
                    step = inner.asend(sent)
        finally:
            try:
                await inner.aclose()
            finally:
                timer.record(now() - started)

    return timed

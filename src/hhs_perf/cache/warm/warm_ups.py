"""What a warm-up does, and how it stands."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal

import attrs

from ..drive import run
from ..flight import Anew, renewing
from .board import WarmUpRow
from .settling import settled

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..core import Core
    from ..loading import LoadRequest
    from .calls import Repeatable

__all__ = ["WarmResult", "WarmState", "WarmUp", "Warmer", "keyed", "loose", "planned"]

WarmState = Literal["waiting", "running", "done", "failed", "off"]

Warmer = Callable[[float | None], str | None]
"""Warms, and may give a note on what came of it.

What was loaded since the time given, on Redis's clock, is not loaded again; with None nothing is
that is fresh.
"""


@attrs.frozen(kw_only=True)
class WarmResult:
    """How a warm-up stands in this process.

    `seconds` is how long the last run took, `error` the class of what it raised, `finished_at`
    when it ended in seconds since 1970, `runs` and `failures` count, `every` is its schedule in
    seconds. All are None where there is nothing to tell. The state `off` says that it has nothing
    to do here; `note` says why, and of a failure, where that is known, how it comes.
    """

    name: str
    state: WarmState = "waiting"
    seconds: float | None = None
    error: str | None = None
    finished_at: float | None = None
    every: float | None = None
    note: str | None = None
    runs: int = 0
    failures: int = 0


@attrs.define(kw_only=True, eq=False)
class WarmUp:
    """A warm-up: what it does, how it stands, when it is due, the requests heard and answered."""

    warm: Warmer
    result: WarmResult
    due: float = math.inf
    heard: str = ""
    request: str = ""

    def row(self) -> WarmUpRow:
        """Tell other processes how it stands."""
        result = self.result
        return WarmUpRow(
            name=result.name,
            state=result.state,
            seconds=result.seconds,
            error=result.error,
            finished_at=result.finished_at,
            every=result.every,
            note=result.note,
            request=self.request,
        )


def keyed(core: Core, request: LoadRequest) -> Warmer:
    """Warm what `request` loads; in a fleet one process loads, and the others take its value."""
    request = attrs.evolve(request, loader=settled(core, request.loader))

    def warm(since: float | None) -> None:
        wanted = attrs.evolve(request, is_forced=since is not None, since=since)
        with _anew(core, since):
            run(core.loading(wanted), core.link)

    return warm


def loose(core: Core, loader: Callable[[], Any]) -> Warmer:
    """Warm by calling `loader`, which calls cached functions itself."""
    load = settled(core, loader)

    def warm(since: float | None) -> None:
        with _anew(core, since):
            load()

    return warm


@contextmanager
def _anew(core: Core, since: float | None) -> Iterator[None]:
    """Have loaded anew what is looked for meanwhile, here and in what this code awaits."""
    if since is None:
        yield
        return
    token = renewing.set(Anew(flights=core.flights, since=since))
    try:
        # Or the cached functions that are called would answer what they have at hand.
        with core.memory.held():
            yield
    finally:
        renewing.reset(token)


def planned(loader: Callable[[], Any]) -> LoadRequest | None:
    """Give what a cached function, or a `functools.partial` of one, loads; None for others.

    Raises TypeError for a cached function that needs more arguments.
    """
    args: tuple[Any, ...] = ()
    kwargs: dict[str, Any] = {}
    called: Callable[..., Any] = loader
    if isinstance(loader, functools.partial):
        called, args, kwargs = loader.func, loader.args, loader.keywords
    bound = getattr(called, "__self__", None)
    if bound is not None:
        args = (bound, *args)
    plan: Repeatable | None = getattr(called, "plan", None)
    if plan is None or not hasattr(called, "key_of"):
        return None
    return plan.request(plan.key_of(args, kwargs), args, kwargs)

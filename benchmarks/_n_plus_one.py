"""The words of the N+1 scenarios: what is run, what a detector must say of it, and where."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any, Final, Literal

import attrs
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Session

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from sqlalchemy import Engine
    from sqlalchemy.ext.asyncio import AsyncEngine

Kind = Literal["lazy", "refresh", "loop"]
Takes = Literal["session", "connection", "engine"]
Run = Callable[[Any], Any]
Scope = Callable[[], "AbstractContextManager[object]"]

MARK: Final = "# N+1"


@attrs.frozen(kw_only=True)
class Expected:
    """One N+1 that must be found.

    ``kind``: ``lazy``, a relationship loaded for one parent after the other; ``refresh``, columns
    of one object after the other (deferred, or expired); ``loop``, a statement that the
    application itself sends again and again.  ``count_at_least``: the repeated statements, added
    over all findings at that place.  ``where``: the comment at the end of the line that causes
    them, in the source of ``function`` or of the scenario itself.  ``advice``: text that the
    advice must contain; None where no one option cures it.  ``files``: files in which any line is
    right too (compiled templates have lines of their own).
    """

    kind: Kind
    count_at_least: int
    where: str = MARK
    advice: str | None = None
    function: Callable[..., Any] | None = None
    files: frozenset[str] = frozenset()


@attrs.frozen(kw_only=True)
class Scenario:
    """One piece of an application, and the N+1 in it: none where ``expected`` is empty.

    Every finding that no member of ``expected`` or ``tolerated`` describes is a false alarm.
    ``run`` takes a fresh session, connection or engine, as ``takes`` says, of the asynchronous
    kind where ``is_async``.  ``times``: how often it is run, each time in a scope (a request) of
    its own.  ``reason``: why statements that repeat are no N+1.  ``source``: whose case it is.
    """

    name: str
    is_async: bool
    run: Run
    expected: tuple[Expected, ...] = ()
    tolerated: tuple[Expected, ...] = ()
    takes: Takes = "session"
    times: int = 1
    reason: str = ""
    source: str = "own"

    def places(self, expected: Expected) -> frozenset[tuple[str, int]]:
        """Return file and line of each line that may be named for ``expected``."""
        function = inspect.unwrap(expected.function or self.run)
        file = inspect.getsourcefile(function) or ""
        return frozenset((file, line) for line in marked_lines(function, expected.where))


def marked_lines(function: Callable[..., Any], mark: str = MARK) -> set[int]:
    """Return the numbers of the lines of the function that end in the comment ``mark``."""
    lines, first = inspect.getsourcelines(function)
    return {number for number, line in enumerate(lines, first) if line.rstrip().endswith(mark)}


def _made(**given: Any) -> Callable[[Run], Scenario]:
    def make(run: Run) -> Scenario:
        name = run.__name__
        return Scenario(name=name, is_async=inspect.iscoroutinefunction(run), run=run, **given)

    return make


def finds(
    *expected: Expected,
    takes: Takes = "session",
    tolerated: tuple[Expected, ...] = (),
    source: str = "own",
) -> Callable[[Run], Scenario]:
    """Make a scenario, named as the function is, in which these N+1 must be found."""
    return _made(expected=expected, takes=takes, tolerated=tolerated, source=source)


def silent(
    reason: str = "", *, takes: Takes = "session", times: int = 1, source: str = "own"
) -> Callable[[Run], Scenario]:
    """Make a scenario, named as the function is, in which there is no N+1."""
    return _made(reason=reason, takes=takes, times=times, source=source)


def lazy(
    count: int, advice: str | None, where: str = MARK, function: Callable[..., Any] | None = None
) -> Expected:
    """Expect a relationship that is loaded for one parent after the other."""
    return Expected(
        kind="lazy", count_at_least=count, advice=advice, where=where, function=function
    )


def refresh(count: int, advice: str | None, where: str = MARK) -> Expected:
    """Expect columns that are loaded for one object after the other."""
    return Expected(kind="refresh", count_at_least=count, advice=advice, where=where)


def loop(count: int, where: str = MARK, function: Callable[..., Any] | None = None) -> Expected:
    """Expect a statement that the application sends again and again; its cure is a rewrite."""
    return Expected(kind="loop", count_at_least=count, where=where, function=function)


def show(*values: object) -> None:
    """Take values as a page would that shows them."""


def scenarios_in(names: dict[str, object]) -> tuple[Scenario, ...]:
    """Return the scenarios among the globals of a module, in the order of their source."""
    return tuple(value for value in names.values() if isinstance(value, Scenario))


def run_sync(scenario: Scenario, engine: Engine, scope: Scope = nullcontext) -> None:
    """Run a synchronous scenario, each of its times inside ``scope()``."""
    for _ in range(scenario.times):
        with scope():
            if scenario.takes == "engine":
                scenario.run(engine)
            elif scenario.takes == "connection":
                with engine.connect() as connection:
                    scenario.run(connection)
            else:
                with Session(engine) as session:
                    scenario.run(session)


async def run_async(scenario: Scenario, engine: AsyncEngine, scope: Scope = nullcontext) -> None:
    """Run an asynchronous scenario, each of its times inside ``scope()``."""
    for _ in range(scenario.times):
        with scope():
            if scenario.takes == "engine":
                await scenario.run(engine)
            elif scenario.takes == "connection":
                async with engine.connect() as connection:
                    await scenario.run(connection)
            else:
                async with AsyncSession(engine) as session:
                    await scenario.run(session)

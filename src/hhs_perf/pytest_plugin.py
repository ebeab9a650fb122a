"""For test suites: how many queries code sends, that none is an N+1, and rules for platforms.

pytest loads this module in every run of an environment that has hhs_perf. It changes no test that
does not ask for it, and imports nothing of hhs_perf or SQLAlchemy before one does.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

    from sqlalchemy.engine import Engine
    from sqlalchemy.ext.asyncio import AsyncEngine

    from .database import Database
    from .database.seen.statements import Statement
    from .scrapers.platform import Platform
    from .scrapers.testing.samples import Sample

__all__ = ["SentQueries", "assert_query_count", "no_n_plus_one"]

_NAME: Final = "no_n_plus_one"
_PLATFORM: Final = "hhs_perf_platform"
_SAMPLES: Final = "hhs_perf_samples"
_CHOSEN: Final = pytest.StashKey[list[tuple["Platform", "tuple[Sample, ...]"]]]()
_MOST_SHOWN: Final = 30
_LONGEST_SQL: Final = 300
# A session that joins the transaction of a fixture sends these, the application does not.
_NOT_COUNTED: Final = frozenset({"SAVEPOINT", "RELEASE", "ROLLBACK"})
# Every query is slower than this, so that the line of each one is kept.
_AT_ONCE: Final = -1.0


class SentQueries:
    """The queries that a block of code sent so far, through threads and tasks."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @property
    def count(self) -> int:
        """How many were sent, those that failed included."""
        return sum(statement.count for statement in self._statements())

    def __str__(self) -> str:
        """List them, the most frequent first: count, SQL without literals, lines."""
        lines: list[str] = []
        statements = self._statements()
        for statement in statements[:_MOST_SHOWN]:
            sql = " ".join(statement.shape.sql.split())
            shown = sql if len(sql) <= _LONGEST_SQL else f"{sql[:_LONGEST_SQL]}…"
            lines.append(f"  {statement.count:>5} × {shown}")
            lines += [f"          {line}: {n}" for line, n in statement.lines.most_common()]
        if len(statements) > _MOST_SHOWN:
            lines.append(f"  and {len(statements) - _MOST_SHOWN} more statements")
        return "\n".join(lines)

    def _statements(self) -> list[Statement]:
        book = self._database.statements
        book()  # counts what is still waiting
        sent = [each for each in book if each.shape.operation not in _NOT_COUNTED and each.count]
        return sorted(sent, key=lambda each: -each.count)


@contextlib.contextmanager
def assert_query_count(
    expected: int | None = None,
    engine: Engine | AsyncEngine | Iterable[Engine | AsyncEngine] | None = None,
    *,
    at_most: int | None = None,
    at_least: int | None = None,
) -> Iterator[SentQueries]:
    """Fail a test unless a block sends so many queries; use `with`, in async code too.

    A query is one execution, whatever the number of parameter sets. Savepoints, BEGIN and COMMIT
    are none. The queries of all threads count.

    Args:
        expected: The exact number; or else say `at_most`, `at_least` or both.
        engine: Whose queries count: one engine, several, or by default every one there is,
            those made in the block included.
        at_most: The highest number allowed.
        at_least: The lowest number allowed.

    Raises:
        AssertionError: The number is another one; it lists what was sent, with lines.
        TypeError: No number was said, or too many.
    """
    __tracebackhide__ = True
    if (expected is None) == (at_most is None and at_least is None):
        raise TypeError("say the exact number, or at_most, at_least or both")
    with _database(engine, slow_query=_AT_ONCE, query_detail="timing", n_plus_one="off") as seen:
        sent = SentQueries(seen)
        yield sent
        count = sent.count
    lowest = expected if expected is not None else at_least
    highest = expected if expected is not None else at_most
    if (lowest is None or count >= lowest) and (highest is None or count <= highest):
        return
    said = (("", expected), ("at most ", at_most), ("at least ", at_least))
    wanted = " and ".join(f"{word}{number}" for word, number in said if number is not None)
    raise AssertionError(f"{count} queries were sent, and {wanted} expected\n{sent}")


@contextlib.contextmanager
def no_n_plus_one(
    engine: Engine | AsyncEngine | Iterable[Engine | AsyncEngine] | None = None,
) -> Iterator[None]:
    """Fail a test when a block sends N+1 queries; use `with`, in async code too.

    The same is done for a whole test by the fixture and by the marker of this name.

    Raises:
        AssertionError: Each N+1 found is told with its count, file and line, and the way out.
    """
    __tracebackhide__ = True
    with _database(engine, query_detail="full", n_plus_one="record") as seen:
        with seen.scope("test") as scope:
            yield
        findings = scope.findings
    if findings:
        raise AssertionError("\n".join(map(str, findings)))


@contextlib.contextmanager
def _database(
    engine: Engine | AsyncEngine | Iterable[Engine | AsyncEngine] | None, **settings: Any
) -> Iterator[Database]:
    """Listen to engines for the length of a block, with a monitor of its own."""
    import attrs  # noqa: PLC0415 - no test run pays for it that does not use it

    from ._monitor import Monitor  # noqa: PLC0415 - likewise
    from ._settings import DatabaseSettings, Settings  # noqa: PLC0415 - likewise

    held = attrs.evolve(Settings(), database=DatabaseSettings(**settings))
    monitor = Monitor(held, installed_plugins=False, tick=False)
    try:
        database = monitor.database
        if engine is None:
            database.instrument()
        else:
            for each in engine if isinstance(engine, Iterable) else (engine,):
                database.instrument(each)
        yield database
    finally:
        monitor.close()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let the conformance suite of `hhs_perf.scrapers.testing` know what it is about."""
    group = parser.getgroup("hhs_perf", "platforms to scrape (hhs_perf)")
    for option, text in (
        ("--hhs-perf-platform", "try this platform, not all that are installed"),
        ("--hhs-perf-samples", "samples of platforms for the conformance suite"),
    ):
        group.addoption(option, action="append", default=[], metavar="MODULE:NAME", help=text)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run the conformance suite once for each platform."""
    if _PLATFORM not in metafunc.fixturenames:
        return
    chosen = metafunc.config.stash.get(_CHOSEN, None)
    if chosen is None:
        chosen = metafunc.config.stash[_CHOSEN] = _chosen(metafunc.config)
    names = [platform.name for platform, _ in chosen]
    if _SAMPLES in metafunc.fixturenames:
        metafunc.parametrize((_PLATFORM, _SAMPLES), chosen, ids=names)
    else:
        metafunc.parametrize(_PLATFORM, [platform for platform, _ in chosen], ids=names)


def _chosen(config: pytest.Config) -> list[tuple[Platform, tuple[Sample, ...]]]:
    from .scrapers.testing.chosen import chosen  # noqa: PLC0415 - only who asks for it

    named = config.getoption("--hhs-perf-platform")
    try:
        return chosen(named, config.getoption("--hhs-perf-samples"), () if named else _installed())
    except (ValueError, ImportError) as exc:
        raise pytest.UsageError(f"--hhs-perf-platform, --hhs-perf-samples: {exc}") from exc


def _installed() -> tuple[Platform, ...]:
    from ._monitor import Monitor  # noqa: PLC0415 - likewise
    from ._settings import Settings  # noqa: PLC0415 - likewise

    monitor = Monitor(Settings(), tick=False)
    try:
        return monitor.scrapers.platforms
    finally:
        monitor.close()


def pytest_configure(config: pytest.Config) -> None:
    """Make the marker known."""
    config.addinivalue_line(
        "markers", f"{_NAME}: the test fails when it sends N+1 queries (hhs_perf)"
    )


@pytest.fixture(name="assert_query_count")
def _assert_query_count() -> Callable[..., contextlib.AbstractContextManager[SentQueries]]:
    """Give `assert_query_count(expected, engine=None, at_most=None, at_least=None)`."""
    return assert_query_count


@pytest.fixture(name=_NAME)
def _no_n_plus_one() -> None:
    """Fail the test when it sends N+1 queries."""


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """Watch a test that asks for it, from within: an asynchronous one has a context of its own."""
    asks = _NAME in getattr(item, "fixturenames", ()) or item.get_closest_marker(_NAME) is not None
    if not asks or not isinstance(item, pytest.Function):
        return (yield)
    held = item.obj
    item.obj = _watched(held)
    try:
        return (yield)
    finally:
        item.obj = held


def _watched(test: Callable[..., Any]) -> Callable[..., object]:
    if inspect.iscoroutinefunction(test):

        @functools.wraps(test)
        async def run_async(*args: object, **kwargs: object) -> object:
            __tracebackhide__ = True
            with no_n_plus_one():
                return await test(*args, **kwargs)

        return run_async

    @functools.wraps(test)
    def run(*args: object, **kwargs: object) -> object:
        __tracebackhide__ = True
        with no_n_plus_one():
            return test(*args, **kwargs)

    return run

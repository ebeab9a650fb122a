"""A query is told at the line of the application that sent it, wherever that runs."""

from __future__ import annotations

import functools
import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jinja2
import pytest
from sqlalchemy import Engine, select
from sqlalchemy.exc import OperationalError
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine

from hhs_perf import Monitor
from hhs_perf.database.lines import Line, application_line, application_stack

from .conftest import USERS, Seen

HERE = Path(__file__).relative_to(Path.cwd()).as_posix()


def number_of(mark: str) -> int:
    """Return the line of this file that ends in the comment `mark`."""
    lines = Path(__file__).read_text().splitlines()
    (number,) = [n for n, line in enumerate(lines, 1) if line.endswith(f"# {mark}")]
    return number


def test_a_line_is_shown_below_the_working_directory():
    """With its function; equal lines are equal."""
    line = application_line()  # plain
    assert line == Line(
        file=HERE,
        line=number_of("plain"),
        function="test_a_line_is_shown_below_the_working_directory",
    )
    assert str(line) == f"{HERE}:{line.line}"


def test_libraries_in_between_are_passed_over():
    """The standard library's frames, C functions and generators are nobody's application."""
    found: list[Any] = []

    class Encoder(json.JSONEncoder):
        def default(self, _: Any) -> Any:
            call()
            return 1

    def call() -> None:
        found.append(functools.reduce(lambda _, __: application_line(), [1, 2]))  # innermost

    json.dumps([object()], cls=Encoder)
    assert found[0].line == number_of("innermost")
    assert found[0].function.endswith("call.<locals>.<lambda>")


def test_generators_and_deep_stacks_have_lines():
    """The generator's own line, however deep it runs."""

    def lines() -> Any:
        yield application_line()  # generator

    def deep(left: int) -> Any:
        return deep(left - 1) if left else next(lines())

    assert deep(300).line == number_of("generator")


def test_a_thread_has_lines_of_its_own():
    """What started it is not on its stack."""
    found: list[Any] = []
    thread = threading.Thread(target=lambda: found.append(application_line()))  # thread
    thread.start()
    thread.join()
    assert found[0].line == number_of("thread")


def test_code_without_a_file_is_nobodys():
    """`<string>`, `<stdin>`, attrs' own methods: the caller is shown."""
    names: dict[str, Any] = {"application_line": application_line}
    exec("def made():\n    return application_line()", names)
    assert names["made"]().line == number_of("calls made")  # calls made


def test_templates_have_the_lines_of_their_source(tmp_path: Path):
    """Jinja compiles them to Python whose lines are others."""
    (tmp_path / "page.html").write_text(
        "<ul>\n{% for n in range(2) %}\n\n<li>{{ ask() }}\n{% endfor %}"
    )
    found: list[Any] = []
    environment = jinja2.Environment(loader=jinja2.FileSystemLoader(tmp_path))
    ask = eval("lambda: found.append((line(), stack()))", {
        "found": found, "line": application_line, "stack": application_stack,
    })  # fmt: skip
    environment.get_template("page.html").render(ask=ask)
    line, stack = found[0]
    assert (line.file, line.line) == (str(tmp_path / "page.html"), 4)
    assert stack.line == line


def test_stacks_tell_callers_apart():
    """The same line called from two places is two places."""

    def call() -> Any:
        return application_stack()

    one = call()
    two = call()
    again = [call() for _ in range(2)]
    assert one != two
    assert again[0] == again[1]
    assert one.line == two.line


def slow_line(seen: Seen) -> Line:
    return seen.database.slow_latest()[0].line


@pytest.fixture
def make_slow(make_monitor: Callable[..., Monitor]) -> Callable[..., Seen]:
    def make(engine: Any) -> Seen:
        monitor = make_monitor(slow_query=1e-9)
        monitor.database.instrument(engine)
        return Seen(engine, monitor)

    return make


def test_slow_queries_are_told_at_their_line(engine: Engine, make_slow: Callable[..., Seen]):
    """Where rows are fetched, which is where the time went."""
    seen = make_slow(engine)
    with engine.connect() as connection:
        connection.execute(select(USERS)).all()  # sync
        assert slow_line(seen).line == number_of("sync")
        connection.execute(USERS.delete())  # write
        assert slow_line(seen).line == number_of("write")


async def test_asynchronous_queries_are_told_at_the_line_that_awaits(
    make_slow: Callable[..., Seen],
):
    """Through the greenlet that SQLAlchemy runs them in."""
    engine = create_async_engine("sqlite+aiosqlite://")
    seen = make_slow(engine)
    try:
        async with AsyncSession(engine) as session:

            async def helper() -> None:
                (await session.execute(select(1))).all()  # async

            await helper()
            assert slow_line(seen).line == number_of("async")
            await session.run_sync(lambda sync: sync.execute(select(2)).all())  # run_sync
            assert slow_line(seen).line == number_of("run_sync")
            with pytest.raises(OperationalError):
                await (await session.connection()).exec_driver_sql("SELECT nonsense")  # fails
    finally:
        await engine.dispose()
    (failed,) = [each for each in seen.database.statements if each.errors]
    assert next(iter(failed.lines)).line == number_of("fails")

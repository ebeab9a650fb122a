"""What the costs of the database part are measured on: tables, engines and turns of queries."""

from __future__ import annotations

from contextlib import AsyncExitStack, ExitStack
from typing import TYPE_CHECKING, Any, Final, Literal

import sqlalchemy
from sqlalchemy import Engine, ForeignKey, bindparam, event, insert, select
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, relationship
from sqlalchemy.pool import QueuePool

from hhs_perf import Monitor, Settings

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from sqlalchemy.engine import Connection

Work = Literal["core", "orm", "connect", "lazy", "checkout"]

CHECKOUTS: Final = 1000
PARENTS: Final = 50
QUERIES: Final = {
    "core": 1000, "connect": 1000, "orm": 150, "lazy": 2 * PARENTS, "checkout": CHECKOUTS,
}  # fmt: skip
"""Queries of one turn of each kind of work."""
IN_MEMORY: Final = "sqlite://"


class Base(DeclarativeBase):
    """The tables."""


class Parent(Base):
    """Has two children."""

    __tablename__ = "bench_parents"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    children: Mapped[list[Child]] = relationship(order_by="Child.id")


class Child(Base):
    """Has a parent."""

    __tablename__ = "bench_children"

    id: Mapped[int] = mapped_column(primary_key=True)
    parent_id: Mapped[int] = mapped_column(ForeignKey(Parent.id), index=True)
    name: Mapped[str]


# Other values each time, as requests have them.
VALUES: Final = tuple({"key": number} for number in range(1, PARENTS + 1)) * 20
ONE: Final = select(Parent.__table__).where(Parent.__table__.c.id == bindparam("key"))
MAPPED: Final = select(Parent).where(Parent.id == bindparam("key"))
ALL: Final = select(Parent)


def fill(connection: Connection) -> None:
    """Make the tables, with their rows."""
    Base.metadata.create_all(connection)
    parents = [{"id": n, "name": f"parent {n}"} for n in range(1, PARENTS + 1)]
    connection.execute(insert(Parent), parents)
    children = [
        {"id": 2 * n + m, "parent_id": n, "name": f"child {m}"}
        for n in range(1, PARENTS + 1)
        for m in range(2)
    ]
    connection.execute(insert(Child), children)


def make_engine(url: str = IN_MEMORY) -> Engine:
    """Make an engine that has the tables; in memory where no server is named."""
    # By its module: others replace the function there.
    if url != IN_MEMORY:
        return sqlalchemy.create_engine(url)
    # Out of a pool as servers have it; who takes one connection at a time always gets the same.
    engine = sqlalchemy.create_engine(url, poolclass=QueuePool)
    with engine.begin() as connection:
        fill(connection)
    return engine


def listen_to_nothing(engine: Engine) -> None:
    """Register the pair of listeners that every other instrumentation begins with, empty."""
    event.listen(engine, "before_cursor_execute", _nothing)
    event.listen(engine, "after_cursor_execute", _nothing)


def _nothing(*_: object) -> None:
    """Do nothing."""


def monitor(detail: str) -> Monitor:
    """Make a monitor that takes queries at a detail, and has no thread of its own."""
    settings = Settings.from_env({"HHS_PERF_QUERY_DETAIL": detail})
    return Monitor(settings, installed_plugins=False, tick=False)


def core(connection: Connection) -> None:
    """Send a turn of selects on one connection."""
    execute = connection.execute
    for value in VALUES[: QUERIES["core"]]:
        execute(ONE, value).all()


def orm(engine: Engine) -> None:
    """Send a turn of selects of an instance in one session."""
    with Session(engine) as session:
        for value in VALUES[: QUERIES["orm"]]:
            session.scalars(MAPPED, value).all()


def connect(engine: Engine) -> None:
    """Take a connection for each select of a turn."""
    for value in VALUES[: QUERIES["connect"]]:
        with engine.connect() as connection:
            connection.execute(ONE, value).all()


def lazy(engine: Engine) -> None:
    """Load the children of each of many parents, in a session after the other."""
    for _ in range(QUERIES["lazy"] // PARENTS):
        with Session(engine) as session:
            for parent in session.scalars(ALL):
                _ = parent.children


def checkouts(engine: Engine) -> None:
    """Take a connection of the driver out of the pool and give it back, many times."""
    for _ in range(CHECKOUTS):
        engine.raw_connection().close()


class Turns:
    """The turns of one contender on an engine; `around` is entered for each of them.

    `after` is part of a turn: what a contender does at its end.
    """

    def __init__(
        self,
        engine: Engine,
        around: Callable[[], AbstractContextManager[object]] | None = None,
        after: Callable[[], object] | None = None,
    ) -> None:
        self.engine = engine
        self._around = around
        self._after = after

    def turn(self, work: Work) -> Callable[[], None]:
        """Return the turn of a kind of work."""
        run: Callable[[], None] = {
            "core": self._core,
            "orm": lambda: orm(self.engine),
            "connect": lambda: connect(self.engine),
            "lazy": lambda: lazy(self.engine),
            "checkout": lambda: checkouts(self.engine),
        }[work]

        def turn() -> None:
            with ExitStack() as stack:
                if self._around is not None:
                    stack.enter_context(self._around())
                run()
            if self._after is not None:
                self._after()

        return turn

    def _core(self) -> None:
        with self.engine.connect() as connection:
            core(connection)


class AsyncTurns:
    """The like for an asynchronous engine, on a loop of its own."""

    def __init__(self, url: str, loop: asyncio.AbstractEventLoop) -> None:
        self.engine: AsyncEngine = create_async_engine(url)
        self._loop = loop
        self.around: Callable[[], Any] | None = None
        self.after: Callable[[], object] | None = None

    def turn(self, work: Work) -> Callable[[], None]:
        """Return the turn of a kind of work."""
        run = self._core if work == "core" else self._connect

        async def turn() -> None:
            async with AsyncExitStack() as stack:
                if self.around is not None:
                    await stack.enter_async_context(self.around())
                await run()
            if self.after is not None:
                self.after()

        return lambda: self._loop.run_until_complete(turn())

    async def _core(self) -> None:
        async with self.engine.connect() as connection:
            for value in VALUES[: QUERIES["core"]]:
                (await connection.execute(ONE, value)).all()

    async def _connect(self) -> None:
        for value in VALUES[: QUERIES["connect"]]:
            async with self.engine.connect() as connection:
                (await connection.execute(ONE, value)).all()

    def close(self) -> None:
        """Close the connections."""
        self._loop.run_until_complete(self.engine.dispose())

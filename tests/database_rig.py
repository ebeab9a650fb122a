"""A small database whose queries take as long as a test says, by a clock moved by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sqlalchemy import Engine, ForeignKey, create_engine, event, insert, select, text
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, relationship

from hhs_perf import Monitor, Settings
from hhs_perf.database.database import Database
from hhs_perf.testing import FakeClock

SECRET = "hunter2"


class Base(DeclarativeBase):
    """All tables."""


class Person(Base):
    """Somebody with orders."""

    __tablename__ = "person"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    orders: Mapped[list[Order]] = relationship()


class Order(Base):
    """Something ordered."""

    __tablename__ = "ordered"
    id: Mapped[int] = mapped_column(primary_key=True)
    person_id: Mapped[int] = mapped_column(ForeignKey("person.id"))


class Visit(Base):
    """Somebody looked in: there are enough of them to need an index."""

    __tablename__ = "visit"
    id: Mapped[int] = mapped_column(primary_key=True)
    person_id: Mapped[int] = mapped_column(ForeignKey("person.id"))


class Rig:
    """A monitor without thread that sees one SQLite file.

    In it are 20 people with an order each, and 1,200 visits.
    """

    def __init__(self, folder: Path, clock: FakeClock, **environ: str) -> None:
        self.clock = clock
        self.monitor = Monitor(
            Settings.from_env(environ), clock=clock, tick=False, installed_plugins=False
        )
        self.engine: Engine = create_engine(f"sqlite:///{folder}/people.sqlite3")
        event.listen(self.engine, "connect", self._connected)
        Base.metadata.create_all(self.engine)
        with Session(self.engine) as session:
            session.add_all(Person(name=f"{SECRET}-{n}", orders=[Order()]) for n in range(20))
            session.flush()
            session.execute(insert(Visit), [{"person_id": n % 20 + 1} for n in range(1200)])
            session.commit()
        self.engine.dispose()
        self.monitor.database.instrument(self.engine)

    @property
    def database(self) -> Database:
        """The part under test."""
        return self.monitor.database

    def close(self) -> None:
        """Let go of everything."""
        self.monitor.close()
        self.engine.dispose()

    def slow(self, seconds: float = 0.5) -> None:
        """Send a query that takes that long."""
        with self.engine.connect() as connection:
            connection.execute(text(f"SELECT wait({seconds}), '{SECRET}'")).all()

    def fail(self) -> None:
        """Send a query that fails."""
        try:
            with self.engine.connect() as connection:
                connection.execute(text(f"SELECT '{SECRET}' FROM nowhere"))
        except Exception:
            return
        raise AssertionError("it did not fail")

    def n_plus_one(self) -> int:
        """Load 20 people and the orders of each by a query of its own."""
        with Session(self.engine) as session:
            return sum(len(person.orders) for person in session.scalars(select(Person)))

    def _connected(self, connection: Any, _record: object) -> None:
        connection.create_function("wait", 1, self.clock.advance)

"""A primary and its replicas as SQLite files, with a lag that tests set."""

from __future__ import annotations

from sqlalchemy import create_engine, event
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from hhs_perf.database.replicas import ReplicaRouter, routing_sessionmaker
from hhs_perf.database.replicas.probe import Sighting

__all__ = ["Row", "SetProbe", "World"]


class Base(DeclarativeBase):
    pass


class Row(Base):
    """Row 1 of each file names the file."""

    __tablename__ = "row"
    id: Mapped[int] = mapped_column(primary_key=True)
    text: Mapped[str]


class SetProbe:
    """Sees what a test says: a sighting, or an error."""

    def __init__(self) -> None:
        self.sees = Sighting(lag=0.0, lsn=100)
        self.looks = 0
        self.is_closed = False
        self.is_forsaken = False

    def look(self):
        self.looks += 1
        if isinstance(self.sees, Exception):
            raise self.sees
        return self.sees

    def close(self):
        self.is_closed = True

    def forsake(self):
        self.is_forsaken = True


class World:
    """Engines, probes and routers that end with the test."""

    def __init__(self, folder, clock, stack) -> None:
        self.folder = folder
        self.clock = clock
        self.stack = stack
        self.probes = {}
        self.sent = []
        self.primary = self.engine("primary")
        self.replica = self.engine("replica")

    def engine(self, name):
        engine = create_engine(f"sqlite:///{self.folder}/{name}.db")
        self.stack.callback(engine.dispose)
        Base.metadata.create_all(engine)
        with Session(engine) as session:
            session.add(Row(id=1, text=name))
            session.commit()

        def sent(connection, cursor, statement, *rest):
            self.sent.append((name, statement))

        event.listen(engine, "before_cursor_execute", sent)
        return engine

    def router(self, *replicas, **options):
        """Route between the primary and `replicas`, `self.replica` by default; all were probed."""

        def probe(primary, replica):
            return self.probes.setdefault(replica, SetProbe())

        options = {"probe": probe, "probe_every": 3600.0, "clock": self.clock} | options
        router = ReplicaRouter(self.primary, replicas or [self.replica], **options)
        self.stack.callback(router.close)
        router.probe()
        return router

    def sessions(self, *replicas, **options):
        return routing_sessionmaker(self.router(*replicas, **options))

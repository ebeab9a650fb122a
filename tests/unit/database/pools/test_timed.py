"""Pools that are timed from within: waits, holds, time-outs and who holds, on SQLite files."""

from __future__ import annotations

import gc
import sqlite3
import threading
import time
import weakref
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from sqlalchemy import Engine, create_engine, event, exc, text
from sqlalchemy.pool import QueuePool

from hhs_perf._clock import SystemClock, Timeline
from hhs_perf._faults import Faults
from hhs_perf._fork import _renew
from hhs_perf.database.pools import PoolBook, PoolReport
from hhs_perf.database.pools.layer import ledger_of
from hhs_perf.metrics import LocalReader, Registry
from hhs_perf.testing import FakeClock


class Watched:
    """A book with a clock that is moved by hand, and what it records to."""

    def __init__(self, clock: object = None, **options: object) -> None:
        self.clock = clock or FakeClock()
        self.faults = Faults()
        self.metrics = Registry(clock=self.clock)
        self.book = PoolBook(
            timeline=Timeline(self.clock),
            faults=self.faults,
            collector_metrics=self.metrics,
            **options,
        )

    def only(self) -> PoolReport:
        (report,) = self.book.report()
        return report

    def timed(self, kind: str) -> int:
        snapshot = LocalReader(self.metrics).read()
        return snapshot.timer(f"db.pool.{kind}.duration").count


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    made = create_engine(f"sqlite:///{tmp_path}/x.db", pool_size=2, max_overflow=1, pool_timeout=5)
    yield made
    made.dispose()


@pytest.fixture
def watched(engine: Engine) -> Iterator[Watched]:
    made = Watched()
    made.book.watch(engine)
    yield made
    made.book.unwatch(engine)
    assert not made.faults.counts


def test_watched_pool_keeps_its_names_and_classes(engine: Engine, watched: Watched) -> None:
    """Loggers and hosts find the class they knew."""
    assert isinstance(engine.pool, QueuePool)
    kind = type(engine.pool)
    assert (kind.__name__, kind.__qualname__, kind.__module__) == (
        "QueuePool",
        "QueuePool",
        QueuePool.__module__,
    )
    again = create_engine("sqlite:///y.db")
    watched.book.watch(again)
    assert type(again.pool) is kind
    assert watched.book.report()[0].timed_by == "pool"


def test_unwatched_pool_is_what_it_was(engine: Engine, watched: Watched) -> None:
    """Nothing stays behind: class, creator, attributes and listeners."""
    with engine.connect():
        watched.book.unwatch(engine)
    assert type(engine.pool) is QueuePool
    assert "hhs_perf" not in repr(vars(engine.pool).keys())
    assert "hhs_perf" not in type(engine.pool._invoke_creator).__module__
    assert not len(engine.pool.dispatch.invalidate)
    assert watched.book.report() == ()
    with engine.connect():
        pass


def test_counts_of_one_checkout(engine: Engine, watched: Watched) -> None:
    """Connect, wait and hold are told apart."""
    with engine.connect():
        watched.clock.advance(0.25)
        report = watched.only()
        assert (report.in_use, report.idle, report.most_in_use) == (1, 0, 1)
        assert report.utilisation == pytest.approx(1 / 3)
    report = watched.only()
    assert (report.size, report.max_overflow, report.capacity, report.timeout) == (2, 1, 3, 5)
    assert (report.in_use, report.idle, report.overflow, report.waiting) == (0, 1, 0, 0)
    assert (report.checkouts, report.connects, report.closes, report.timeouts) == (1, 1, 0, 0)
    assert report.hold.total == report.hold.longest == report.hold.mean == 0.25
    assert report.wait.count == report.connect.count == 1
    assert [watched.timed(kind) for kind in ("wait", "connect", "hold")] == [1, 1, 1]
    assert (report.recycle, report.pre_ping, report.kind) == (None, False, "QueuePool")


def test_connecting_is_not_waiting(tmp_path: Path) -> None:
    """What the driver takes to connect is told apart from the wait."""
    watched = Watched()

    def slow() -> sqlite3.Connection:
        watched.clock.advance(0.5)
        return sqlite3.connect(tmp_path / "x.db", check_same_thread=False)

    engine = create_engine("sqlite:///ignored.db", creator=slow)
    watched.book.watch(engine)
    with engine.connect():
        pass
    report = watched.only()
    assert (report.connect.total, report.wait.total) == (0.5, 0.0)
    engine.dispose()


def test_waits_agree_with_truth_outside() -> None:
    """Twelve threads on three connections: waits within 5 ms each in sum, time-outs exact."""
    watched = Watched(clock=SystemClock())
    engine = create_engine(
        "sqlite:///unused.db",
        creator=lambda: sqlite3.connect(":memory:", check_same_thread=False),
        pool_size=2,
        max_overflow=1,
        pool_timeout=0.4,
    )
    watched.book.watch(engine)
    outside: list[float] = []
    timeouts: list[float] = []
    gate = threading.Barrier(12)

    def work() -> None:
        gate.wait()
        for _ in range(3):
            begun = time.perf_counter()
            try:
                connection = engine.raw_connection()
            except exc.TimeoutError:
                timeouts.append(time.perf_counter() - begun)
            else:
                outside.append(time.perf_counter() - begun)
                threading.Event().wait(0.15)
                connection.close()

    threads = [threading.Thread(target=work) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    report = watched.only()
    assert report.timeouts == len(timeouts) > 0
    assert report.checkouts == len(outside)
    # What the outside measures besides: connecting, and the few steps of SQLAlchemy around it.
    true = sum(outside) + sum(timeouts) - report.connect.total
    assert 0 <= true - report.wait.total < 0.005 * 36
    assert max(outside + timeouts) - report.wait.longest < 0.05
    assert (report.most_in_use, report.most_waiting, report.waiting) == (3, 9, 0)
    snapshot = LocalReader(watched.metrics).read()
    assert snapshot.count("db.pool.timeouts") == len(timeouts)
    assert report.in_use == 0
    engine.dispose()


def test_figures_follow_to_the_pool_after_dispose(engine: Engine, watched: Watched) -> None:
    """The new pool writes to the same ledger, and so do returns to the old one."""
    held = engine.connect()
    old = engine.pool
    engine.dispose()
    assert engine.pool is not old
    with engine.connect():
        watched.clock.advance(1)
    held.close()
    report = watched.only()
    assert (report.checkouts, report.hold.count, report.hold.total) == (2, 2, 2.0)
    assert (report.in_use, report.connects) == (0, 2)
    old.dispose()


def test_subclasses_of_the_host_are_timed(tmp_path: Path) -> None:
    """Also one whose `recreate` names its class, and one that overrides `_do_get`."""

    class Named(QueuePool):
        gets = 0

        def _do_get(self) -> object:
            Named.gets += 1
            return super()._do_get()

        def recreate(self) -> Named:
            return Named(self._creator, dialect=self._dialect, _dispatch=self.dispatch)

    watched = Watched()
    engine = create_engine(f"sqlite:///{tmp_path}/x.db", poolclass=Named)
    watched.book.watch(engine)
    for _ in range(2):
        with engine.connect():
            pass
        engine.dispose()
    report = watched.only()
    assert (report.kind, report.timed_by, report.checkouts, Named.gets) == ("Named", "pool", 2, 2)
    watched.book.unwatch(engine)
    assert type(engine.pool) is Named


def test_two_engines_share_a_pool(engine: Engine, watched: Watched) -> None:
    """One pool is told of once, whoever of its engines used it."""
    other = create_engine(engine.url, pool=engine.pool)
    watched.book.watch(other)
    with engine.connect(), other.connect():
        pass
    assert watched.only().checkouts == 2
    watched.book.unwatch(engine)
    with other.connect():
        pass
    assert watched.only().checkouts == 3


def test_two_books_and_two_watches_see_each_checkout_once(engine: Engine, watched: Watched) -> None:
    """Both have figures, over one layer; the last that goes lifts it."""
    second = Watched(clock=watched.clock)
    second.book.watch(engine)
    watched.book.watch(engine)
    layers = [one for one in type(engine.pool).__mro__ if "_hhs_perf_is_layer" in vars(one)]
    assert len(layers) == 1
    with engine.connect():
        pass
    assert (watched.only().checkouts, second.only().checkouts) == (1, 1)
    assert (watched.timed("hold"), second.timed("hold")) == (1, 1)
    second.book.unwatch(engine)
    with engine.connect():
        pass
    assert (watched.only().checkouts, watched.timed("hold"), second.timed("hold")) == (2, 2, 1)


def test_creator_that_fails_reaches_the_caller_and_is_counted() -> None:
    """The error is the driver's own, and the pool is as free as before."""
    watched = Watched()

    def refuse() -> None:
        raise sqlite3.OperationalError("no")

    engine = create_engine("sqlite:///x.db", creator=refuse, pool_size=1, max_overflow=0)
    watched.book.watch(engine)
    for _ in range(3):
        with pytest.raises(exc.OperationalError):
            engine.connect()
    report = watched.only()
    assert (report.connect_errors, report.checkouts, report.in_use, report.timeouts) == (3, 0, 0, 0)


def test_invalidations_and_reconnects(engine: Engine, watched: Watched) -> None:
    """Hard and soft ones are counted, and the connection that takes the place."""
    with engine.connect() as connection:
        connection.invalidate()
    with engine.connect() as connection:
        connection.connection.invalidate(soft=True)
    with engine.connect():
        pass
    report = watched.only()
    assert (report.invalidations, report.connects, report.reconnects) == (2, 3, 2)
    assert report.closes == 2
    assert LocalReader(watched.metrics).read().count("db.pool.invalidations") == 2


def test_lost_connection_is_counted(engine: Engine, watched: Watched) -> None:
    """A driver's disconnect invalidates; the hold still ends."""
    with pytest.raises(exc.DBAPIError), engine.connect() as connection:
        connection.detach()
        connection.connection.dbapi_connection.close()
        connection.execute(text("SELECT 1"))
    assert (watched.only().in_use, watched.only().hold.count) == (0, 1)


def test_collected_connection_comes_back(engine: Engine, watched: Watched) -> None:
    """Who forgets to close holds until the collection."""
    connection = engine.raw_connection()
    watched.clock.advance(2)
    del connection
    gc.collect()
    report = watched.only()
    assert (report.in_use, report.hold.count, report.hold.total) == (0, 1, 2.0)
    assert not ledger_of(engine.pool).out


def test_engine_and_pool_are_not_kept_alive(tmp_path: Path) -> None:
    """A book holds engines weakly, and pools through them."""
    watched = Watched()
    engine = create_engine(f"sqlite:///{tmp_path}/x.db")
    watched.book.watch(engine)
    with engine.connect():
        pass
    engine.dispose()
    held = weakref.ref(engine), weakref.ref(engine.pool)
    del engine
    gc.collect()
    assert [one() for one in held] == [None, None]
    assert watched.book.report() == ()


def test_faults_of_ours_never_reach_the_caller(engine: Engine, watched: Watched) -> None:
    """They are counted, and checkouts go on."""
    ledger = ledger_of(engine.pool)
    ledger.waits = ledger.holds = None
    with engine.connect() as connection:
        assert connection.scalar(text("SELECT 1")) == 1
    assert set(watched.faults.counts) == {
        "timing a checkout: AttributeError",
        "timing the return of a connection: AttributeError",
    }
    ledger.waits, ledger.holds = [], []
    watched.faults._counts.clear()


def test_holder_is_named(engine: Engine) -> None:
    """With the time it took the connection, its line, its route and its thread."""
    routes = threading.local()
    watched = Watched(held_too_long=30.0, route_of=lambda: getattr(routes, "here", None))
    watched.book.watch(engine)
    routes.here = "/slow"
    first = engine.connect()
    watched.clock.advance(10)
    assert watched.only().holders == ()
    watched.clock.advance(21)
    began = watched.clock.wall() - 31
    (holder,) = watched.only().holders
    assert holder.since == pytest.approx(began)
    assert (holder.route, holder.thread, holder.task) == ("/slow", "MainThread", None)
    assert holder.line.file.endswith("test_timed.py")
    assert holder.line_seen == "later"
    assert holder.now.function == "Watched.only"  # where this thread is now
    second = engine.connect()
    watched.clock.advance(31)
    assert [one.line_seen for one in watched.only().holders] == ["later", "checkout"]
    second.close()
    first.close()
    assert watched.only().holders == ()
    assert not ledger_of(engine.pool).out
    watched.book.unwatch(engine)


def test_holder_of_a_busy_pool_is_known_by_the_line_that_took(
    engine: Engine, watched: Watched
) -> None:
    """From half of the pool on, each checkout looks up its line."""
    held = [engine.connect() for _ in range(3)]
    watched.clock.advance(31)
    assert [one.line_seen for one in watched.only().holders] == ["later", "checkout", "checkout"]
    for one in held:
        one.close()


def test_listeners_of_the_host_on_all_pools_still_hear(tmp_path: Path, watched: Watched) -> None:
    """Before and after the class of a pool was exchanged, and after it was recreated."""
    heard: list[str] = []

    def hear(*_: object) -> None:
        heard.append("connect")

    event.listen(QueuePool, "connect", hear)
    try:
        engine = create_engine(f"sqlite:///{tmp_path}/x.db")
        watched.book.watch(engine)
        assert heard == []
        for _ in range(2):
            with engine.connect():
                pass
            engine.dispose()
        assert heard == ["connect"] * 2
    finally:
        event.remove(QueuePool, "connect", hear)


def test_child_begins_at_nothing(engine: Engine, watched: Watched) -> None:
    """After a fork nothing of the parent is told, and locks that others held are new."""
    with engine.connect():
        held = engine.connect()
        ledger = ledger_of(engine.pool)
        ledger.lock.acquire()
        _renew()
        report = watched.only()
        assert (report.checkouts, report.connects, report.most_in_use) == (0, 0, 2)
        assert (report.hold.count, report.holders, ledger.out) == (0, (), {})
        parents = engine.pool
        engine.dispose(close=False)
        with engine.connect():
            assert watched.only().checkouts == 1
        held.close()
    assert watched.only().hold.count == 1
    parents.dispose()


def test_names_of_pools(tmp_path: Path, watched: Watched) -> None:
    """Without user, password and options; two alike are numbered; names for logs follow."""
    url = "postgresql+psycopg://me:secret@db.example:5433/shop?sslmode=require"
    engines = [create_engine(url), create_engine(url), create_engine(url, logging_name="reports")]
    for engine in engines:
        watched.book.watch(engine)
    assert [report.name for report in watched.book.report()][1:] == [
        "postgresql://db.example:5433/shop",
        "postgresql://db.example:5433/shop #2",
        "postgresql://db.example:5433/shop (reports)",
    ]


def test_pool_without_limit_has_no_utilisation(tmp_path: Path) -> None:
    """What is unbounded is null."""
    watched = Watched()
    engines = [
        create_engine(f"sqlite:///{tmp_path}/x.db", pool_size=0),
        create_engine(f"sqlite:///{tmp_path}/y.db", pool_size=2, max_overflow=-1),
    ]
    for engine in engines:
        watched.book.watch(engine)
        with engine.connect(), engine.connect(), engine.connect():
            report = watched.book.report()[-1]
            assert (report.utilisation, report.capacity, report.in_use) == (None, None, 3)
        engine.dispose()
    sizes = [(one.size, one.max_overflow) for one in watched.book.report()]
    assert sizes == [(None, None), (2, None)]


def test_stress_of_threads_keeps_every_count(engine: Engine) -> None:
    """Races inside the pool, where its method calls itself, count each checkout once."""
    watched = Watched(clock=SystemClock())
    watched.book.watch(engine)
    done = []

    def work() -> None:
        for _ in range(1000):
            engine.raw_connection().close()
        done.append(1000)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    report = watched.only()
    assert report.checkouts == report.hold.count == sum(done) == 8000
    assert (report.timeouts, report.in_use, report.waiting) == (0, 0, 0)
    watched.book.unwatch(engine)


def test_report_can_be_written_as_json(engine: Engine, watched: Watched) -> None:
    """All of it are values that the routes can show."""
    with engine.connect():
        watched.clock.advance(31)
        shown = msgspec.json.decode(msgspec.json.encode(watched.only()))
    assert shown["holders"][0]["now"]["file"].endswith("test_timed.py")
    assert "PoolReport" in msgspec.json.schema_components([PoolReport])[1]


def test_a_report_leaves_the_path_of_a_checkout_as_it_was(engine: Engine, watched: Watched) -> None:
    """Reading changes nothing; the tick looks up lines while one is held too long, then no more."""
    ledger = ledger_of(engine.pool)
    before = ledger.look_from, ledger.quiet_to
    held = engine.connect()
    watched.metrics.flush()  # so that the report has nothing to record, which may flush
    watched.clock.advance(31)
    assert len(watched.only().holders) == 1
    assert (ledger.look_from, ledger.quiet_to) == (before[0], 1)
    watched.metrics.flush()
    assert (ledger.look_from, ledger.quiet_to) == (0, -1)
    held.close()
    watched.metrics.flush()
    assert (ledger.look_from, ledger.quiet_to) == (before[0], 1)


def test_two_reports_of_one_holder_are_alike() -> None:
    """When a connection was taken is told by one reading of the clock, not by two."""

    class Creeping(FakeClock):
        def monotonic(self) -> float:
            self.advance(0.000_123)
            return super().monotonic()

    watched = Watched(clock=Creeping())
    engine = create_engine("sqlite://", poolclass=QueuePool)
    watched.book.watch(engine)
    with engine.connect():
        watched.clock.advance(31)

        def look() -> tuple[float, ...]:
            return tuple(one.since for one in watched.only().holders)

        first, second = look(), look()
        assert first == second != ()
    engine.dispose()


def test_the_mark_changes_with_the_report_alone(engine: Engine, watched: Watched) -> None:
    """It is what tells whether the report would be another one."""
    marks = [watched.book.mark()]
    assert watched.book.mark() == marks[0]
    with engine.connect():
        marks.append(watched.book.mark())
        watched.clock.advance(31)
        marks.append(watched.book.mark())
    marks.append(watched.book.mark())
    assert len(set(marks)) == 4

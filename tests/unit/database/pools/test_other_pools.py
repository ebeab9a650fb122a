"""Pools in which nobody waits: what can be told of them is, the rest is null."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import create_engine
from sqlalchemy.pool import (
    AssertionPool,
    AsyncAdaptedQueuePool,
    NullPool,
    QueuePool,
    SingletonThreadPool,
    StaticPool,
)

from hhs_perf._clock import Timeline
from hhs_perf._faults import Faults
from hhs_perf.database.pools import PoolBook, can_time
from hhs_perf.database.pools import trial as trial_module
from hhs_perf.metrics import Registry
from hhs_perf.testing import FakeClock


@pytest.fixture
def book(clock: FakeClock) -> PoolBook:
    return PoolBook(
        timeline=Timeline(clock), faults=Faults(), collector_metrics=Registry(clock=clock)
    )


@pytest.mark.parametrize("kind", [NullPool, AssertionPool, SingletonThreadPool])
def test_holds_and_connects_by_events(
    kind: type, book: PoolBook, clock: FakeClock, tmp_path: Path
) -> None:
    """Public events give holds, connects and their time, but no wait."""
    engine = create_engine(f"sqlite:///{tmp_path}/x.db", poolclass=kind)
    book.watch(engine)
    with engine.connect():
        clock.advance(0.5)
        (report,) = book.report()
        assert report.in_use == 1
    engine.dispose()
    with engine.connect():
        pass
    (report,) = book.report()
    assert (report.kind, report.timed_by) == (kind.__name__, "events")
    assert report.reason == f"{kind.__name__} keeps no queue of connections, so nobody waits in one"
    assert (report.size, report.capacity, report.utilisation, report.idle) == (None,) * 4
    assert (report.wait, report.waiting, report.timeouts, report.timeout) == (None,) * 4
    assert (report.checkouts, report.in_use, report.hold.count, report.hold.total) == (2, 0, 2, 0.5)
    assert report.connects == report.connect.count == 2
    book.unwatch(engine)
    assert "_hhs_perf_ledger" not in vars(engine.pool)
    engine.dispose()


def test_one_connection_for_all_has_no_holds(book: PoolBook) -> None:
    """A StaticPool lends one connection to many at a time."""
    engine = create_engine("sqlite://", poolclass=StaticPool)
    book.watch(engine)
    with engine.connect(), engine.connect():
        (report,) = book.report()
    assert (report.hold, report.in_use, report.checkouts, report.connects) == (None, None, None, 1)
    engine.dispose()


def test_queue_pools_can_be_timed() -> None:
    """Both of SQLAlchemy's, and classes derived from them."""

    class Derived(QueuePool):
        def __init__(self, creator: object, *, needed: str) -> None:
            super().__init__(creator)

    assert [can_time(one) for one in (QueuePool, AsyncAdaptedQueuePool, Derived)] == [None] * 3


def test_changed_signature_leads_to_events(
    book: PoolBook, clock: FakeClock, tmp_path: Path
) -> None:
    """A version of SQLAlchemy that does it otherwise is told of, and holds still are known."""

    class Other(QueuePool):
        def _do_get(self, *, patience: float = 1.0) -> object:
            return super()._do_get()

    engine = create_engine(f"sqlite:///{tmp_path}/x.db", poolclass=Other, pool_size=1)
    book.watch(engine)
    with engine.connect():
        clock.advance(1)
    engine.dispose()
    with engine.connect():
        clock.advance(1)
    (report,) = book.report()
    assert (report.timed_by, report.wait, report.timeouts) == ("events", None, None)
    assert "Other._do_get takes ('self', 'patience'), not ('self',)" in report.reason
    assert (report.size, report.hold.total, report.checkouts, report.idle) == (1, 2.0, 2, 1)
    book.unwatch(engine)
    engine.dispose()


def test_pool_that_cannot_be_timed_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    """The trial really lends and takes back."""
    monkeypatch.setattr(trial_module, "lay_over", lambda pool, ledger: None)
    assert can_time(QueuePool) == (
        "QueuePool could not be timed: NotImplementedError: a connection was handed out unseen"
    )


def test_class_that_does_not_let_itself_be_exchanged_is_heard(
    book: PoolBook, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The events stay."""

    def refuse(pool: object, ledger: object) -> None:
        raise TypeError("object layout differs")

    monkeypatch.setattr("hhs_perf.database.pools.book.lay_over", refuse)
    engine = create_engine(f"sqlite:///{tmp_path}/x.db")
    book.watch(engine)
    with engine.connect():
        pass
    (report,) = book.report()
    assert (report.timed_by, report.checkouts) == ("events", 1)
    assert report.reason == "the class of the pool cannot be exchanged: object layout differs"
    book.unwatch(engine)
    engine.dispose()

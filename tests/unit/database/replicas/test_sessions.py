"""Where the statements of a routing session run."""

from __future__ import annotations

import pytest
from sqlalchemy import create_engine, event, func, insert, select, text, update
from sqlalchemy.exc import OperationalError, PendingRollbackError
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from hhs_perf.database.replicas import (
    RoutingSession,
    primary,
    read_only,
    routing_sessionmaker,
)
from hhs_perf.database.replicas.probe import Sighting
from hhs_perf.exceptions import ReadOnlyError
from tests.replica_worlds import Row

NAME = select(Row.text).where(Row.id == 1)
READS = {
    "select": lambda session: session.scalar(NAME),
    "scalars": lambda session: session.scalars(NAME).one(),
    "execute": lambda session: session.execute(NAME).scalar_one(),
    "get": lambda session: session.get(Row, 1).text,
    "query": lambda session: session.query(Row).filter_by(id=1).one().text,
    "text": lambda session: session.scalar(text("SELECT text FROM row WHERE id = 1")),
    "connection for a clause": lambda session: session.connection(
        bind_arguments={"clause": NAME}
    ).scalar(NAME),
}
WRITES = {
    "flush": lambda session: (session.add(Row(id=2, text="")), session.flush()),
    "insert": lambda session: session.execute(insert(Row).values(id=2, text="")),
    "insert many": lambda session: session.execute(insert(Row), [{"id": 2, "text": ""}]),
    "insert returning": lambda session: session.scalars(
        insert(Row).values(id=2, text="").returning(Row)
    ).all(),
    "update": lambda session: session.execute(update(Row).where(Row.id == 9).values(text="")),
    "query update": lambda session: session.query(Row).filter_by(id=9).update({"text": ""}),
    "query delete": lambda session: session.query(Row).filter_by(id=9).delete(),
    "bulk": lambda session: session.bulk_insert_mappings(Row, [{"id": 2, "text": ""}]),
    "text": lambda session: session.execute(text("INSERT INTO row VALUES (2, '')")),
    "for update": lambda session: session.scalar(NAME.with_for_update()),
    "get for update": lambda session: session.get(Row, 1, with_for_update=True),
    "query for update": lambda session: session.query(Row).with_for_update().all(),
    "function": lambda session: session.execute(func.now()),
    "raw connection": lambda session: session.connection().execute(NAME),
}


@pytest.mark.parametrize("name", READS)
def test_reads_run_on_the_replica(world, name):
    world.sent.clear()
    with world.sessions()() as session:
        READS[name](session)
    assert {where for where, _ in world.sent} == {"replica"}


@pytest.mark.parametrize("name", WRITES)
def test_writes_and_locks_and_what_may_be_either_run_on_the_primary(world, name):
    world.sent.clear()
    with world.sessions()() as session:
        WRITES[name](session)
    assert {where for where, _ in world.sent} == {"primary"}


@pytest.mark.parametrize("name", WRITES)
def test_a_write_after_a_read_takes_the_rest_to_the_primary(world, name):
    with world.sessions()() as session:
        assert session.scalar(NAME) == "replica"
        WRITES[name](session)
        assert session.scalar(NAME) == "primary"


def test_a_transaction_reads_from_one_replica(world):
    sessions = world.sessions(world.replica, world.engine("other"))
    seen = []
    for _ in range(6):
        with sessions() as session:
            seen.append({session.scalar(NAME) for _ in range(5)})
    assert all(len(names) == 1 for names in seen)
    assert set().union(*seen) == {"replica", "other"}


def test_each_transaction_of_a_session_chooses_anew(world):
    sessions = world.sessions(world.replica, world.engine("other"))
    with sessions() as session:
        seen = []
        for _ in range(4):
            seen.append(session.scalar(NAME))
            session.commit()
    assert seen == ["replica", "other"] * 2


def test_refreshing_and_lazy_loading_stay_where_the_transaction_is(world):
    with world.sessions()() as session:
        row = session.get(Row, 1)
        session.expire(row)
        assert row.text == "replica"
        session.refresh(row)
        session.refresh(row, with_for_update=True)
        assert row.text == "primary"


def test_savepoints_stay_where_the_transaction_is(world):
    with world.sessions()() as session:
        with session.begin_nested():
            assert session.scalar(NAME) == "replica"
        with session.begin_nested():
            session.add(Row(id=2, text="new"))
        assert session.scalar(NAME) == "primary"
        session.commit()
    with Session(world.primary) as session:
        assert session.get(Row, 2).text == "new"


def test_a_rolled_back_savepoint_leaves_the_transaction_on_the_primary(world):
    with world.sessions()() as session:
        nested = session.begin_nested()
        session.execute(insert(Row).values(id=2, text=""))
        nested.rollback()
        assert session.scalar(NAME) == "primary"


def test_asking_which_engine_is_used_decides_nothing(world):
    """Extensions ask `get_bind()` for the dialect, and `str(query)` does."""
    with world.sessions()() as session:
        assert session.get_bind() is world.primary
        str(session.query(Row))
        assert session.scalar(NAME) == "replica"


def test_the_binds_of_the_host_win(world, tmp_path):
    class Elsewhere(DeclarativeBase):
        pass

    class Other(Elsewhere):
        __tablename__ = "other"
        id: Mapped[int] = mapped_column(primary_key=True)

    elsewhere = create_engine(f"sqlite:///{tmp_path}/elsewhere.db")
    Elsewhere.metadata.create_all(elsewhere)
    sessions = routing_sessionmaker(world.router(), binds={Elsewhere: elsewhere})
    with sessions() as session:
        assert session.get_bind(Other) is elsewhere
        assert session.scalars(select(Other)).all() == []
        session.add(Other(id=1))
        session.flush()
        assert session.scalar(NAME) == "replica"
        assert session.scalar(NAME, bind_arguments={"bind": world.primary}) == "primary"
        session.rollback()
    elsewhere.dispose()


def test_a_session_bound_to_a_connection_is_not_routed(world):
    """The recipe that joins a test's outer transaction."""
    router = world.router()
    with world.primary.connect() as connection, connection.begin():
        with RoutingSession(connection, router=router) as session:
            assert session.scalar(NAME) == "primary"
            session.commit()
        assert router.token() is None


def test_sessions_of_two_phases_stay_on_the_primary(world):
    router = world.router()
    with RoutingSession(router=router, twophase=True) as session:
        assert session.get_bind(clause=NAME) is world.primary
        assert router.report().fallbacks == ()


def test_own_writes_are_read_from_the_primary_until_the_time_is_over(world):
    sessions = world.sessions(stick_for=2.0)
    with sessions() as session:
        session.add(Row(id=2, text="new"))
        session.commit()
        assert session.scalar(NAME) == "primary"
        session.rollback()
        world.clock.advance(1.9)
        assert session.scalar(NAME) == "primary"
        session.rollback()
        world.clock.advance(0.2)
        assert session.scalar(NAME) == "replica"


def test_a_savepoint_released_is_no_commit(world):
    router = world.router()
    with RoutingSession(router=router) as session:
        with session.begin_nested():
            session.add(Row(id=2, text=""))
        assert router.token() is None
        session.rollback()
    assert router.token() is None


def test_a_commit_that_failed_may_have_happened(world):
    router = world.router()

    def refuse(connection):
        raise OperationalError("COMMIT", None, ConnectionError("cut"))

    event.listen(world.primary, "commit", refuse)
    with RoutingSession(router=router) as session:
        session.add(Row(id=2, text=""))
        with pytest.raises(OperationalError):
            session.commit()
    assert router.token() is not None


# Nobody knows of it that it only reads.
CALL = select(func.zeroblob(1))


@pytest.mark.parametrize(
    "statement", [CALL, text("SELECT zeroblob(1)"), select(Row.id).where(CALL.exists())]
)
def test_a_function_called_on_the_primary_may_have_written(world, statement):
    router = world.router()
    with primary(), RoutingSession(router=router) as session:
        session.scalar(NAME)
        session.scalar(statement)
        assert router.token() is None
        session.commit()
    assert router.token() is not None


def test_it_may_have_written_for_whatever_reason_it_runs_on_the_primary(world):
    router = world.router(max_lag=0.5)
    probe = world.probes[world.replica]
    for sees in (Sighting(lag=9.0, lsn=1), Sighting(is_promoted=True), ConnectionError()):
        router.remember(None)
        probe.sees = sees
        router.probe()
        with RoutingSession(router=router) as session:
            session.scalar(CALL)
            session.commit()
        assert router.token() is not None


def test_what_only_reads_on_the_primary_or_is_rolled_back_was_not_written(world):
    router = world.router()
    with primary(), RoutingSession(router=router) as session:
        session.scalar(select(func.count()).select_from(Row))
        session.commit()
        session.scalar(CALL)
        session.rollback()
    with RoutingSession(router=router) as session:
        session.scalar(CALL)
        session.commit()
    assert router.token() is None
    assert router.report().replica_transactions == 1


def test_within_primary_transactions_begin_on_the_primary(world):
    sessions = world.sessions()
    with primary(), sessions() as session:
        assert session.scalar(NAME) == "primary"
    with sessions() as session:
        assert session.scalar(NAME) == "replica"


@pytest.mark.parametrize("name", [name for name in WRITES if name != "raw connection"])
def test_within_read_only_a_write_is_refused_before_it_is_sent(world, name):
    with world.sessions()() as session:
        world.sent.clear()
        with read_only(), pytest.raises(ReadOnlyError, match="read_only"):
            WRITES[name](session)
        assert world.sent == []


def test_within_read_only_reads_go_to_the_replica_and_the_raw_connection_is_its(world):
    with world.sessions()() as session, read_only():
        assert session.scalar(NAME) == "replica"
        assert session.connection().scalar(NAME) == "replica"
        session.commit()


def test_within_read_only_pending_objects_are_kept_for_later(world):
    with world.sessions()() as session:
        session.add(Row(id=2, text="later"))
        with read_only(), pytest.raises(ReadOnlyError):
            session.commit()
        session.commit()
        assert session.get(Row, 2).text == "later"


def test_both_scopes_together_read_the_primary_and_refuse_writes(world):
    with world.sessions()() as session, primary(), read_only():
        assert session.scalar(NAME) == "primary"
        with pytest.raises(ReadOnlyError):
            session.execute(update(Row).values(text=""))


def test_an_isolation_that_the_session_asked_for_counts(world):
    with world.sessions(committed_reads(world.replica))() as session:
        options = {"isolation_level": "SERIALIZABLE"}
        session.connection(bind_arguments={"clause": NAME}, execution_options=options)
        assert session.scalar(NAME) == "replica"
        lose(world.replica)
        with pytest.raises(OperationalError):
            session.scalar(NAME)
        session.rollback()


def lose(engine, statement="SELECT"):
    """Make the next matching statement of an engine fail as when its server dies."""

    def fail(connection, cursor, sent, *rest):
        if sent.startswith(statement) and engine in lost:
            lost.remove(engine)
            raise OperationalError(sent, None, ConnectionError("cut"), connection_invalidated=True)

    lost = [engine]
    event.listen(engine, "before_cursor_execute", fail)


def test_a_replica_that_dies_with_the_first_statement_costs_no_error(world):
    router = world.router()
    lose(world.replica)
    with RoutingSession(router=router) as session:
        session.add(Row(id=7, text="pending"))
        with session.no_autoflush:
            assert session.scalar(NAME) == "primary"
        session.commit()
    with RoutingSession(router=router) as session:
        assert session.scalar(NAME) == "primary"
    report = router.report()
    assert report.replicas[0].state == "down"
    assert "cut" in report.replicas[0].last_error
    router.probe()
    world.clock.advance(5.0)
    with RoutingSession(router=router) as session:
        assert session.get(Row, 1).text == "replica"


def test_a_replica_that_dies_with_the_first_statement_of_a_savepoint_costs_no_error(world):
    lose(world.replica)
    with world.sessions()() as session:
        with session.begin_nested():
            assert session.scalar(NAME) == "primary"
            session.add(Row(id=2, text="new"))
        session.commit()
        assert session.get(Row, 2).text == "new"


def committed_reads(engine):
    """Give the engine whose statements each see what is committed, as PostgreSQL's by default."""
    return engine.execution_options(isolation_level="READ UNCOMMITTED")


def test_a_replica_that_dies_between_two_reads_costs_no_error(world):
    """Each statement sees what is committed then, whatever the one before saw."""
    router = world.router(committed_reads(world.replica))
    with RoutingSession(router=router) as session:
        row = session.get(Row, 1)
        assert row.text == "replica"
        lose(world.replica)
        assert session.scalar(NAME) == "primary"
        session.refresh(row)
        assert row.text == "primary"
        session.commit()
    report = router.report()
    assert report.replicas[0].state == "down"
    assert {each.reason: each.transactions for each in report.fallbacks} == {"down": 1}


def test_a_replica_that_dies_between_two_reads_of_a_savepoint_costs_no_error(world):
    with world.sessions(committed_reads(world.replica))() as session:
        assert session.scalar(NAME) == "replica"
        with session.begin_nested():
            assert session.scalar(NAME) == "replica"
            lose(world.replica)
            assert session.scalar(NAME) == "primary"
        session.commit()


def test_while_a_streamed_result_is_open_the_error_travels(world):
    with world.sessions(committed_reads(world.replica))() as session:
        rows = session.execute(NAME, execution_options={"stream_results": True})
        lose(world.replica)
        with pytest.raises(OperationalError):
            session.scalar(NAME)
        rows.close()
        session.rollback()


@pytest.mark.parametrize("ends", ["scalars", "execute"])
def test_a_streamed_result_that_ended_is_in_nobodys_way(world, ends):
    with world.sessions(committed_reads(world.replica))() as session:
        streamed = select(Row).execution_options(yield_per=1)
        if ends == "scalars":
            rows = session.scalars(streamed)
            assert len(list(rows)) == 1
        else:
            session.execute(streamed).close()
        lose(world.replica)
        assert session.scalar(NAME) == "primary"


def test_once_rows_were_read_in_an_isolated_transaction_the_error_travels(world):
    """What was read before may not be what the primary shows now: SQLite isolates by default."""
    router = world.router()
    with RoutingSession(router=router) as session:
        assert session.scalar(NAME) == "replica"
        lose(world.replica)
        with pytest.raises(OperationalError):
            session.scalar(NAME)
        session.rollback()
        assert session.scalar(NAME) == "primary"
    assert router.report().replicas[0].state == "down"


def test_errors_that_are_the_statements_own_travel(world):
    router = world.router()
    with RoutingSession(router=router) as session:
        with pytest.raises(OperationalError, match="no such table"):
            session.execute(text("SELECT * FROM nowhere"))
        session.rollback()
        assert session.scalar(NAME) == "replica"
    assert router.report().replicas[0].state == "healthy"


def test_a_replica_that_takes_no_connection_costs_no_error(world):
    def refuse(dialect, record, arguments, keywords):
        raise ConnectionRefusedError("nobody listens")

    world.replica.dispose()
    event.listen(world.replica, "do_connect", refuse)
    router = world.router()
    with RoutingSession(router=router) as session:
        assert session.scalar(NAME) == "primary"
    assert router.report().replicas[0].last_error == "ConnectionRefusedError: nobody listens"


def test_where_connections_cannot_be_let_go_of_the_error_travels(world, monkeypatch):
    monkeypatch.setattr("hhs_perf.database.replicas.held._connections_of", lambda _: None)
    lose(world.replica)
    with world.sessions()() as session:
        with pytest.raises(OperationalError):
            session.scalar(NAME)
        session.rollback()
        assert session.scalar(NAME) == "primary"


def test_a_replica_that_dies_after_it_was_read_fails_no_commit(world):
    with world.sessions()() as session:
        assert session.scalar(NAME) == "replica"

        def fail(connection):
            raise OperationalError("COMMIT", None, ConnectionError("cut"))

        event.listen(world.replica, "commit", fail)
        event.listen(world.replica, "rollback", fail)
        session.add(Row(id=2, text="new"))
        session.commit()
        assert session.get(Row, 2).text == "new"
        session.rollback()


def test_what_a_listener_of_the_host_raises_on_a_replicas_way_back_is_a_fault(world):
    def wrong(connection):
        raise ValueError("a listener of the host")

    router = world.router()
    with RoutingSession(router=router) as session:
        assert session.scalar(NAME) == "replica"
        event.listen(world.replica, "rollback", wrong)
        session.add(Row(id=2, text="new"))
        session.commit()
    cause = "returning a replica's connection: ValueError"
    assert list(router.faults.counts) == [cause]


def test_routing_sends_nothing_of_its_own(world):
    def sent_by(make):
        world.sent.clear()
        with make() as session:
            session.get(Row, 1)
        return [sql for _, sql in world.sent]

    routed = sent_by(world.sessions())
    assert routed == sent_by(lambda: Session(world.replica))
    assert len(routed) == 1


def test_a_session_that_failed_is_usable_after_a_rollback_as_any_other(world):
    with world.sessions()() as session:
        session.add(Row(id=1, text="twice"))
        with pytest.raises(Exception, match="UNIQUE"):
            session.flush()
        with pytest.raises(PendingRollbackError):
            session.scalar(NAME)
        session.rollback()
        assert session.scalar(NAME) == "replica"


def test_subclasses_and_options_are_the_hosts(world):
    class HostSession(RoutingSession):
        pass

    sessions = routing_sessionmaker(
        world.router(), class_=HostSession, expire_on_commit=False, info={"a": 1}
    )
    with sessions() as session:
        assert isinstance(session, HostSession)
        assert session.info == {"a": 1}
    with sessions.begin() as session:
        session.add(Row(id=2, text="new"))

"""When a replica is used, and what is told of it."""

from __future__ import annotations

import itertools
import json
import sqlite3
from math import inf
from threading import Event, Thread

import attrs
import pytest
from sqlalchemy import create_engine, select

from hhs_perf._faults import Faults
from hhs_perf.database.replicas import ReplicaRouter, RoutingSession, primary
from hhs_perf.database.replicas.probe import Sighting
from hhs_perf.exceptions import ConfigurationError, ReplicaError
from hhs_perf.metrics import Registry
from tests.replica_worlds import Row, SetProbe

NAME = select(Row.text).where(Row.id == 1)


def read(router):
    with RoutingSession(router=router) as session:
        return session.scalar(NAME)


def write(router, number):
    with RoutingSession(router=router) as session:
        session.add(Row(id=number, text=""))
        session.commit()


def reasons(router):
    return {each.reason: each.transactions for each in router.report().fallbacks}


def test_before_the_first_probe_reads_go_to_the_primary(world):
    answer = Event()

    class Slow(SetProbe):
        def look(self):
            answer.wait(20)
            return super().look()

    with ReplicaRouter(world.primary, [world.replica], probe=lambda *_: Slow()) as router:
        assert read(router) == "primary"
        assert reasons(router) == {"unknown": 1}
        assert router.report().replicas[0].state == "unknown"
        answer.set()
        router.probe()
        assert read(router) == "replica"


def test_a_lagging_replica_is_left_out_until_it_caught_up(world):
    router = world.router(max_lag=0.5)
    probe = world.probes[world.replica]
    for lag, expected in ((0.5, "replica"), (0.51, "primary"), (inf, "primary"), (0.1, "replica")):
        probe.sees = Sighting(lag=lag, lsn=1)
        router.probe()
        assert read(router) == expected
    assert reasons(router) == {"lag": 2}


def test_a_replica_whose_lag_is_unknown_is_used(world):
    router = world.router()
    world.probes[world.replica].sees = Sighting(note="not told")
    router.probe()
    assert read(router) == "replica"
    assert router.report().replicas[0].note == "not told"


def test_a_promoted_replica_is_one_no_more(world):
    router = world.router()
    world.probes[world.replica].sees = Sighting(is_promoted=True, note="promoted")
    router.probe()
    assert read(router) == "primary"
    assert router.report().replicas[0].state == "promoted"
    assert reasons(router) == {"promoted": 1}


def test_a_replica_that_answers_no_probe_is_down_until_it_does(world):
    router = world.router()
    probe = world.probes[world.replica]
    probe.sees = ConnectionError("nobody listens")
    router.probe()
    assert read(router) == "primary"
    state = router.report().replicas[0]
    assert (state.state, state.lag) == ("down", None)
    assert state.last_error == "ConnectionError: nobody listens"
    probe.sees = Sighting(lag=0.0, lsn=1)
    router.probe()
    assert read(router) == "replica"


def test_a_dead_replica_is_asked_ever_more_rarely_but_every_ten_seconds(world):
    router = world.router(probe_every=1.0)
    probe = world.probes[world.replica]
    probe.sees = ConnectionError()
    (watch,) = router._watches
    asked = []
    for tenth in range(600):
        looks = probe.looks
        watch.tick()
        if probe.looks > looks:
            asked.append(tenth / 10)
        world.clock.advance(0.1)
    pauses = [after - before for before, after in itertools.pairwise(asked)]
    assert pauses == pytest.approx([1.0, 1.8, 3.6, 7.2, *[9.0] * (len(pauses) - 4)], abs=0.11)


def test_what_was_seen_counts_for_three_probes_and_twice_their_time_out(world):
    router = world.router(probe_every=1.0)
    router.close()  # no thread looks
    (watch,) = router._watches
    world.clock.advance(5.0)
    assert watch.refusal(world.clock.monotonic(), None) is None
    world.clock.advance(0.1)
    assert watch.refusal(world.clock.monotonic(), None) == "down"
    assert router.report().replicas[0].state == "down"


def test_a_replica_whose_probe_takes_more_than_a_second_is_down_until_it_answers(world):
    router = world.router()
    probe = world.probes[world.replica]
    asked, answer = Event(), Event()

    def hang():
        asked.set()
        answer.wait(20)
        return Sighting(lag=0.0, lsn=1)

    probe.look = hang
    thread = Thread(target=router.probe)
    thread.start()
    asked.wait(20)
    world.clock.advance(1.0)
    assert read(router) == "replica"
    world.clock.advance(0.1)
    assert read(router) == "primary"
    answer.set()
    thread.join()
    assert read(router) == "replica"


def test_an_own_commit_is_read_from_whoever_has_replayed_it(world):
    other = world.engine("other")
    router = world.router(world.replica, other)
    world.probes[world.replica].sees = Sighting(lag=0.0, lsn=99)
    world.probes[other].sees = Sighting(lag=0.0, lsn=100)
    router.probe()
    router._memory.note(100)
    assert {read(router) for _ in range(4)} == {"other"}
    router._memory.note(101)
    assert {read(router) for _ in range(4)} == {"primary"}
    router._memory.note(99)
    assert {read(router) for _ in range(4)} == {"replica", "other"}


def test_a_token_takes_own_writes_to_the_next_request(world):
    router = world.router(stick_for=2.0)
    write(router, 2)
    token = router.token()
    router.remember(None)
    assert read(router) == "replica"
    router.remember(token)
    assert read(router) == "primary"
    world.clock.advance(2.1)
    router.remember(token)
    assert read(router) == "replica"
    router.remember("nonsense")
    assert read(router) == "replica"


def test_every_fallback_is_counted_by_its_reason(world):
    router = world.router()
    write(router, 2)
    read(router)
    router.remember(None)
    with primary():
        read(router)
    with RoutingSession(router=router) as session:
        session.scalar(NAME)
        session.connection()
        session.scalar(NAME.with_for_update())
    with RoutingSession(router=router) as session:
        session.scalar(NAME.with_for_update())
    assert reasons(router) == {
        "write": 1,
        "own writes": 1,
        "pinned": 1,
        "connection": 1,
        "for update": 1,
    }
    report = router.report()
    assert report.primary_transactions == 5
    assert report.replica_transactions == report.replicas[0].transactions == 1


def test_the_report_is_json_and_keeps_passwords_to_itself(world):
    engine = create_engine("postgresql+psycopg://me:s3cret@db.example:6432/app?sslmode=require")
    router = world.router(engine)
    router._watches[0].fell(ConnectionError("no s3cret for you"))
    shown = json.dumps(attrs.asdict(router.report()))
    assert "s3cret" not in shown
    replica = router.report().replicas[0]
    assert replica.address == "postgresql://db.example:6432/app"
    assert replica.last_error == "ConnectionError: no *** for you"
    assert replica.replay_lsn == "0/64"
    engine.dispose()


def test_the_lag_is_a_gauge(world, clock):
    registry = Registry(clock=clock)
    router = world.router()
    router.join(registry, Faults())
    router.probe()
    assert registry.gauge("db.replica.lag", replica="replica-1").value == 0.0


def test_without_replicas_everything_runs_on_the_primary_and_the_report_says_so(world):
    with ReplicaRouter(world.primary) as router:
        assert read(router) == "primary"
        report = router.report()
        assert not report.enabled
        assert report.note == "no replicas: everything runs on the primary"
        assert reasons(router) == {"off": 1}


def test_closed_it_reads_the_primary(world):
    router = world.router()
    router.close()
    assert world.probes[world.replica].is_closed
    assert read(router) == "primary"
    assert router.report().note == "closed: everything runs on the primary"
    router.start()
    assert not router._watches[0].is_watched


def test_an_engine_is_not_its_own_replica(world):
    with pytest.raises(ReplicaError, match="own replica"):
        ReplicaRouter(world.primary, [world.primary])


def test_an_engine_with_options_is_the_same_engine(world):
    """Its pool is the one of the engine that it was made from, and so is its database."""
    with pytest.raises(ReplicaError, match="own replica"):
        ReplicaRouter(world.primary, [world.primary.execution_options(a=1)])
    router = world.router(world.replica.execution_options(a=1))
    assert read(router) == "replica"
    assert router.replicas[0].get_execution_options() == {"a": 1}


def test_the_faults_of_a_router_are_those_of_whom_it_joined(world, clock):
    """Also those met before, and those of a watch that began before."""
    router, faults = world.router(), Faults()
    probe = world.probes[world.replica]
    probe.sees = ValueError("the probe is wrong")
    router.probe()
    assert faults.counts == {}
    router.join(Registry(clock=clock), faults)
    assert faults.counts == {"probing replica-1: ValueError": 1}
    router.probe()
    assert faults.counts == router.faults.counts == {"probing replica-1: ValueError": 2}


def test_a_replica_that_does_not_answer_is_no_fault(world):
    """The report tells of it, and it may last."""
    router = world.router()
    probe = world.probes[world.replica]
    for error in (ConnectionError(), TimeoutError(), sqlite3.OperationalError()):
        probe.sees = error
        router.probe()
        assert router.report().replicas[0].state == "down"
    assert router.faults.counts == {}


def environment(world, **more):
    return {
        "DATABASE_URL": f"sqlite:///{world.folder}/primary.db",
        "DATABASE_READ_REPLICA_URL": f"sqlite:///{world.folder}/replica.db",
        **more,
    }


def test_the_environment_names_primary_and_replicas(world):
    router = ReplicaRouter.from_env(
        environment(
            world,
            ENABLE_READ_REPLICA="true",
            HHS_PERF_REPLICA_MAX_LAG="0.25",
            HHS_PERF_REPLICA_PROBE_EVERY="30",
        )
    )
    with router:
        router.probe()
        assert read(router) == "replica"
        assert (router.max_lag, router.probe_every) == (0.25, 30.0)
    for engine in (router.primary, *router.replicas):
        engine.dispose()


@pytest.mark.parametrize("more", [{}, {"ENABLE_READ_REPLICA": "false"}])
def test_the_environment_must_enable_replicas(world, more):
    with ReplicaRouter.from_env(environment(world, **more)) as router:
        assert read(router) == "primary"
        assert "ENABLE_READ_REPLICA" in router.report().note
        assert router.replicas == ()
    router.primary.dispose()


def test_the_environment_makes_asynchronous_engines_likewise(world):
    router = ReplicaRouter.async_from_env(environment(world, ENABLE_READ_REPLICA="1"))
    with router:
        assert [engine.dialect.driver for engine in router.replicas] == ["aiosqlite"]
        router.probe()
        assert router.report().replicas[0].state == "healthy"


def test_an_environment_without_a_database_is_an_error():
    with pytest.raises(ConfigurationError, match="DATABASE_URL"):
        ReplicaRouter.from_env({})


def test_a_forked_child_counts_and_watches_anew(world):
    router = world.router()
    read(router)
    for thing in (router.counts, *router._watches):
        thing.after_fork_in_child()
    report = router.report()
    assert report.replica_transactions == 0
    assert report.replicas[0].state == "unknown"
    assert world.probes[world.replica].is_forsaken

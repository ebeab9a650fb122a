"""The PostgreSQL servers of the test run do what tests of the database rely on."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import psutil
import pytest
import sqlalchemy
from sqlalchemy.ext.asyncio import create_async_engine

from tests.postgres import Database, Postgres, StandbyPair
from tests.servers import wait_until


@pytest.mark.parametrize("socket", [False, True])
async def test_both_drivers_reach_the_same_database(pg_database: Database, socket: bool) -> None:
    question = sqlalchemy.text("SELECT current_database(), inet_server_addr() IS NULL")
    expected = [(pg_database.name, socket)]
    engine = sqlalchemy.create_engine(pg_database.url("psycopg", socket=socket))
    with engine.connect() as connection:
        assert connection.execute(question).all() == expected
    engine.dispose()
    async_engine = create_async_engine(pg_database.url("asyncpg", socket=socket))
    async with async_engine.connect() as async_connection:
        assert (await async_connection.execute(question)).all() == expected
    await async_engine.dispose()


def test_each_database_is_empty_and_counts_its_statements(postgres: Postgres) -> None:
    one, other = postgres.database(), postgres.database()
    one.say("CREATE TABLE seen (id int)")
    assert other.say("SELECT to_regclass('seen')::text") == [(None,)]
    for _ in range(3):
        one.say("SELECT id FROM seen")
    calls = "SELECT calls FROM pg_stat_statements WHERE query = 'SELECT id FROM seen'"
    assert one.say(calls) == [(3,)]
    one.drop()
    other.drop()


def test_a_killed_server_comes_back_with_its_data(fresh_postgres: Postgres) -> None:
    fresh_postgres.say("CREATE TABLE kept AS SELECT 1 AS id")
    fresh_postgres.restart()
    assert fresh_postgres.say("SELECT id FROM kept") == [(1,)]


def test_a_paused_server_does_not_answer_until_it_is_resumed(fresh_postgres: Postgres) -> None:
    import psycopg

    with psycopg.connect(fresh_postgres.url("")) as connection:
        fresh_postgres.pause()
        assert not fresh_postgres.is_ready()
        fresh_postgres.resume()
        assert connection.execute("SELECT 1").fetchall() == [(1,)]


def test_a_replica_follows_and_can_be_held_back(standby: StandbyPair) -> None:
    database = standby.database()
    question = "SELECT to_regclass('late')::text"
    standby.pause()
    database.say("CREATE TABLE late (id int)")
    assert standby.replica.say(question, database) == [(None,)]
    standby.resume()
    standby.wait_for_replay()
    assert standby.replica.say(question, database) == [("late",)]


def test_a_replica_is_killed_restarted_and_promoted(fresh_standby: StandbyPair) -> None:
    fresh_standby.kill()
    fresh_standby.primary.say("CREATE TABLE meanwhile (id int)")
    fresh_standby.restart()
    fresh_standby.wait_for_replay()
    assert fresh_standby.replica.say("SELECT pg_is_in_recovery()") == [(True,)]
    fresh_standby.promote()
    fresh_standby.replica.say("INSERT INTO meanwhile VALUES (1)")
    assert fresh_standby.primary.say("SELECT * FROM meanwhile") == []


_RUN = """
from tests.postgres import Postgres
server = Postgres().start()
print(server.pid, server.data, flush=True)
input()
"""


def test_a_server_ends_with_a_run_that_is_killed() -> None:
    """It ends in order, and so gives back its shared memory."""
    here = Path(__file__).parents[2]
    folder = tempfile.mkdtemp(prefix="hhs-perf-killed-")
    Path(folder).chmod(0o755)
    with subprocess.Popen(
        [sys.executable, "-c", _RUN],
        cwd=here,
        env={**os.environ, "PYTHONPATH": str(here), "TMPDIR": folder},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as run:
        assert run.stdout is not None
        pid, data = run.stdout.readline().split()
        assert psutil.pid_exists(int(pid))
        run.send_signal(signal.SIGKILL)
    wait_until(lambda: _is_dead(int(pid)), "the server to end")
    assert not Path(data, "postmaster.pid").exists()
    shutil.rmtree(folder)


def _is_dead(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True

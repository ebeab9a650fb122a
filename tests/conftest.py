"""What all tests share: a clock that is moved by hand, real servers, a quiet hypothesis."""

from __future__ import annotations

import contextlib
import itertools
import os
from collections.abc import Callable, Iterator

import pytest
from hypothesis import settings

from hhs_perf.testing import FakeClock
from tests.chaos_proxy import ChaosProxy
from tests.postgres import Database, Postgres, StandbyPair
from tests.servers import (
    SentinelSet,
    Server,
    TlsServer,
    redis_binary,
    run_cluster,
    run_sentinel,
    run_tls,
    valkey_binary,
)

# A shared machine stalls at will, so no example has a deadline; the run's own timeout stays.
settings.register_profile("hhs_perf", deadline=None, database=None)
# Our rules are searched whole on one Python; elsewhere `--hypothesis-profile=brief` is enough.
settings.register_profile("brief", settings.get_profile("hhs_perf"), max_examples=20)
settings.load_profile("hhs_perf")

_numbers = itertools.count(1)

# The fixtures that start a server; what asks for them, needs them too.
_SERVERS = frozenset(
    {
        *("valkey", "redis7", "launch", "sentinel", "redis_cluster", "tls_server"),
        *("postgres", "shared_standby", "module_standby", "fresh_standby", "fresh_postgres"),
    }
)
# They are about the time that Redis is given by default.
_ON_TIME = frozenset({"test_cache_chaos", "test_cache_blip", "test_arguments", "test_docs_cache"})


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let the newer Pythons run what needs no server."""
    parser.addoption("--no-servers", action="store_true", help="leave out tests that start servers")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what needs a server, where that was asked for."""
    if config.getoption("--no-servers"):
        needing = [item for item in items if _SERVERS & set(getattr(item, "fixturenames", ()))]
        config.hook.pytest_deselected(items=needing)
        items[:] = [item for item in items if item not in set(needing)]


@pytest.fixture(autouse=True)
def patient_caches(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let caches wait for Redis longer than by default: a shared machine stalls at will."""
    if request.module is not None and request.module.__name__.rpartition(".")[2] in _ON_TIME:
        return
    from hhs_perf.cache import TieredCache

    monkeypatch.setitem(TieredCache.__init__.__kwdefaults__, "l2_timeout", 2.0)


@pytest.fixture
def clock() -> FakeClock:
    """A clock at the start of a day, and so of a slot of any length."""
    return FakeClock(wall=1_700_006_400.0)


@pytest.fixture(scope="session")
def valkey() -> Iterator[Server]:
    """A Valkey 9 that all tests share: use `launch` for one to be killed."""
    with Server(valkey_binary()) as server:
        yield server


@pytest.fixture(scope="session")
def redis7() -> Iterator[Server]:
    """A Redis 7 that all tests share."""
    with Server(redis_binary()) as server:
        yield server


@pytest.fixture(scope="session")
def valkey_url(valkey: Server) -> str:
    return valkey.url


@pytest.fixture(scope="session")
def redis7_url(redis7: Server) -> str:
    return redis7.url


@pytest.fixture(
    scope="session", params=["valkey-resp2", "valkey-resp3", "redis7-resp2", "redis7-resp3"]
)
def redis_url(request: pytest.FixtureRequest) -> str:
    """Each server with each protocol."""
    server, _, protocol = request.param.partition("-resp")
    return f"{request.getfixturevalue(f'{server}_url')}?protocol={protocol}"


@pytest.fixture
def namespace() -> str:
    """A namespace that nobody used before, so a shared server is as good as an empty one."""
    return f"t{os.getpid()}-{next(_numbers)}"


@pytest.fixture
def launch() -> Iterator[Callable[..., Server]]:
    """Launch servers of the test's own: `launch()` is a Valkey, `launch(redis_binary())` Redis."""
    with contextlib.ExitStack() as stack:

        def start(binary: object = None, *arguments: str) -> Server:
            return stack.enter_context(Server(binary or valkey_binary(), *arguments))

        yield start


@pytest.fixture
def proxied() -> Iterator[Callable[[Server], ChaosProxy]]:
    """Put a proxy that can be told to misbehave before a server: `proxied(valkey)`."""
    with contextlib.ExitStack() as stack:
        yield lambda server: stack.enter_context(ChaosProxy(server.port))


@pytest.fixture(scope="session")
def redis_cluster() -> Iterator[Server]:
    """A cluster of one node."""
    with run_cluster() as server:
        yield server


@pytest.fixture(scope="session")
def cluster_url(redis_cluster: Server) -> str:
    return f"redis+cluster://127.0.0.1:{redis_cluster.port}"


@pytest.fixture
def sentinel() -> Iterator[SentinelSet]:
    """A primary, a replica and a Sentinel of the test's own."""
    with run_sentinel() as servers:
        yield servers


@pytest.fixture(scope="session")
def tls_server() -> Iterator[TlsServer]:
    """A Redis that speaks TLS."""
    with run_tls() as server:
        yield server


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A PostgreSQL 18 that all tests share: use `fresh_postgres` for one to be killed."""
    with Postgres() as server:
        yield server


@pytest.fixture
def pg_database(postgres: Postgres) -> Iterator[Database]:
    """An empty database of the test's own: `.url("psycopg")`, `.url("asyncpg")`, `.say(sql)`."""
    database = postgres.database()
    yield database
    database.drop()


@pytest.fixture
def fresh_postgres() -> Iterator[Postgres]:
    """A PostgreSQL of the test's own, to be killed or paused."""
    with Postgres() as server:
        yield server


@pytest.fixture(scope="session")
def shared_standby() -> Iterator[StandbyPair]:
    """The pair behind `standby`."""
    with StandbyPair() as pair:
        yield pair


@pytest.fixture
def standby(shared_standby: StandbyPair) -> Iterator[StandbyPair]:
    """A primary and its replica that all tests share; the replay may be paused, nothing else."""
    yield shared_standby
    shared_standby.resume()
    shared_standby.wait_for_replay()


@pytest.fixture(scope="module")
def module_standby() -> Iterator[StandbyPair]:
    """The pair behind `frail_standby`."""
    with StandbyPair() as pair:
        yield pair


@pytest.fixture
def frail_standby(module_standby: StandbyPair) -> Iterator[StandbyPair]:
    """A primary and its replica that a module's tests share, to be killed, paused and restarted."""
    yield module_standby
    for server in (module_standby.primary, module_standby.replica):
        server.resume()
        if server.pid is None:
            server.start()
    module_standby.wait_for_replay()


@pytest.fixture
def fresh_standby() -> Iterator[StandbyPair]:
    """A primary and its replica of the test's own, to be killed, restarted or promoted."""
    with StandbyPair() as pair:
        yield pair

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
settings.load_profile("hhs_perf")

_numbers = itertools.count(1)


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

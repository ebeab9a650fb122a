"""The fake server, over real sockets: what it serves, what it records, how it fails."""

from __future__ import annotations

import http.client
import json
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

from hhs_perf._clock import SystemClock
from hhs_perf._settings import ScraperSettings
from hhs_perf.scrapers import Account, Outcome, Scrapers
from hhs_perf.scrapers.platforms import bundled
from hhs_perf.scrapers.simulate import shipped_accounts
from hhs_perf.scrapers.testing import FakeServer, Fault, deaf_url, refusing_url

PATH = "/xrpc/app.bsky.actor.getProfile?actor=a.example"


@pytest.fixture
def server() -> Iterator[FakeServer]:
    """A server of the test's own."""
    with FakeServer() as server:
        yield server


def connect(server: FakeServer, timeout: float = 5.0) -> http.client.HTTPConnection:
    return http.client.HTTPConnection("127.0.0.1", server.port, timeout=timeout)


def get(connection: http.client.HTTPConnection, path: str) -> tuple[int, bytes]:
    connection.request("GET", path)
    answer = connection.getresponse()
    return answer.status, answer.read()


def scrapers(server: FakeServer, **settings: object) -> Scrapers:
    """The real engine with a real transport, all led to the server."""
    platforms = server.platforms(bundled())
    held = {"interval": 0.0, "attempts": 1, "max_wait": 0.01, **settings}
    return Scrapers(
        ScraperSettings(**held),
        platforms=platforms,
        clock=SystemClock(),
        variables=server.environment(platforms, interval=0.0),
    )


def one(server: FakeServer, url: str, **settings: object) -> Outcome:
    held = scrapers(server, **settings)
    (outcome,) = list(held.run([Account(url=url)]))
    return outcome


def test_connections_are_kept_alive_and_requests_recorded(server: FakeServer) -> None:
    """Times, platforms and paths, without queries; an unknown platform is a 404."""
    connection = connect(server)
    for _ in range(3):
        status, body = get(connection, f"/bluesky{PATH}")
        assert status == 200
        assert json.loads(body)["handle"] == "a.example"
    assert get(connection, "/nowhere/")[0] == 404
    connection.close()
    assert server.connections == 1
    assert [each.path for each in server.arrived("bluesky")] == [PATH.partition("?")[0]] * 3
    assert [each.status for each in server.arrivals] == [200, 200, 200]
    assert all(gap >= 0 for gap in server.gaps("bluesky"))
    assert len(server.gaps("bluesky")) == 2


def test_latency_holds_every_answer_back() -> None:
    """Requests of several connections wait side by side."""
    with FakeServer(latency=0.05) as server:
        connections = [connect(server) for _ in range(10)]
        began = time.perf_counter()
        for connection in connections:
            connection.request("GET", f"/bluesky{PATH}")
        for connection in connections:
            connection.getresponse().read()
            connection.close()
        assert 0.05 <= time.perf_counter() - began < 0.4


def test_all_shipped_accounts_over_sockets(server: FakeServer) -> None:
    """The whole way: 98 of 99 accounts, and the one that no API knows named with a reason."""
    report = scrapers(server).scrape(shipped_accounts())
    assert (report.succeeded, report.failed, dict(report.skipped)) == (98, 0, {"unresolvable": 1})
    assert len(server.arrivals) == report.requests
    assert server.connections <= len(server.arrivals)


def test_hosts_of_addresses_lead_here_too(server: FakeServer) -> None:
    """A server of the fediverse is told apart by its host, though all requests come here."""
    server.world.add("mastodon", "a@one.example", followers_count=1, account_id="1")
    server.world.add("mastodon", "a@two.example", followers_count=2, account_id="2")
    held = scrapers(server)
    run = held.run(
        [
            Account(platform="Mastodon", url="https://one.example/@a"),
            Account(platform="Mastodon", url="https://two.example/@a"),
        ]
    )
    counts = sorted(each.result().figure("followers_count").value or 0 for each in run)
    assert counts == [1, 2]


@pytest.mark.parametrize("kind", ["silent", "stalled", "closed", "reset", "cut", "dripped"])
def test_lost_answers_are_failures_of_the_network(server: FakeServer, kind: str) -> None:
    """Whatever the client is, it gets no figures; the connection afterwards is a good one."""
    server.world.arm(Fault(kind=kind, times=1, wait=0.02))  # type: ignore[arg-type]
    limits = {"read_timeout": 0.2, "total_timeout": 0.3}
    outcome = one(server, "https://bsky.app/profile/hhs.gov", **limits)
    assert outcome.failure is not None
    assert outcome.failure.kind == "network"
    assert one(server, "https://bsky.app/profile/hhs.gov", **limits).status == "success"


@pytest.mark.parametrize("kind", ["huge", "bomb"])
def test_bodies_beyond_the_cap_are_not_read(server: FakeServer, kind: str) -> None:
    """Neither as they are nor as they unpack."""
    server.world.arm(Fault(kind=kind, size=4_000_000))  # type: ignore[arg-type]
    outcome = one(server, "https://x.com/HHSGov", max_body=100_000)
    assert outcome.failure is not None
    assert outcome.failure.kind == "schema_changed"


def test_nobody_answers_at_these_addresses() -> None:
    """One refuses, at the other connecting takes for ever."""
    with refusing_url() as url, pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", urlsplit(url).port), timeout=5)
    with deaf_url() as url, pytest.raises(TimeoutError):
        socket.create_connection(("127.0.0.1", urlsplit(url).port), timeout=0.2)


def test_an_end_leaves_nothing_open() -> None:
    """Connections end with the server, and its port is free again."""
    with FakeServer() as server:
        connection = connect(server)
        get(connection, f"/bluesky{PATH}")
        port = server.port
    with pytest.raises((ConnectionError, http.client.HTTPException)):
        get(connection, f"/bluesky{PATH}")
    connection.close()
    with FakeServer(port=port) as again:
        connection = connect(again)
        assert get(connection, f"/bluesky{PATH}")[0] == 200
        connection.close()


def test_it_runs_as_a_program() -> None:
    """For benchmarks and other languages; the first line is its address."""
    command = [sys.executable, "-m", "hhs_perf.scrapers.testing", "--seed", "3"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            url = process.stdout.readline().strip()
            with urllib.request.urlopen(f"{url}/bluesky{PATH}", timeout=10) as answer:
                assert json.load(answer)["followersCount"] > 0
        finally:
            process.terminate()

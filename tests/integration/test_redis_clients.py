"""Clients of Redis and Valkey against real servers: every kind of address, every way to fail."""

from __future__ import annotations

import gc
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from hhs_perf import ConfigurationError
from hhs_perf._redis import (
    Address,
    async_client,
    backend_errors,
    close_async_client,
    subscriber_client,
    sync_client,
)
from tests.chaos_proxy import ChaosProxy
from tests.servers import SentinelSet, Server, TlsServer, free_port, wait_until

TIMEOUT = 0.1
# A time-out here, and what a busy machine takes on top; redis-py's own default would be 5 s.
SOON = TIMEOUT + 0.9

Proxied = Callable[[Server], ChaosProxy]


@asynccontextmanager
async def using(url: str) -> AsyncIterator[object]:
    client = async_client(Address.parse(url), timeout=5)
    yield client
    await close_async_client(client)


def test_bytes_go_there_and_back_on_every_server_with_every_protocol(
    redis_url: str, namespace: str
) -> None:
    client = sync_client(Address.parse(redis_url), timeout=5)
    value = bytes(range(256))
    assert client.set(namespace, value, px=60_000)
    assert client.get(namespace) == value
    assert client.mget([namespace, f"{namespace}:absent"]) == [value, None]
    told = client.execute_command("CLIENT INFO")
    text = told.decode() if isinstance(told, bytes) else str(told)
    assert f"resp={redis_url[-1]}" in text or f"'resp': '{redis_url[-1]}'" in text
    client.close()


async def test_bytes_go_there_and_back_in_an_event_loop(redis_url: str, namespace: str) -> None:
    async with using(redis_url) as client:
        value = bytes(range(256))
        assert await client.set(namespace, value, px=60_000)
        assert await client.get(namespace) == value


def test_the_protocol_asked_for_wins_over_the_url(valkey_url: str) -> None:
    client = sync_client(Address.parse(f"{valkey_url}?protocol=2"), timeout=5, protocol=3)
    assert client.connection_pool.connection_kwargs["protocol"] == 3
    client.close()


@pytest.mark.parametrize(
    "form",
    [
        "redis://127.0.0.1:{port}",
        "rediss://127.0.0.1:{port}",
        "unix:///nowhere/{port}.sock",
        "redis+sentinel://127.0.0.1:{port}/main",
        "redis+cluster://127.0.0.1:{port}",
    ],
)
# redis-py 5.0 leaves a unix socket that could not be connected to the garbage collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
async def test_building_talks_to_nobody_and_a_refusal_is_told_at_once(form: str) -> None:
    address = Address.parse(form.format(port=free_port()))
    client = sync_client(address, timeout=TIMEOUT)
    start = time.monotonic()
    with pytest.raises(backend_errors()):
        client.get("key")
    client.close()
    other = async_client(address, timeout=TIMEOUT)
    with pytest.raises(backend_errors()):
        await other.get("key")
    await close_async_client(other)
    assert time.monotonic() - start < SOON
    gc.collect()


@pytest.mark.parametrize("scheme", ["redis", "rediss"])
async def test_a_server_that_never_answers_costs_the_time_out_once(
    valkey: Server, proxied: Proxied, scheme: str
) -> None:
    proxy = proxied(valkey)
    proxy.tarpit()
    address = Address.parse(f"{scheme}://127.0.0.1:{proxy.port}")
    client = sync_client(address, timeout=TIMEOUT)
    start = time.monotonic()
    with pytest.raises(backend_errors()):
        client.get("key")
    assert TIMEOUT * 0.9 < time.monotonic() - start < SOON
    _assert_connections(proxy, 1)
    client.close()

    other = async_client(address, timeout=TIMEOUT)
    start = time.monotonic()
    with pytest.raises(backend_errors()):
        await other.get("key")
    assert TIMEOUT * 0.9 < time.monotonic() - start < SOON
    _assert_connections(proxy, 2)
    await close_async_client(other)


def _assert_connections(proxy: ChaosProxy, count: int) -> None:
    """The kernel accepts before the proxy does, which may be slow where the machine is busy."""
    wait_until(lambda: proxy.connections >= count, "the proxy to accept")
    assert proxy.connections == count


@pytest.mark.parametrize("form", ["redis+sentinel://127.0.0.1:{}/main", "redis+cluster://{}:{}"])
def test_silent_sentinels_and_silent_clusters_cost_a_few_time_outs(
    valkey: Server, proxied: Proxied, form: str
) -> None:
    proxy = proxied(valkey)
    proxy.tarpit()
    url = form.replace("{}:{}", "127.0.0.1:{}").format(proxy.port)
    client = sync_client(Address.parse(url), timeout=TIMEOUT)
    start = time.monotonic()
    with pytest.raises(backend_errors()):
        client.get("key")
    assert time.monotonic() - start < SOON + TIMEOUT
    client.close()


def test_an_idle_connection_that_was_cut_is_replaced_unseen(
    valkey: Server, proxied: Proxied, namespace: str
) -> None:
    proxy = proxied(valkey)
    client = sync_client(Address.parse(proxy.url), timeout=5)
    client.set(namespace, b"1")
    proxy.cut()
    assert client.get(namespace) == b"1"
    client.close()


@pytest.mark.parametrize("fault", ["tarpit", "refuse", "half_close", "late"])
def test_a_client_recovers_by_itself_when_the_server_does(
    valkey: Server, proxied: Proxied, namespace: str, fault: str
) -> None:
    proxy = proxied(valkey)
    client = sync_client(Address.parse(proxy.url), timeout=TIMEOUT)
    client.set(namespace, b"1")
    proxy.delay(3 * TIMEOUT) if fault == "late" else getattr(proxy, fault)()
    with pytest.raises(backend_errors()):
        client.get(namespace)
    proxy.pass_()
    # An answer that came too late must not be taken for that to a later question.
    assert [client.get(f"{namespace}:absent"), client.get(namespace)] == [None, b"1"]
    client.close()


def test_one_server_is_used_again_after_its_restart(
    launch: Callable[..., Server], namespace: str
) -> None:
    server = launch()
    client = sync_client(Address.parse(server.url), timeout=1)
    client.set(namespace, b"1")
    server.kill()
    with pytest.raises(backend_errors()):
        client.get(namespace)
    server.start()
    assert client.get(namespace) is None
    client.close()


def test_more_threads_than_any_default_have_a_connection_each(valkey_url: str) -> None:
    client = sync_client(Address.parse(valkey_url), timeout=5)
    pool = client.connection_pool
    held = [pool.make_connection() for _ in range(150)]
    assert len(held) == 150
    client.close()


def test_user_password_and_database_are_used(launch: Callable[..., Server]) -> None:
    server = launch(None, "--requirepass", "s3cret")
    base = f"127.0.0.1:{server.port}"
    client = sync_client(Address.parse(f"redis://:s3cret@{base}/3?client_name=web"), timeout=5)
    client.set("key", b"1")
    assert client.client_getname() in ("web", b"web")
    client.close()
    client = sync_client(Address.parse(f"redis://default:s3cret@{base}/0"), timeout=5)
    assert client.get("key") is None
    client.close()
    client = sync_client(Address.parse(f"redis://:wrong@{base}/0"), timeout=5)
    with pytest.raises(backend_errors()) as caught:
        client.get("key")
    assert "wrong@" not in str(caught.value)
    client.close()


async def test_a_unix_socket_is_an_address(launch: Callable[..., Server]) -> None:
    path = Server(launch().binary).folder / "socket"
    launch(None, "--unixsocket", str(path))
    url = f"unix://{path}?db=1"
    client = sync_client(Address.parse(url), timeout=5)
    client.set("key", b"1")
    client.close()
    async with using(url) as other:
        assert await other.get("key") == b"1"


async def test_tls_is_used_and_checks_names_and_signatures(tls_server: TlsServer) -> None:
    client = sync_client(Address.parse(tls_server.url), timeout=5)
    client.set("key", b"1")
    client.close()
    async with using(tls_server.url) as other:
        assert await other.get("key") == b"1"
    for url in (
        tls_server.url.split("?")[0],
        tls_server.url.replace("localhost", "127.0.0.1"),
    ):
        client = sync_client(Address.parse(url), timeout=5)
        with pytest.raises(backend_errors()):
            client.get("key")
        client.close()
    unnamed = f"{tls_server.url.replace('localhost', '127.0.0.1')}&ssl_check_hostname=false"
    client = sync_client(Address.parse(unnamed), timeout=5)
    assert client.get("key") == b"1"
    client.close()


async def test_a_cluster_is_an_address(cluster_url: str, namespace: str) -> None:
    client = sync_client(Address.parse(cluster_url), timeout=5)
    keys = [f"{namespace}:{number}" for number in range(20)]
    for key in keys:
        client.set(key, key.encode())
    assert [client.get(key) for key in keys] == [key.encode() for key in keys]
    client.close()
    async with using(cluster_url) as other:
        assert await other.get(keys[3]) == keys[3].encode()


async def test_a_primary_is_followed_through_a_failover(
    sentinel: SentinelSet, namespace: str
) -> None:
    client = sync_client(Address.parse(sentinel.url), timeout=1)
    other = async_client(Address.parse(sentinel.url), timeout=1)
    client.set(namespace, b"before")
    assert await other.get(namespace) == b"before"
    assert client.execute_command("WAIT", 1, 5000) == 1
    sentinel.primary.kill()
    with pytest.raises(backend_errors()):
        client.set(namespace, b"lost")
    sentinel.fail_over()
    assert client.get(namespace) == b"before"
    client.set(namespace, b"after")
    with pytest.raises(backend_errors()):
        await other.get(namespace)
    assert await other.get(namespace) == b"after"
    client.close()
    await close_async_client(other)


def _first_message(pubsub: object, seconds: float = 5) -> object:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        message = pubsub.get_message(ignore_subscribe_messages=True, timeout=0.2)
        if message is not None:
            return message["data"]
    return None


def test_a_subscriber_waits_longer_than_its_time_out(redis_url: str, namespace: str) -> None:
    address = Address.parse(redis_url)
    client = sync_client(address, timeout=5)
    listener = subscriber_client(address, timeout=TIMEOUT)
    pubsub = listener.pubsub()
    pubsub.subscribe(namespace)
    assert pubsub.get_message(timeout=2)["type"] == "subscribe"
    assert pubsub.get_message(timeout=3 * TIMEOUT) is None
    client.publish(namespace, b"\x00news")
    assert _first_message(pubsub) == b"\x00news"
    pubsub.close()
    listener.close()
    client.close()


def test_a_subscriber_of_a_cluster_hears_its_publishers(cluster_url: str, namespace: str) -> None:
    client = sync_client(Address.parse(cluster_url), timeout=5)
    listener = subscriber_client(Address.parse(cluster_url), timeout=5)
    pubsub = listener.pubsub()
    pubsub.subscribe(namespace)
    assert pubsub.get_message(timeout=2)["type"] == "subscribe"
    client.publish(namespace, b"news")
    assert _first_message(pubsub) == b"news"
    pubsub.close()
    listener.close()
    client.close()


@pytest.mark.parametrize("fault", ["cut", "refuse", "half_close"])
def test_a_subscriber_is_told_that_its_link_is_lost(
    valkey: Server, proxied: Proxied, namespace: str, fault: str
) -> None:
    proxy = proxied(valkey)
    listener = subscriber_client(Address.parse(proxy.url), timeout=TIMEOUT)
    pubsub = listener.pubsub()
    pubsub.subscribe(namespace)
    assert pubsub.get_message(timeout=2)["type"] == "subscribe"
    getattr(proxy, fault)()
    with pytest.raises(backend_errors()):
        for _ in range(10):
            pubsub.get_message(timeout=0.5)
    pubsub.close()
    listener.close()


def test_a_subscriber_notices_silence_by_its_ping(
    valkey: Server, proxied: Proxied, namespace: str
) -> None:
    proxy = proxied(valkey)
    listener = subscriber_client(Address.parse(proxy.url), timeout=TIMEOUT)
    pubsub = listener.pubsub()
    pubsub.subscribe(namespace)
    assert pubsub.get_message(timeout=2)["type"] == "subscribe"
    pubsub.ping()
    assert pubsub.get_message(timeout=2)["type"] == "pong"
    proxy.tarpit()
    pubsub.ping()
    assert pubsub.get_message(timeout=TIMEOUT) is None
    pubsub.close()
    listener.close()


def test_without_redis_the_install_command_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "redis", None)
    address = Address.parse("redis://cache")
    for build in (sync_client, async_client, subscriber_client):
        with pytest.raises(ConfigurationError, match=r"hhs-perf\[redis\]"):
            build(address, timeout=1)
    with pytest.raises(ConfigurationError, match=r"hhs-perf\[redis\]"):
        backend_errors()

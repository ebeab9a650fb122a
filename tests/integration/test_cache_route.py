"""`/api/performance/cache` of both adapters, over a real Valkey."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from hhs_perf import Monitor, Settings
from hhs_perf.cache import TieredCache
from hhs_perf.web import allow_all
from tests.integration.test_adapters import FastapiHost, FlaskHost, Host
from tests.servers import Server, wait_until

Mount = Callable[[str], tuple[Host, Monitor]]


@pytest.fixture(params=[FlaskHost, FastapiHost], ids=lambda host: host.__name__)
def mount(request: pytest.FixtureRequest, namespace: str) -> Iterator[Mount]:
    """Mount the routes in a host whose cache has that L2."""
    made: list[Monitor] = []

    def mounted(url: str) -> tuple[Host, Monitor]:
        host: Host = request.param()
        environ = {"REDIS_URL": url, "HHS_PERF_NAMESPACE": namespace}
        monitor = Monitor(Settings.from_env(environ), tick=False, installed_plugins=False)
        host.init_app(host.app, monitor, auth=allow_all)
        made.append(monitor)
        return host, monitor

    yield mounted
    for each in made:
        each.close()


def read(host: Host, path: str = "/cache") -> Any:
    answer = host.call(f"/api/performance{path}")
    assert answer.status == 200
    return json.loads(answer.body)


def link(cache: TieredCache) -> TieredCache:
    cache.get("first:1")
    below = cache.core.below
    assert below is not None
    wait_until(lambda: below.backplane.is_linked, "the link")
    return cache


def test_both_levels_show_what_they_did(mount: Mount, valkey_url: str) -> None:
    (host, monitor), (_, other) = mount(valkey_url), mount(valkey_url)
    cache = link(monitor.cache)
    link(other.cache).set("account:1", {"n": 1}, ttl=60)
    wait_until(lambda: cache.core.memory.counts.messages > 0, "the message")
    for _ in range(3):
        assert cache.get("account:1") == {"n": 1}
    body = read(host)
    window = body["in_window"]
    assert body["observed"] is True
    assert (window["hits"], window["misses"]) == (3, 1)
    level1, level2 = window["levels"]
    assert (level1["layer"], level1["hits"], level1["misses"]) == ("l1", 2, 2)
    assert (level2["layer"], level2["hits"], level2["misses"]) == ("l2", 1, 1)
    assert level2["bytes_read"] > 0
    assert level2["missed"]["evicted"] is None
    operations = {(row["layer"], row["op"]): row for row in window["by_operation"]}
    assert operations["l2", "get"]["count"] == 2
    assert operations["l2", "get"]["p95"] > 0
    assert operations["l1", "get"]["sampled"] is True
    assert body["now"]["l2"]["link"]["state"] == "linked"
    assert body["now"]["l2"]["breaker"]["state"] == "closed"
    assert body["advice"] == []
    section = read(host, "")["cache"]
    assert (section["hit_rate"], section["l1_hit_rate"], section["l2_hit_rate"]) == (0.75, 0.5, 0.5)


def test_an_invalidation_by_another_process_shows_as_such(mount: Mount, valkey_url: str) -> None:
    (host, monitor), (_, other) = mount(valkey_url), mount(valkey_url)
    cache, elsewhere = link(monitor.cache), link(other.cache)
    cache.set("account:1", 1, ttl=60, tags=["accounts"])
    heard = cache.core.memory.counts.messages
    elsewhere.invalidate(tags=["accounts"])
    wait_until(lambda: cache.core.memory.counts.messages > heard, "the message")
    assert cache.get("account:1") is None
    body = read(host)
    assert body["in_window"]["missed"]["invalidated"] == 1
    assert body["now"]["l2"]["link"]["messages"] >= 1


def test_an_outage_shows_and_its_end_does(mount: Mount, launch: Callable[..., Server]) -> None:
    server = launch()
    host, monitor = mount(server.url)
    cache = link(monitor.cache)
    server.kill()
    cache.delete("account:1")
    wait_until(lambda: read(host)["now"]["l2"]["link"]["state"] == "lost", "the loss to show")
    down = read(host)
    assert down["now"]["l2"]["breaker"]["state"] != "closed"
    assert down["now"]["l2"]["link"]["unsent"] == 1
    assert down["advice"][0]["rule"] == "redis-unreachable"
    assert {error["where"].split()[0] for error in down["recent_errors"]} <= {"l2", "backplane"}
    server.start()
    wait_until(lambda: read(host)["now"]["l2"]["link"]["state"] == "linked", "the link to show")
    back = read(host)
    assert back["now"]["l2"]["breaker"]["state"] == "closed"
    assert back["now"]["l2"]["link"]["unsent"] == 0
    assert back["advice"] == []


def test_warm_ups_show(mount: Mount, valkey_url: str) -> None:
    host, monitor = mount(valkey_url)
    cache = link(monitor.cache)

    def fail() -> None:
        raise LookupError("hunter2")

    cache.warm("summary", lambda: 1, key="summary", ttl=60)
    cache.warm("broken", fail, key="broken", ttl=60)
    cache.warming.start()

    def states() -> dict[str, str]:
        return {row["name"]: row["state"] for row in read(host)["warm_ups"]}

    wait_until(lambda: states()["broken"] == "failed", "the failure to show")
    wait_until(lambda: states()["summary"] == "done", "the success to show")
    assert "hunter2" not in host.call("/api/performance/cache").body.decode()


def test_an_unchanged_cache_is_304(mount: Mount, valkey_url: str) -> None:
    """The lag is measured each second, so only within one nothing changes."""
    host, monitor = mount(valkey_url)
    link(monitor.cache)

    def is_unchanged() -> bool:
        etag = host.call("/api/performance/cache").headers["etag"]
        again = host.call("/api/performance/cache", headers={"if-none-match": etag})
        return again.status == 304

    wait_until(is_unchanged, "a 304")

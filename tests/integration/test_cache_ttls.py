"""CACHE_DEFAULT_TIMEOUT, CACHE_L1_TTL and CACHE_L2_TTL: each has its own effect, and no other."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask
from flask_caching import Cache

from hhs_perf.adapters.flask import cached_response, init_app
from hhs_perf.testing import FakeClock
from hhs_perf.web import allow_all
from tests.servers import wait_until
from tests.web_calls import quiet_monitor

LIFE = "max-age="
GUIDE = {"l1": 60, "l2": 300, "flask_caching": 300, "response": 300, "browser": 300}


def _lives(environ: dict[str, str], valkey_url: str, namespace: str) -> dict[str, int]:
    """Give the seconds that things live: a value in each level, a cached view and response."""
    app = Flask("host")
    app.config["CACHE_TYPE"] = "hhs_perf.adapters.flask_caching.TieredCache"
    named = {"REDIS_URL": valkey_url, "HHS_PERF_NAMESPACE": namespace, **environ}
    monitor = init_app(app, quiet_monitor(environ=named), auth=allow_all)
    views = Cache(app)
    app.get("/response")(cached_response()(lambda: "text"))
    app.get("/view", endpoint="view")(views.cached()(lambda: "text"))
    cache = monitor.cache
    cache.get("something")
    below = cache.core.below
    assert below is not None
    wait_until(lambda: below.backplane.is_linked, "the link")
    client = app.test_client()
    client.get("/view")
    control = client.get("/response").headers["Cache-Control"]
    cache.set("value", 1)
    stored = {key.partition(":")[0]: key for key, _ in cache.core.memory.store.entries()}
    entries = dict(cache.core.memory.store.entries())
    now = cache.core.memory.now()

    def in_l1(key: str) -> int:
        return round(entries[key].expires - now)

    def in_l2(key: str) -> int:
        left = cache.ttl(key)
        assert left is not None
        return round(left)

    # A default timeout is the call's ttl: it holds in both levels alike.
    for key in (stored["flask-caching"], stored["response"]):
        assert in_l1(key) == in_l2(key)
    lives = {
        "l1": in_l1("value"),
        "l2": in_l2("value"),
        "flask_caching": in_l2(stored["flask-caching"]),
        "response": in_l2(stored["response"]),
        "browser": int(control.partition(LIFE)[2]),
    }
    monitor.close()
    return lives


@pytest.mark.parametrize(
    ("environ", "changed"),
    [
        ({}, {}),
        ({"CACHE_L1_TTL": "40"}, {"l1": 40}),
        ({"CACHE_L2_TTL": "200"}, {"l2": 200}),
        (
            {"CACHE_DEFAULT_TIMEOUT": "100"},
            {"flask_caching": 100, "response": 100, "browser": 100},
        ),
    ],
    ids=["the guide's", "L1", "L2", "default"],
)
def test_each_ttl_moves_what_it_names_and_nothing_else(
    environ: dict[str, str], changed: dict[str, int], valkey_url: str, namespace: str
) -> None:
    """L1 60 s, L2 300 s, default 300 s; browsers five minutes."""
    assert _lives(environ, valkey_url, namespace) == {**GUIDE, **changed}


def test_a_shorter_life_in_l2_bounds_that_in_l1(valkey_url: str, namespace: str) -> None:
    lives = _lives({"CACHE_L2_TTL": "30"}, valkey_url, namespace)
    assert lives == {**GUIDE, "l1": 30, "l2": 30}


@pytest.mark.parametrize(
    ("environ", "alive_at"),
    [({}, 59), ({"CACHE_L1_TTL": "10"}, 9), ({"CACHE_L2_TTL": "10"}, 59)],
)
def test_without_an_l2_the_l1_ttl_holds(
    environ: dict[str, Any], alive_at: float, clock: FakeClock
) -> None:
    cache = quiet_monitor(clock, environ).cache
    cache.set("value", 1)
    clock.advance(alive_at)
    assert cache.get("value") == 1
    clock.advance(2)
    assert cache.get("value") is None

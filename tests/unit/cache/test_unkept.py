"""A loader may give a value that is for those who wait for it, and for nobody after them."""

from __future__ import annotations

import threading

from hhs_perf.cache import Loaded, TieredCache
from hhs_perf.testing import FakeClock
from tests.servers import wait_until


def test_a_value_that_is_not_to_be_kept_is_loaded_each_time(clock: FakeClock) -> None:
    cache = TieredCache(clock=clock)
    runs: list[int] = []

    def load() -> Loaded[int]:
        runs.append(1)
        return Loaded(len(runs), keep=False)

    assert [cache.get_or_load("key", load) for _ in range(2)] == [1, 2]
    assert not cache.contains("key")


def test_those_who_wait_for_it_get_it(clock: FakeClock) -> None:
    cache = TieredCache(clock=clock)
    go = threading.Event()
    runs: list[int] = []
    found: list[int] = []

    def load() -> Loaded[int]:
        runs.append(1)
        assert go.wait(20)
        return Loaded(len(runs), keep=False)

    def ask() -> None:
        found.append(cache.get_or_load("key", load))  # type: ignore[arg-type]

    threads = [threading.Thread(target=ask) for _ in range(5)]
    for thread in threads:
        thread.start()
    wait_until(lambda: len(runs) == 1, "the load")
    outcome = cache.core.flights._flights["key"].outcome
    wait_until(lambda: len(outcome._condition._waiters) == 4, "the others to wait")
    go.set()
    for thread in threads:
        thread.join()
    assert found == [1] * 5


def test_another_process_does_not_wait_in_vain(valkey_url: str, namespace: str) -> None:
    one, other = (TieredCache(valkey_url, namespace=namespace) for _ in range(2))
    assert one.get_or_load("key", lambda: Loaded(1, keep=False)) == 1
    assert other.get_or_load("key", lambda: 2) == 2
    for cache in (one, other):
        cache.close()

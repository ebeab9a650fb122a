"""What several processes do with Flask-Caching on one Redis or Valkey, with either protocol."""

from __future__ import annotations

import multiprocessing
from typing import Any

import pytest

from hhs_perf.adapters.flask_caching import TieredCache
from hhs_perf.cache import TieredCache as Tiered

PROCESSES = 4
TIMES = 25


def _count(url: str, namespace: str, results: Any) -> None:
    tiered = Tiered(url, namespace=namespace, l2_timeout=5)
    backend = TieredCache(cache=tiered)
    backend.get("something")
    seen = [backend.inc("visits") for _ in range(TIMES)]
    results.put((seen, backend.add("first", namespace)))
    tiered.close()


@pytest.fixture
def backend(redis_url: str, namespace: str) -> Any:
    tiered = Tiered(redis_url, namespace=namespace, l2_timeout=5)
    yield TieredCache(cache=tiered)
    tiered.close()


def test_no_addition_is_lost_and_one_add_succeeds(
    backend: TieredCache, redis_url: str, namespace: str
) -> None:
    context = multiprocessing.get_context("spawn")
    results = context.Queue()
    workers = [
        context.Process(target=_count, args=(redis_url, namespace, results), daemon=True)
        for _ in range(PROCESSES)
    ]
    for worker in workers:
        worker.start()
    answers = [results.get(timeout=40) for _ in workers]
    for worker in workers:
        worker.join(20)
    numbers = sorted(number for seen, _ in answers for number in seen)
    assert numbers == list(range(1, PROCESSES * TIMES + 1))
    assert sorted(added for _, added in answers) == [False] * (PROCESSES - 1) + [True]
    assert backend.get("visits") == PROCESSES * TIMES

"""What the tests of faults share: caches without and with L2."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from hhs_perf.cache import TieredCache
from tests.cache_worlds import link, open_cache


@pytest.fixture(params=["l1", "l2"])
def cache(request: pytest.FixtureRequest, namespace: str) -> Iterator[TieredCache]:
    """A cache without and with L2."""
    if request.param == "l1":
        with open_cache() as made:
            yield made
        return
    url = request.getfixturevalue("valkey_url")
    with open_cache(url, namespace=namespace, l2_timeout=2.0) as made:
        yield link(made)


@pytest.fixture
def below(valkey_url: str, namespace: str) -> Iterator[TieredCache]:
    """A cache with L2, that hears the others."""
    with open_cache(valkey_url, namespace=namespace, l2_timeout=2.0) as made:
        yield link(made)

"""Redis stands still for less time than it takes to lose the link."""

from __future__ import annotations

from collections.abc import Callable

from tests.cache_worlds import link, open_cache
from tests.servers import Server, wait_until


def test_lives_are_whole_again_after_a_blip_that_the_link_survived(
    launch: Callable[..., Server], namespace: str
) -> None:
    """While Redis is not asked lives are short; nothing that was told in that time was missed."""
    server = launch()
    with open_cache(server.url, namespace=namespace) as cache:
        below = link(cache).core.below
        assert below is not None
        server.pause()
        cache.get("a")
        assert below.breaker.state != "closed"
        cache.set("a", 1, ttl=60)
        assert cache.ttl("a") <= 5
        server.resume()
        wait_until(lambda: below.breaker.is_closed, "the breaker")
        assert below.backplane.losses == 0

        def lives_long() -> bool:
            cache.set("b", 1, ttl=60)
            entry = cache.core.memory.find("b")
            return entry is not None and entry.expires - cache.core.memory.now() > 50

        wait_until(lives_long, "long lives")
        assert below.backplane.losses == 0

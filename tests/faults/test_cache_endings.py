"""Loads that are torn off in the midst, where other processes wait for them too."""

from __future__ import annotations

import asyncio
import gc
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from typing import Any

import pytest

from hhs_perf.cache import TieredCache
from tests.cache_worlds import in_thread, link, open_cache

# Far below the five seconds of a lease: whoever takes longer has waited for one to end.
SOON = 3.0


@pytest.fixture
def cache(valkey_url: str, namespace: str) -> Iterator[TieredCache]:
    with open_cache(valkey_url, namespace=namespace, l2_timeout=2.0) as made:
        yield link(made)


@pytest.fixture
def other(valkey_url: str, namespace: str) -> Iterator[TieredCache]:
    with open_cache(valkey_url, namespace=namespace, l2_timeout=2.0) as made:
        yield link(made)


@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.parametrize("closes", [False, True])
@pytest.mark.parametrize("rudely", [False, True])
def test_a_loop_that_vanishes_in_the_midst_of_a_load_gives_the_lease_back(
    cache: TieredCache, other: TieredCache, *, rudely: bool, closes: bool
) -> None:
    """Whatever the loader raises then, nothing is awaited any more, and nobody waits."""
    unraisable: list[Any] = []
    before, sys.unraisablehook = sys.unraisablehook, unraisable.append

    async def serve() -> None:
        began = asyncio.Event()

        async def loader() -> None:
            try:
                began.set()
                await asyncio.Event().wait()
            finally:
                if rudely:
                    raise LookupError

        asked = asyncio.ensure_future(cache.aio.get_or_load("k", loader))
        await began.wait()
        assert not asked.done()

    def live() -> asyncio.AbstractEventLoop:
        loop = asyncio.new_event_loop()
        loop.run_until_complete(serve())
        if closes:
            loop.close()
        cache.core.links.renew()
        return loop

    try:
        loop = live()
        assert in_thread(cache.get_or_load, "k", lambda: "value").result(SOON) == "value"
        assert in_thread(other.get_or_load, "k", lambda: "other").result(SOON) == "value"
        loop.close()
        del loop
        gc.collect()
    finally:
        sys.unraisablehook = before
    texts = [str(each.exc_value) for each in unraisable]
    assert not [text for text in texts if "Context" in text or "GeneratorExit" in text], texts
    assert cache.get("k") == other.get("k") == "value"


def test_what_is_loaded_while_the_interpreter_ends_starts_no_thread() -> None:
    """A finalizer of a module may ask the cache: threads do not start any more by then."""
    code = """
        import os, sys
        from hhs_perf.cache import Policy, TieredCache

        class Last:
            load, policy = TieredCache().get_or_load, Policy(ttl=60, hard_timeout=5)
            say, is_late = os.write, sys.is_finalizing

            def __del__(self):
                text = self.load("k", lambda: "late" if self.is_late() else "early")
                self.say(1, self.load("j", lambda: text, policy=self.policy).encode())

        last = sys.modules["last"] = Last()
    """
    ended = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        capture_output=True,
        check=False,
        text=True,
        timeout=30,
    )
    assert (ended.returncode, ended.stdout.strip(), ended.stderr) == (0, "late", "")

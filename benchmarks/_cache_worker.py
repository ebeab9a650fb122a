"""One of several processes that share a cache: does what lines on stdin ask for.

Usage: ``python -m benchmarks._cache_worker URL NAMESPACE CONTENDER``.  A line is a JSON object with
the name of a deed and its arguments; the answer is a line of JSON on stdout.  Times are readings of
the monotonic clock, in seconds, which all processes of a machine share.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from benchmarks import _cache_peers as peers
from hhs_perf.cache import TieredCache
from tests.servers import wait_until

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

# A stall of the machine is no outage.
TIMEOUT: Final = 2.0
POLL: Final = 50e-6


class Flight:
    """Many callers that ask for one key at once, and how it went."""

    def __init__(self, seconds: float, *, raises: bool) -> None:
        self._seconds = seconds
        self._raises = raises
        self.loads = 0
        self.waits: list[float] = []
        self.answers: list[str] = []

    def load(self) -> str:
        """Load as a thread does."""
        self.loads += 1
        time.sleep(self._seconds)
        return self._end()

    async def load_async(self) -> str:
        """Load as a task does."""
        self.loads += 1
        await asyncio.sleep(self._seconds)
        return self._end()

    def _end(self) -> str:
        if self._raises:
            raise LookupError("as told")
        return "loaded"

    def call(self, ask: Callable[[], object], at: float) -> None:
        """Ask at a given time, in this thread."""
        time.sleep(max(0.0, at - time.perf_counter()))
        self._note(at, _outcome(ask))

    async def call_async(self, ask: Callable[[], Awaitable[object]], at: float) -> None:
        """Ask at a given time, in this task."""
        await asyncio.sleep(max(0.0, at - time.perf_counter()))
        try:
            answer = str(await ask())
        except Exception as exc:  # noqa: BLE001 - peers raise what they like
            answer = type(exc).__name__
        self._note(at, answer)

    def _note(self, at: float, answer: str) -> None:
        self.waits.append(time.perf_counter() - at)
        self.answers.append(answer)


def _outcome(ask: Callable[[], object]) -> str:
    try:
        return str(ask())
    except Exception as exc:  # noqa: BLE001 - peers raise what they like
        return type(exc).__name__


Asking = tuple["Callable[[], object] | None", "Callable[[], Awaitable[object]] | None"]


class Worker:
    """What the deeds work on."""

    def __init__(self, url: str, namespace: str, contender: str) -> None:
        self.parts = urlsplit(url)
        self.contender = contender
        self.bare = peers.bare_redis(self.parts, 2)
        self.local: dict[str, bytes] = {}
        self.cache = TieredCache(
            url, namespace=namespace, l1_maxsize=200_000, l2_timeout=TIMEOUT, l1_ttl=peers.TTL
        )
        if contender == "ours":
            self.cache.get("begin to listen")
            below = self.cache.core.below
            assert below is not None
            wait_until(lambda: below.backplane.is_linked, "the backplane")
        elif contender == "publish":
            threading.Thread(target=self._listen, daemon=True).start()
            wait_until(lambda: "ready" in self.local, "the subscription")

    def _listen(self) -> None:
        pubsub = self.bare.pubsub(ignore_subscribe_messages=True)
        pubsub.subscribe("forget")
        self.local["ready"] = b""
        while True:
            message = pubsub.get_message(timeout=1.0)
            if message is not None:
                self.local.pop(message["data"].decode(), None)

    # -- one load

    def flight(self, *, key: str, at: float, **how: Any) -> dict[str, object]:
        """Ask for one key at a time, by so many threads and tasks."""
        flight = Flight(how["seconds"], raises=how["raises"])
        sync, awaited = self._asking(key, flight)
        threads = [
            threading.Thread(target=flight.call, args=(sync, at)) for _ in range(how["threads"])
        ]

        async def tasks() -> None:
            assert awaited is not None
            await asyncio.gather(*(flight.call_async(awaited, at) for _ in range(how["tasks"])))

        for thread in threads:
            thread.start()
        if how["tasks"]:
            asyncio.run(self._with_loop(tasks))
        for thread in threads:
            thread.join()
        return {
            "loads": flight.loads,
            "slowest": max(flight.waits),
            "answers": sorted(set(flight.answers)),
            "answered": len(flight.answers),
        }

    async def _with_loop(self, tasks: Callable[[], Awaitable[None]]) -> None:
        await tasks()
        if self.contender == "ours":
            await self.cache.aio.close()

    def _asking(self, key: str, flight: Flight) -> Asking:
        if self.contender == "dogpile.cache":
            region = peers.dogpile_redis(self.parts, lock=True)
            return lambda: region.get_or_create(key, flight.load), None
        if self.contender == "cashews":
            spiced = peers.cashews(self.parts.geturl())
            return None, spiced(ttl=peers.TTL, key=key, lock=True)(flight.load_async)
        if self.contender == "aiocache":
            return None, peers.aiocache_stampede(self.parts, key)(flight.load_async)
        cache = self.cache
        return (
            lambda: cache.get_or_load(key, flight.load, ttl=peers.TTL),
            lambda: cache.aio.get_or_load(key, flight.load_async, ttl=peers.TTL),
        )

    # -- coherence

    def fill(self, *, entries: int) -> int:
        """Bring the number of entries in L1 to that."""
        store = self.cache.core.memory.store
        lone = TieredCache(l1_maxsize=1)
        for number in range(len(store), entries):
            lone.set(f"filler:{number}", number, ttl=peers.TTL)
            entry = lone.core.memory.find(f"filler:{number}")
            assert entry is not None
            store.put(f"filler:{number}", entry)
            self.local[f"filler:{number}"] = b""
        return len(store)

    def watch(self, *, key: str) -> dict[str, float]:
        """Hold `key` in memory; say so, wait until another value is seen, and tell when."""
        get = self.cache.get if self.contender == "ours" else self._get_bare
        old = get(key)
        _say("watching")
        end = time.perf_counter() + 5
        while get(key) == old and time.perf_counter() < end:
            time.sleep(POLL)
        return {"seen": time.perf_counter()}

    def _get_bare(self, key: str) -> bytes | None:
        held = self.local.get(key)
        if held is None:
            held = self.bare.get(key)
            if held is not None:
                self.local[key] = held
        return held

    # -- races

    def race(self, *, keys: list[str], at: float, seed: int, doomed: list[str]) -> int:
        """Load keys slowly in several threads, and invalidate the doomed, each at a random time.

        The database is a hash in Redis; what is invalidated has been changed there before.
        """
        rng = random.Random(seed)
        deeds = [(at + rng.random() * 0.02, self._load_slowly, key, rng.random()) for key in keys]
        deeds += [(at + rng.random() * 0.02, self._change, key, rng.random()) for key in doomed]
        deeds.sort(key=lambda deed: deed[0])
        with ThreadPoolExecutor(16) as pool:
            for when, deed, key, chance in deeds:
                time.sleep(max(0.0, when - time.perf_counter()))
                pool.submit(deed, key, chance)
        return len(deeds)

    def _load_slowly(self, key: str, chance: float) -> object:
        def load() -> str:
            read = self.bare.hget("database", key) or b"old"
            time.sleep(chance * 0.01)
            return read.decode()

        if self.contender == "aside":
            held = self.bare.get(f"aside:{key}")
            return held or self.bare.setex(f"aside:{key}", 60, load())
        return self.cache.get_or_load(key, load, ttl=peers.TTL, tags=[f"tag-{key}"])

    def _change(self, key: str, chance: float) -> None:
        self.bare.hset("database", key, "new")
        if self.contender == "aside":
            self.bare.delete(f"aside:{key}")
        elif chance < 0.4:
            self.cache.delete(key)
        elif chance < 0.7:
            self.cache.invalidate(tags=[f"tag-{key}"])
        elif chance < 0.9:
            self.cache.set(key, "new", ttl=peers.TTL)
        else:
            self.cache.invalidate(prefix=key)

    def stale(self, *, keys: list[str]) -> list[str]:
        """Read all keys and give those that have the old value."""
        if self.contender == "aside":
            return [key for key in keys if self.bare.get(f"aside:{key}") == b"old"]
        loaded = {key: self.cache.get_or_load(key, lambda: "new", ttl=peers.TTL) for key in keys}
        return [key for key, value in loaded.items() if value != "new"]


def _say(answer: object) -> None:
    print(json.dumps(answer), flush=True)


def main(url: str, namespace: str, contender: str) -> None:
    """Do what is asked for until stdin ends."""
    worker = Worker(url, namespace, contender)
    _say("ready")
    for line in sys.stdin:
        asked = json.loads(line)
        deed = asked.pop("deed")
        _say(getattr(worker, deed)(**asked))


if __name__ == "__main__":
    main(*sys.argv[1:])

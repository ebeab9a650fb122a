"""S3-FIFO against a model written from the paper, and what holds whatever is done to the cache."""

from __future__ import annotations

import copy
import math
import random
from collections import deque

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from hhs_perf.cache.observed.stats import PatternCounts
from hhs_perf.cache.policy import Policy
from hhs_perf.cache.store.entry import Entry, Group
from hhs_perf.cache.store.s3fifo import S3FIFOCache
from hhs_perf.testing import FakeClock

GROUP = Group(0, PatternCounts(""), (), Policy())


class Model:
    """Algorithm 1 of "FIFO queues are all you need for cache eviction" (SOSP '23), as it reads.

    Objects have size 1.  Where ours departs from the paper: what moves from S to M starts there
    with frequency 0, and G holds 0.6 times as many keys as the cache.  A write to a key that is
    held is a hit, as in the authors' simulator.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self.ghost_size = int(size * 0.6) or 1
        self.small: deque[int] = deque()
        self.main: deque[int] = deque()
        self.ghost: list[int] = []
        self.freq: dict[int, int] = {}
        self.evicted: list[int] = []

    def read(self, key: int) -> bool:
        if key not in self.freq:
            return False
        self.freq[key] = min(self.freq[key] + 1, 3)
        return True

    def write(self, key: int) -> None:
        if self.read(key):
            return
        while len(self.small) + len(self.main) >= self.size:
            self.evict()
        if key in self.ghost:
            self.ghost.remove(key)
            self.main.append(key)
        else:
            self.small.append(key)
        self.freq[key] = 0

    def evict(self) -> None:
        if len(self.small) >= 0.1 * self.size or not self.main:
            self.evict_small()
        else:
            self.evict_main()

    def evict_small(self) -> None:
        while self.small:
            key = self.small.popleft()
            if self.freq[key] > 0:
                self.freq[key] = 0
                self.main.append(key)
            else:
                self.ghost.append(key)
                del self.ghost[: -self.ghost_size]
                self.leave(key)
                return
        self.evict_main()

    def evict_main(self) -> None:
        while self.main:
            key = self.main.popleft()
            if self.freq[key] > 0:
                self.freq[key] -= 1
                self.main.append(key)
            else:
                self.leave(key)
                return

    def leave(self, key: int) -> None:
        del self.freq[key]
        self.evicted.append(key)


accesses = st.lists(st.tuples(st.integers(0, 25), st.sampled_from(["get", "load", "set"])))


# Up to 52 entries the ghost is one bucket, and so as exact as the model's.
@settings(max_examples=3 * settings.default.max_examples)
@given(size=st.integers(1, 52), skew=st.integers(1, 4), run=accesses, rounds=st.integers(1, 8))
def test_hits_and_evictions_are_those_of_the_paper(
    size: int, skew: int, run: list[tuple[int, str]], rounds: int
) -> None:
    cache: S3FIFOCache[int, int] = S3FIFOCache(size)
    model = Model(size)
    evicted: list[int] = []
    cache.on_evict = lambda key, _: evicted.append(key)
    for turn in range(rounds):
        for place, (number, access) in enumerate(run):
            # Small keys come again and again, the others once in a while or never.
            key = number if number % skew else number + 26 * (turn * len(run) + place)
            hit = access != "set" and model.read(key)
            if access != "set":
                assert (cache.get(key) is not None) == hit
            if not hit and access != "get":
                cache[key] = key
                model.write(key)
            assert evicted == model.evicted
    assert set(cache) == set(model.freq)
    assert cache._small.living() == list(model.small)
    assert cache._main.living() == list(model.main)
    assert {key for key in range(26 * 26) if key in cache._ghost} <= set(model.ghost)


@pytest.mark.parametrize("size", [1, 2, 5, 10, 11, 20, 33, 50, 52])
def test_long_runs_are_those_of_the_paper_too(size: int) -> None:
    """Popularity that shifts, with scans: both queues and the ghost are full and in use."""
    rng = random.Random(size)
    cache: S3FIFOCache[int, int] = S3FIFOCache(size)
    model = Model(size)
    evicted: list[int] = []
    cache.on_evict = lambda key, _: evicted.append(key)
    for turn in range(6_000):
        key = min(int(rng.paretovariate(0.8)), 500) + turn // 2_000 * 100
        if turn % 500 > 450:
            key = 10_000 + turn
        hit = model.read(key)
        assert (cache.get(key) is not None) == hit
        if not hit:
            cache[key] = key
            model.write(key)
    assert evicted == model.evicted
    assert cache._small.living() == list(model.small)
    assert cache._main.living() == list(model.main)


@given(
    batches=st.lists(st.lists(st.integers(0, 30), unique=True, max_size=12), max_size=40),
    size=st.integers(1, 20),
    weighs=st.booleans(),
)
def test_many_put_at_once_are_many_put_one_by_one(
    batches: list[list[int]], size: int, weighs: bool
) -> None:
    caches: list[S3FIFOCache[int, int]] = [
        S3FIFOCache(size, (lambda value: value % 5) if weighs else None) for _ in range(2)
    ]
    at_once, single = caches
    evicted: tuple[list[int], list[int]] = ([], [])
    for cache, told in zip(caches, evicted, strict=True):
        cache.on_evict = lambda key, _, told=told: told.append(key)
    for batch in batches:
        refused = at_once.put_many([(key, Entry(key, math.inf, 0, GROUP)) for key in batch])
        kept = [single.put(key, Entry(key, math.inf, 0, GROUP)) for key in batch]
        assert refused == [key for key, is_kept in zip(batch, kept, strict=True) if not is_kept]
        for cache in caches:
            for key in batch[::3]:
                cache.get(key)
    assert [dict(cache) for cache in caches] == [dict(single)] * 2
    assert evicted[0] == evicted[1]
    assert at_once._small.living() == single._small.living()
    assert at_once._main.living() == single._main.living()
    assert at_once.currsize == single.currsize


keys = st.integers(0, 12)
sizes = st.integers(0, 9)


class Machine(RuleBasedStateMachine):
    """Whatever is done to a cache bound by bytes, with expiry and deletes."""

    @initialize(maxsize=st.integers(1, 30), weighs=st.booleans())
    def begin(self, maxsize: int, weighs: bool) -> None:
        self.clock = FakeClock()
        self.weighs = weighs
        self.cache: S3FIFOCache[int, tuple[int, int]] = S3FIFOCache(
            maxsize, (lambda value: value[0]) if weighs else None, clock=self.clock.monotonic
        )
        self.held: dict[int, tuple[tuple[int, int], float]] = {}
        self.evicted: list[int] = []
        self.hits = self.harvested = self.writes = 0
        self.listen()

    def listen(self) -> None:
        self.cache.on_evict = self.evict
        self.cache.on_harvest = self.harvest

    def evict(self, key: int, entry: Entry) -> None:
        value, expires = self.held.pop(key)
        assert (entry.value, entry.expires) == (value, expires)
        assert expires > self.clock.monotonic(), "what has expired is no eviction"
        self.evicted.append(key)

    def harvest(self, key: int, _: Entry, hits: int) -> None:
        self.harvested += hits

    def value(self, size: int) -> tuple[int, int]:
        self.writes += 1
        return size, self.writes

    def living(self) -> dict[int, tuple[int, int]]:
        now = self.clock.monotonic()
        return {key: value for key, (value, expires) in self.held.items() if expires > now}

    @rule(key=keys, size=sizes, ttl=st.none() | st.sampled_from([1.0, 5.0, 20.0]))
    def set(self, key: int, size: int, ttl: float | None) -> None:
        value = self.value(size)
        before = self.cache.find(key)
        try:
            self.cache.set(key, value, ttl)
        except ValueError:
            assert size > self.cache.maxsize
            assert self.weighs
            assert self.cache.find(key) is before
            return
        self.held[key] = value, math.inf if ttl is None else self.clock.monotonic() + ttl
        assert self.cache.find(key).value == value

    @rule(key=keys, size=sizes)
    def put(self, key: int, size: int) -> None:
        value = self.value(size)
        kept = self.cache.put(key, Entry(value, math.inf, 0, GROUP))
        assert kept == (not self.weighs or size <= self.cache.maxsize)
        if kept:
            self.held[key] = value, math.inf
        else:
            self.held.pop(key, None)

    @rule(key=keys, size=sizes)
    def setdefault(self, key: int, size: int) -> None:
        known = self.living().get(key)
        if known is not None:
            self.hits += 1
            assert self.cache.setdefault(key, (99, 99)) == known
        elif not self.weighs or size <= self.cache.maxsize:
            value = self.value(size)
            assert self.cache.setdefault(key, value) == value
            self.held[key] = value, math.inf

    @rule(key=keys)
    def get(self, key: int) -> None:
        known = self.living().get(key)
        assert self.cache.get(key) == known
        if known is not None:
            assert self.cache[key] == known
            self.hits += 2

    @rule(key=keys)
    def pop(self, key: int) -> None:
        assert self.cache.pop(key, None) == self.living().get(key)
        self.held.pop(key, None)

    @rule(key=keys)
    def remove(self, key: int) -> None:
        entry = self.cache.remove(key)
        assert (entry is None) or self.held[key][0] == entry.value
        self.held.pop(key, None)

    @precondition(lambda self: self.living())
    @rule()
    def popitem(self) -> None:
        key, value = self.cache.popitem()
        assert self.living()[key] == value
        del self.held[key]

    @rule()
    def expire(self) -> None:
        self.cache.expire()
        assert len(self.cache) == len(self.living())

    @rule()
    def clear(self) -> None:
        self.cache.clear()
        self.held.clear()

    @rule()
    def go_on_with_a_copy(self) -> None:
        self.hits = self.harvested = 0
        self.cache = copy.copy(self.cache)
        self.cache.harvest()
        self.listen()

    @rule(seconds=st.sampled_from([0.5, 1.0, 4.0, 30.0]))
    def wait(self, seconds: float) -> None:
        self.clock.advance(seconds)

    @invariant()
    def it_holds_what_was_put_and_neither_deleted_nor_evicted_nor_expired(self) -> None:
        living = self.living()
        assert dict(self.cache.items()) == living
        assert set(self.cache) == living.keys()
        assert sorted(self.cache.values()) == sorted(living.values())
        assert all((key in self.cache) == (key in living) for key in range(13))

    @invariant()
    def sizes_add_up_and_keep_the_bound(self) -> None:
        held = self.cache.entries()
        sizes = [entry.value[0] if self.weighs else 1 for _, entry in held]
        assert self.cache.currsize == sum(sizes) <= self.cache.maxsize
        assert len(self.cache) == len(held)

    @invariant()
    def every_key_stands_in_one_queue(self) -> None:
        cache = copy.copy(self.cache)
        queued = [*cache._small.living(), *cache._main.living()]
        assert sorted(queued) == sorted(key for key, _ in cache.entries())
        assert len(self.cache._small) == len(cache._small)
        assert len(self.cache._main) == len(cache._main)
        if self.weighs:
            small = sum(cache._sizes[key] for key in cache._small.living())
            assert self.cache._small_total == cache._small_total == small

    @invariant()
    def evictions_are_counted_and_no_hit_is_lost(self) -> None:
        assert self.harvested <= self.hits

    def teardown(self) -> None:
        if hasattr(self, "cache"):
            self.cache.harvest()
            assert self.harvested == self.hits
            assert self.cache.evictions <= len(self.evicted)


TestMachine = Machine.TestCase
TestMachine.settings = settings(
    max_examples=3 * settings.default.max_examples // 2, stateful_step_count=60
)

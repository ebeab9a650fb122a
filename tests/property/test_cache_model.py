"""The cache against a plain model of it: never an expired or void value, and none lost."""

from __future__ import annotations

import contextvars
import itertools
import os
from typing import Any

import attrs
import pytest
import redis
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from hhs_perf.cache import Policy, TieredCache
from hhs_perf.cache.drive import run
from hhs_perf.cache.flight import loading
from hhs_perf.cache.remote import l2 as l2_module
from hhs_perf.cache.remote.scripts import Script
from hhs_perf.testing import FakeClock
from tests.cache_worlds import Bus

# A key's first letter names the policy that all use for it.
POLICIES = {
    "p": Policy(),
    "c": Policy(copy="on_read"),
    "s": Policy(ttl=20, stale_for=30, fail_safe_for=60),
    "n": Policy(negative=(LookupError,), negative_ttl=5),
    "e": Policy(ttl=40, eager_at=0.5),
}
NEGATIVE_TTL = 5.0
KEYS = st.sampled_from([f"{kind}{group}:1" for kind in POLICIES for group in "xy"])
TAGS = st.lists(st.sampled_from(["t", "u"]), max_size=2, unique=True)
VALUES = st.one_of(st.none(), st.integers(0, 9), st.lists(st.integers(0, 3), max_size=2))
TTLS = st.sampled_from([None, 10.0, 45.0, 100.0])
L1_TTL, L2_TTL = 60.0, 300.0
NOTHING = "nothing"
_numbers = itertools.count(1)


@attrs.define
class Row:
    """What the model holds under a key."""

    value: Any
    expires: float
    tags: tuple[str, ...]
    is_error: bool = False


class CacheModel(RuleBasedStateMachine):
    """L1 alone."""

    # Boundaries in time that are closer than this are stepped over.
    blur = 1e-6
    has_l2 = False

    def __init__(self) -> None:
        super().__init__()
        self.clock = FakeClock()
        self.rows: dict[str, Row] = {}
        # Per cache: keys whose stale value counts as fresh for a moment, since a load failed.
        self.caches = self.open()
        self.graces: list[dict[str, float]] = [{} for _ in self.caches]
        for cache in self.caches:
            cache.core.link.spawn = lambda steps, link=cache.core.link: in_line(steps, link)

    def open(self) -> list[TieredCache]:
        return [TieredCache(clock=self.clock, l1_ttl=L1_TTL)]

    def teardown(self) -> None:
        for cache in self.caches:
            cache.close()

    # -- the model

    def cache(self, which: int) -> tuple[TieredCache, dict[str, float]]:
        self.settle()
        place = which % len(self.caches)
        return self.caches[place], self.graces[place]

    def now(self) -> float:
        return self.clock.monotonic()

    def move(self, seconds: float) -> None:
        self.clock.advance(seconds)

    def settle(self) -> None:
        """Step over moments at which something ends."""
        while any(abs(end - self.now()) <= self.blur for end in self.ends()):
            self.move(max(1.0, 2 * self.blur))

    def ends(self) -> list[float]:
        found = [until for graces in self.graces for until in graces.values()]
        for key, row in self.rows.items():
            policy = POLICIES[key[0]]
            spans = (0.0, policy.stale_for, policy.fail_safe_for)
            found += [row.expires + span for span in spans]
        return found

    def fresh(self, key: str, graces: dict[str, float]) -> Row | None:
        row = self.rows.get(key)
        is_fresh = row is not None and max(row.expires, graces.get(key, 0.0)) > self.now()
        return row if is_fresh else None

    def stale(self, key: str, span: float) -> Row | None:
        row = self.rows.get(key)
        if row is None or row.is_error or self.now() - row.expires >= span:
            return None
        return row

    def put(self, key: str, value: Any, ttl: float | None, tags: list[str]) -> None:
        policy = POLICIES[key[0]]
        life = next(each for each in (ttl, policy.ttl, L2_TTL if self.has_l2 else L1_TTL) if each)
        self.drop(key)
        self.rows[key] = Row(value, self.now() + life, tuple(tags))

    def drop(self, key: str) -> None:
        self.rows.pop(key, None)
        for graces in self.graces:
            graces.pop(key, None)

    # -- what is done

    @rule(which=st.integers(0, 1), key=KEYS, value=VALUES, ttl=TTLS, tags=TAGS)
    def set(self, which: int, key: str, value: Any, ttl: float | None, tags: list[str]) -> None:
        cache, _ = self.cache(which)
        cache.set(key, value, ttl=ttl, tags=tags, policy=POLICIES[key[0]])
        self.put(key, value, ttl, tags)

    @rule(which=st.integers(0, 1), values=st.dictionaries(KEYS, VALUES, max_size=4), ttl=TTLS)
    def set_many(self, which: int, values: dict[str, Any], ttl: float | None) -> None:
        cache, _ = self.cache(which)
        values = {key: value for key, value in values.items() if key[0] == "p"}
        cache.set_many(values, ttl=ttl)
        for key, value in values.items():
            self.put(key, value, ttl, [])

    @rule(which=st.integers(0, 1), key=KEYS)
    def get(self, which: int, key: str) -> None:
        cache, graces = self.cache(which)
        row = self.fresh(key, graces)
        expected = NOTHING if row is None or row.is_error else row.value
        assert cache.get(key, NOTHING) == expected

    @rule(which=st.integers(0, 1), keys=st.lists(KEYS, max_size=6))
    def get_many(self, which: int, keys: list[str]) -> None:
        cache, graces = self.cache(which)
        rows = {key: self.fresh(key, graces) for key in keys}
        expected = {key: row.value for key, row in rows.items() if row and not row.is_error}
        assert cache.get_many(keys) == expected

    @rule(which=st.integers(0, 1), key=KEYS)
    def contains(self, which: int, key: str) -> None:
        cache, graces = self.cache(which)
        row = self.fresh(key, graces)
        assert cache.contains(key) == (row is not None and not row.is_error)

    @rule(which=st.integers(0, 1), key=KEYS)
    def ttl(self, which: int, key: str) -> None:
        cache, graces = self.cache(which)
        row = self.fresh(key, graces)
        if row is not None and (row.is_error or key in graces):
            return
        left = cache.ttl(key)
        if row is None:
            assert left is None
        else:
            assert left == pytest.approx(row.expires - self.now(), abs=self.blur)

    @rule(
        which=st.integers(0, 1),
        key=KEYS,
        value=VALUES,
        ttl=TTLS,
        tags=TAGS,
        fails=st.booleans(),
        is_forced=st.sampled_from([False, False, True]),
    )
    def load(
        self,
        which: int,
        key: str,
        value: Any,
        ttl: float | None,
        tags: list[str],
        fails: bool,
        is_forced: bool,
    ) -> None:
        cache, graces = self.cache(which)
        policy = POLICIES[key[0]]
        calls: list[int] = []

        def loader() -> Any:
            calls.append(1)
            if fails:
                raise LookupError("no row")
            return value

        ask = cache.refresh if is_forced else cache.get_or_load
        try:
            found, error = ask(key, loader, ttl=ttl, tags=tags, policy=policy), None
        except LookupError as exc:
            found, error = None, exc
        row = None if is_forced else self.fresh(key, graces)
        if row is not None:
            assert (error is not None) == row.is_error
            assert row.is_error or found == row.value
            if key[0] == "e" and calls:  # in the background, as its time comes
                if not fails:
                    self.put(key, value, ttl, tags)
                return
            assert not calls
            return
        assert len(calls) == 1
        stale = None if is_forced else self.stale(key, policy.stale_for)
        saved = self.stale(key, policy.fail_safe_for) if policy.fail_safe_for else None
        if stale is not None and policy.stale_for:
            assert (found, error) == (stale.value, None)
        elif not fails:
            assert (found, error) == (value, None)
        elif saved is not None:
            assert (found, error) == (saved.value, None)
        else:
            assert error is not None
        if not fails:
            self.put(key, value, ttl, tags)
        elif isinstance(LookupError(), policy.negative):
            self.drop(key)
            self.rows[key] = Row(None, self.now() + NEGATIVE_TTL, tuple(tags), is_error=True)
        elif saved is not None and saved.expires <= self.now():
            end = saved.expires + max(policy.stale_for, policy.fail_safe_for)
            graces[key] = min(self.now() + NEGATIVE_TTL, end)

    @rule(which=st.integers(0, 1), keys=st.lists(KEYS, max_size=2))
    def delete(self, which: int, keys: list[str]) -> None:
        cache, _ = self.cache(which)
        cache.delete(*keys)
        for key in keys:
            self.drop(key)

    @rule(
        which=st.integers(0, 1), tags=st.lists(st.sampled_from(["t", "u"]), min_size=1, max_size=2)
    )
    def invalidate_tags(self, which: int, tags: list[str]) -> None:
        cache, _ = self.cache(which)
        cache.invalidate(tags=tags)
        for key, row in list(self.rows.items()):
            if set(tags) & set(row.tags):
                self.drop(key)

    @rule(which=st.integers(0, 1), prefix=st.sampled_from(["p", "px", "sy:", "sx:1", "nx"]))
    def invalidate_prefix(self, which: int, prefix: str) -> None:
        cache, _ = self.cache(which)
        cache.invalidate(prefix=prefix)
        for key in list(self.rows):
            if key.startswith(prefix):
                self.drop(key)

    @rule(which=st.integers(0, 1))
    def invalidate_everything(self, which: int) -> None:
        cache, _ = self.cache(which)
        cache.invalidate(everything=True)
        for key in list(self.rows):
            self.drop(key)

    @rule(seconds=st.sampled_from([0.5, 3.0, 7.0, 11.0, 29.0, 61.0, 130.0]))
    def advance(self, seconds: float) -> None:
        self.move(seconds)

    @invariant()
    def nothing_is_under_way(self) -> None:
        for cache in self.caches:
            assert len(cache.core.flights) == 0


class PairModel(CacheModel):
    """Two caches over one Valkey; whatever is said is heard before the next one speaks."""

    blur = 1.5  # Valkey's own time runs on meanwhile
    has_l2 = True
    url = ""

    @initialize()
    def begin(self) -> None:
        """Have at least one rule that always runs."""

    def open(self) -> list[TieredCache]:
        self.namespace = f"model{os.getpid()}-{next(_numbers)}"
        self.client = redis.Redis.from_url(self.url)
        self.bus = Bus(self.url, self.namespace)
        self.patch = pytest.MonkeyPatch()
        for name in ("ACQUIRE", "MARK", "STAND", "ASK"):
            self.patch.setattr(l2_module, name, shifted(getattr(l2_module, name), self.namespace))
        settings = {"namespace": self.namespace, "l2_timeout": 5.0, "clock": self.clock}
        made = [TieredCache(self.url, l1_ttl=L1_TTL, l2_ttl=L2_TTL, **settings) for _ in range(2)]
        return [self.bus.link(cache) for cache in made]

    def move(self, seconds: float) -> None:
        self.clock.advance(seconds)
        self.client.incrbyfloat(f"{self.namespace}-shift", seconds)

    def cache(self, which: int) -> tuple[TieredCache, dict[str, float]]:
        self.bus.deliver()
        return super().cache(which)

    def teardown(self) -> None:
        super().teardown()
        self.patch.undo()
        self.bus.close()
        names = list(self.client.scan_iter(f"*{self.namespace}*"))
        if names:
            self.client.delete(*names)
        self.client.close()


def shifted(script: Script, namespace: str) -> Script:
    """Let a script see the time that the test has moved to."""
    plain = "local t = redis.call('TIME')\n"
    assert plain in script.text
    moved = (
        f"local t = redis.call('TIME')\nlocal shift = redis.call('GET', '{namespace}-shift')\n"
        "if shift then\n  local all = t[1] * 1000000 + t[2] + shift * 1000000\n"
        "  t = {string.format('%d', math.floor(all / 1000000)), math.floor(all % 1000000)}\nend\n"
    )
    return Script(script.text.replace(plain, moved))


def in_line(steps: Any, link: Any) -> bool:
    """Do at once what is else done in the background."""

    def work() -> None:
        loading.set(())
        run(steps(), link)

    contextvars.copy_context().run(work)
    return True


EXAMPLES = [
    pytest.param(1, id="few"),
    pytest.param(20, id="many", marks=[pytest.mark.soak, pytest.mark.timeout(1800)]),
]


@pytest.mark.parametrize("times", EXAMPLES)
def test_l1_alone_does_what_the_model_does(times: int) -> None:
    examples = settings.default.max_examples * times
    run_state_machine_as_test(
        CacheModel, settings=settings(max_examples=examples, stateful_step_count=40)
    )


@pytest.mark.parametrize("times", EXAMPLES)
def test_two_caches_over_one_server_do_what_the_model_does(times: int, valkey_url: str) -> None:
    class Pair(PairModel):
        url = valkey_url

    examples = settings.default.max_examples * 2 // 5 * times
    run_state_machine_as_test(
        Pair, settings=settings(max_examples=examples, stateful_step_count=40)
    )

"""The size of an entry: near the truth, each object once, and never slow."""

from __future__ import annotations

import math
import sys
import time
from dataclasses import dataclass

import msgspec
import pytest

from hhs_perf.cache.observed.stats import PatternCounts
from hhs_perf.cache.policy import Policy
from hhs_perf.cache.store.entry import Entry, Group
from hhs_perf.cache.store.s3fifo import S3FIFOCache
from hhs_perf.cache.store.sizes import ENTRY_BYTES, size_of

GROUP = Group(0, PatternCounts(""), (), Policy())
OVERHEAD = ENTRY_BYTES + sys.getsizeof("k")


def inside(value: object) -> int:
    return size_of("k", Entry(value, math.inf, 0, GROUP)) - OVERHEAD


class Slotted:
    __slots__ = ("a", "b")


class Single(Slotted):
    __slots__ = "c"  # noqa: PLC0205 - the language allows it


class Struct(msgspec.Struct):
    text: str


@dataclass
class Row:
    text: str


BIG = "x" * 10_000


def slotted() -> Single:
    value = Single()
    value.a, value.c = BIG, BIG + "y"
    return value


def test_a_plain_value_counts_what_python_says() -> None:
    assert inside("text") == sys.getsizeof("text")
    assert inside(b"x" * 1_000) == sys.getsizeof(b"x" * 1_000)
    assert inside(None) == 0


def test_the_key_counts() -> None:
    value = Entry(None, math.inf, 0, GROUP)
    assert size_of("k" * 1_000, value) - size_of("k", value) == 999


@pytest.mark.parametrize(
    "value",
    [
        [BIG],
        (BIG,),
        {BIG},
        frozenset([BIG]),
        {"a": {"b": [BIG]}},
        {BIG: 1},
        Row(BIG),
        Struct(BIG),
        [[[[BIG]]]],
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_containers_and_objects_hold_counts(value: object) -> None:
    assert 10_000 < inside(value) < 11_500


def test_all_slots_count() -> None:
    assert 20_000 < inside(slotted()) < 20_500


def test_an_object_that_is_held_twice_counts_once() -> None:
    assert inside([BIG, BIG, [BIG]]) < 11_000


def test_a_value_may_hold_itself() -> None:
    value: list[object] = [BIG]
    value.append(value)
    assert inside(value) < 11_000


def test_what_belongs_to_the_program_does_not_count() -> None:
    assert inside([math, int, len, inside, [].append]) < 200


@pytest.mark.parametrize("rows", [10, 1_000, 100_000])
def test_many_like_items_count_as_many(rows: int) -> None:
    value = [{"id": 1_000 + n, "name": f"account {n:08}"} for n in range(rows)]
    row = sys.getsizeof(value[0]) + sys.getsizeof(1_000) + sys.getsizeof("account 00000000")
    assert inside(value) == pytest.approx(rows * row + sys.getsizeof(value), rel=0.05)


def test_what_is_not_looked_at_counts_as_much_as_what_is() -> None:
    """Some 260,000 objects, of which 10,000 are looked at."""
    rows = [[[f"{n:06}" for n in range(64)] for _ in range(64)] for _ in range(64)]
    truth = 64**3 * sys.getsizeof("000000") + (64**2 + 64 + 1) * sys.getsizeof(rows)
    begun = time.process_time()
    assert inside(rows) == pytest.approx(truth, rel=0.1)
    assert time.process_time() - begun < 1


def test_it_bounds_a_cache_by_bytes() -> None:
    cache: S3FIFOCache[str, object] = S3FIFOCache(1_000_000, weigh=size_of)
    for n in range(1_000):
        cache.put(f"key:{n}", Entry("x" * 9_800, math.inf, 0, GROUP))
    assert 95 <= len(cache) <= 100
    assert 950_000 < cache.currsize <= 1_000_000

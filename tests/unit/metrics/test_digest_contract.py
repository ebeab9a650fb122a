"""What every digest engine must do, on every engine at hand.

`HHS_PERF_DIGEST` names the one engine to test; without it all that are installed are tested.
"""

from __future__ import annotations

import math
import os
import random
from array import array
from itertools import pairwise
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hhs_perf._settings import DigestName
from hhs_perf.exceptions import ConfigurationError
from hhs_perf.metrics import Registry, nearest_rank
from hhs_perf.metrics.digest import Digest, DigestEngine, load_engine
from hhs_perf.metrics.distribution import Distribution
from hhs_perf.metrics.frame import decode, encode
from hhs_perf.metrics.local import LocalReader
from hhs_perf.metrics.merging import merge
from hhs_perf.metrics.slots import OpenSlot
from hhs_perf.testing import FakeClock

FORCED = os.environ.get("HHS_PERF_DIGEST", "auto")


def installed() -> list[DigestEngine]:
    """Load the engine that the environment names, or all that are installed."""
    if FORCED != "auto":
        return [load_engine(cast("DigestName", FORCED))]
    engines = []
    for name in ("fastdigest", "tdigest"):
        try:
            engines.append(load_engine(name))
        except ConfigurationError:
            assert name != "fastdigest", "a core dependency is not installed"
    return engines


pytestmark = pytest.mark.parametrize("engine", installed(), ids=lambda engine: engine.name)

QUANTILES = [n / 200 for n in range(201)]
durations = st.floats(min_value=0, max_value=1e6, allow_subnormal=False)
samples = st.lists(durations, min_size=1, max_size=400)


def digest_of(engine: DigestEngine, values: list[float]) -> Digest:
    """Make a digest of `values`."""
    digest = engine.new()
    digest.update(sorted(values))
    return digest


def lognormal(n: int, seed: int = 1) -> list[float]:
    """Make `n` durations around 50 ms."""
    rng = random.Random(seed)
    return [rng.lognormvariate(math.log(0.05), 0.8) for _ in range(n)]


def weight(digest: Digest) -> float:
    """Count what the digest has seen."""
    return sum(digest.centroids()[1])


def test_empty_digest_knows_no_quantile(engine: DigestEngine) -> None:
    digest = engine.new()
    assert math.isnan(digest.quantile(0.5))
    assert [list(side) for side in digest.centroids()] == [[], []]


def test_empty_update_changes_nothing(engine: DigestEngine) -> None:
    digest = engine.new()
    digest.update([])
    assert math.isnan(digest.quantile(0.95))
    digest.update([1.0])
    digest.update([])
    assert (digest.quantile(0.95), weight(digest)) == (1.0, 1)


@given(values=samples)
def test_quantiles_are_monotone_and_inside_the_extremes(
    engine: DigestEngine, values: list[float]
) -> None:
    digest = digest_of(engine, values)
    quantiles = [digest.quantile(q) for q in QUANTILES]
    slack = 1e-12 * max(values)  # a mean of equal values may be off by its last bit
    assert all(a <= b + slack for a, b in pairwise(quantiles))
    assert min(values) - slack <= quantiles[0]
    assert quantiles[-1] <= max(values) + slack


@given(parts=st.lists(samples, min_size=2, max_size=6))
def test_merge_keeps_counts_and_sums(engine: DigestEngine, parts: list[list[float]]) -> None:
    merged = engine.new()
    for part in parts:
        merged.merge(digest_of(engine, part))
    means, weights = merged.centroids()
    everything = [value for part in parts for value in part]
    assert sum(weights) == len(everything)
    total = math.fsum(map(float.__mul__, means, weights))
    assert math.isclose(total, math.fsum(everything), rel_tol=1e-9, abs_tol=1e-9)


@given(parts=st.lists(samples, min_size=2, max_size=6))
def test_merged_quantiles_are_monotone_and_inside_the_extremes(
    engine: DigestEngine, parts: list[list[float]]
) -> None:
    merged = engine.new()
    for part in parts:
        merged.merge(digest_of(engine, part))
    everything = [value for part in parts for value in part]
    quantiles = [merged.quantile(q) for q in QUANTILES]
    slack = 1e-12 * max(everything)
    assert all(a <= b + slack for a, b in pairwise(quantiles))
    assert min(everything) - slack <= quantiles[0]
    assert quantiles[-1] <= max(everything) + slack


def test_merge_leaves_the_other_as_it_is(engine: DigestEngine) -> None:
    one, other = digest_of(engine, lognormal(500)), digest_of(engine, lognormal(500, seed=2))
    before = other.centroids()
    one.merge(other)
    assert other.centroids() == before
    assert weight(one) == 1000


def test_merge_with_an_empty_digest_is_no_change(engine: DigestEngine) -> None:
    """An empty digest has no minimum that could be taken for a value."""
    digest = digest_of(engine, [1.0, 2.0, 3.0])
    digest.merge(engine.new())
    empty = engine.new()
    empty.merge(digest)
    empty.merge(engine.new())
    for merged in (digest, empty):
        assert weight(merged) == 3
        assert merged.quantile(0.0) >= 1.0
        assert merged.quantile(1.0) <= 3.0
    nothing = engine.new()
    nothing.merge(engine.new())
    assert math.isnan(nothing.quantile(0.5))


def test_merge_refuses_a_digest_of_another_engine(engine: DigestEngine) -> None:
    class Stranger:
        def update(self, values: object) -> None: ...
        def merge(self, other: object) -> None: ...
        def quantile(self, q: float) -> float:
            return q

        def centroids(self) -> tuple[array[float], array[float]]:
            return array("d", [1.0]), array("d", [1.0])

        def copy(self) -> Stranger:
            return self

    digest = digest_of(engine, [1.0])
    with pytest.raises(TypeError, match="two engines"):
        digest.merge(cast("Digest", Stranger()))
    assert weight(digest) == 1


@given(values=samples)
def test_build_gives_back_the_same_centroids(engine: DigestEngine, values: list[float]) -> None:
    digest = digest_of(engine, values)
    means, weights = digest.centroids()
    assert list(means) == sorted(means)
    assert engine.build(means, weights).centroids() == (means, weights)


def test_build_of_nothing_is_an_empty_digest(engine: DigestEngine) -> None:
    digest = engine.build(array("d"), array("d"))
    assert math.isnan(digest.quantile(0.5))
    digest.update([2.0])
    assert digest.quantile(0.5) == 2.0


def test_built_digest_goes_on_taking_values(engine: DigestEngine) -> None:
    digest = digest_of(engine, lognormal(2000))
    built = engine.build(*digest.centroids())
    built.update(sorted(lognormal(2000, seed=2)))
    built.merge(digest)
    assert weight(built) == 6000


def test_copy_is_independent_both_ways(engine: DigestEngine) -> None:
    digest = digest_of(engine, lognormal(600))
    copy = digest.copy()
    assert copy.centroids() == digest.centroids()
    digest.update([50.0])
    assert (weight(copy), weight(digest)) == (600, 601)
    copy.update([60.0, 70.0])
    assert (weight(copy), weight(digest)) == (602, 601)
    assert copy.quantile(1.0) == pytest.approx(70.0)
    assert digest.quantile(1.0) == pytest.approx(50.0)


def test_copy_of_an_empty_digest_is_empty(engine: DigestEngine) -> None:
    assert math.isnan(engine.new().copy().quantile(0.5))


@pytest.mark.parametrize("q", [0.5, 0.95, 0.99])
def test_estimates_lie_near_the_truth(engine: DigestEngine, q: float) -> None:
    values = lognormal(5000)
    truth = sorted(values)[nearest_rank(q, len(values)) - 1]
    assert digest_of(engine, values).quantile(q) == pytest.approx(truth, rel=0.03)


def test_centroids_stay_few_however_much_is_seen(engine: DigestEngine) -> None:
    digest = engine.new()
    for seed in range(10):
        digest.update(sorted(lognormal(1000, seed)))
    assert len(digest.centroids()[0]) <= 800


def test_frame_of_an_honest_slot_is_accepted(engine: DigestEngine) -> None:
    """What `encode` makes passes the checks for strangers, digest and all."""
    slot = OpenSlot(engine, (("<", 0.1), ("<=", 0.5)))
    for seed in range(4):
        slot.take(lognormal(400, seed))
    seen = slot.seen()
    frame = decode(encode(7, 30, seen), engine)
    assert frame is not None
    assert frame.seen.digest is not None
    assert weight(frame.seen.digest) == seen.count == 1600
    assert frame.seen.quantile(0.5) == pytest.approx(seen.quantile(0.5), rel=1e-3)


def test_frames_of_merged_slots_are_accepted(engine: DigestEngine) -> None:
    parts = []
    for seed in range(6):
        slot = OpenSlot(engine, ())
        slot.take(lognormal(300 + seed, seed))
        parts.append(slot.seen())
    merged = merge(parts, engine, kept=256, centroids=100)
    frame = decode(encode(7, 300, merged), engine)
    assert frame is not None
    assert frame.seen.count == sum(part.count for part in parts)
    assert weight(cast("Digest", frame.seen.digest)) == frame.seen.count


def test_a_registry_on_the_engine_counts_exactly_and_estimates_well(engine: DigestEngine) -> None:
    """From `record` over a closed slot to a quantile."""
    clock = FakeClock()
    registry = Registry(clock=clock, engine=engine)
    registry.count_at("work", [("<", 0.05)])
    timer = registry.timer("work")
    values = lognormal(4400)
    for start in range(0, 4400, 1100):
        for value in values[start : start + 1100]:
            timer.record(value)
        clock.advance(30)
    seen = LocalReader(registry).read("5m").timer("work")
    truth = sorted(values)
    assert (seen.count, seen.min, seen.max) == (4400, truth[0], truth[-1])
    holding = seen.holding(("<", 0.05))
    assert holding is not None
    assert (holding.holding, holding.of) == (sum(v < 0.05 for v in values), 4400)
    assert seen.quantile(0.99) == truth[nearest_rank(0.99, 4400) - 1]
    assert seen.quantile(0.5) == pytest.approx(truth[2199], rel=0.02)


def test_what_a_distribution_shows_is_monotone(engine: DigestEngine) -> None:
    slot = OpenSlot(engine, (("<", 0.05), ("<=", 0.2)))
    slot.take(lognormal(3000))
    seen: Distribution = slot.seen()
    quantiles = [seen.quantile(n / 1000) for n in range(1, 1001)]
    known = [quantile for quantile in quantiles if quantile is not None]
    assert len(known) == 1000
    assert all(a <= b for a, b in pairwise(known))
    assert seen.min is not None
    assert seen.min <= known[0]
    assert known[-1] == seen.max

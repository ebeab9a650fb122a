"""How large a pool has to be, from what was measured of it.

A pool of c connections is a queue with c servers: callers arrive at rate λ, hold for W seconds on
average, and so keep L = λ·W connections busy (J. D. C. Little, "A Proof for the Queuing Formula
L = λW", Operations Research 9, 1961). The wait is forecast by the approximation of Allen and
Cunneen, Wq = C(c, L) / (c/W - λ) · (ca² + cs²)/2, with Erlang's C for the chance to wait and the
squared coefficients of variation of the times between arrivals and of the holds (A. O. Allen,
"Probability, Statistics, and Queueing Theory", 2nd ed. 1990, 5.2.4; exact for M/M/c, where both
are 1).
"""

from __future__ import annotations

import math
from typing import Final

import attrs

__all__ = ["Forecast", "PoolLoad", "SizingAdvice", "advise", "forecast"]

LONGEST_WAIT: Final = 0.005
HIGHEST_UTILISATION: Final = 0.8
_SATURATED: Final = 0.95
_MOST_CONNECTIONS: Final = 10_000
# How far the wait that was measured may move the forecast: more tells of another cause.
_MOST_VARIATION: Final = 10.0
_WORTH_FITTING: Final = 0.001


@attrs.frozen(kw_only=True, slots=False)
class PoolLoad:
    """What was measured of a pool over a window.

    `rate` is checkouts per second, `hold` and `wait` are means in seconds, `capacity` is size and
    overflow together, `variation` the squared coefficient of variation of the holds, 1 where it
    is unknown. Raises ValueError for what is negative, not finite, or a capacity below 1.
    """

    rate: float
    hold: float
    capacity: int
    wait: float = 0.0
    variation: float = 1.0

    def __attrs_post_init__(self) -> None:
        for name in ("rate", "hold", "wait", "variation"):
            value = getattr(self, name)
            if not 0.0 <= value < math.inf:
                raise ValueError(f"{name} must be at least 0 and finite, got {value}")
        if self.capacity < 1:
            raise ValueError(f"capacity must be at least 1, got {self.capacity}")

    @property
    def busy(self) -> float:
        """Connections in use on average, by Little's law."""
        return self.rate * self.hold

    @property
    def is_saturated(self) -> bool:
        """Tell whether callers came faster than the pool could serve them."""
        return self.busy >= _SATURATED * self.capacity

    @property
    def demand(self) -> float:
        """Connections that callers want on average.

        What a saturated pool serves says little of how much is asked for; those who wait are then
        counted too, again by Little's law.
        """
        return self.rate * (self.hold + self.wait) if self.is_saturated else self.busy


@attrs.frozen(kw_only=True, slots=False)
class Forecast:
    """A pool of `capacity` connections under the measured load.

    `wait` is the mean in seconds, None where it would grow without bound; `utilisation` is the
    share of connections in use on average, at most 1.
    """

    capacity: int
    wait: float | None
    utilisation: float
    text: str


@attrs.frozen(kw_only=True, slots=False)
class SizingAdvice:
    """What follows for the size; `recommended` is None where no load was measured."""

    load: PoolLoad
    forecasts: tuple[Forecast, ...]
    recommended: int | None
    evidence: str


def forecast(load: PoolLoad, capacity: int) -> Forecast:
    """Forecast the wait and the utilisation with `capacity` connections, at least 1.

    More connections never forecast a longer wait.
    """
    wait = _mean_wait(load.demand, load.hold, capacity)
    used = min(load.demand / capacity, 1.0)
    noun = "connection" if capacity == 1 else "connections"
    if wait is None:
        text = (
            f"{capacity} {noun}: the wait grows without bound, since callers want"
            f" {load.demand:.1f} on average"
        )
        return Forecast(capacity=capacity, wait=None, utilisation=used, text=text)
    wait *= _variation(load)
    text = f"{capacity} {noun}: {wait * 1000:.1f} ms mean wait, {used:.0%} in use"
    return Forecast(capacity=capacity, wait=wait, utilisation=used, text=text)


def advise(load: PoolLoad, *, longest_wait: float = LONGEST_WAIT) -> SizingAdvice:
    """Forecast half, the same and twice the capacity, and recommend the smallest that is enough.

    Enough is a mean wait of at most `longest_wait` seconds and 80 % of the connections in use.
    """
    sizes = (max(1, load.capacity // 2), load.capacity, load.capacity * 2)
    forecasts = tuple(forecast(load, size) for size in sizes)
    if not load.busy:
        evidence = "no load was measured, so nothing follows for the size"
        return SizingAdvice(load=load, forecasts=forecasts, recommended=None, evidence=evidence)
    recommended = _smallest(load, longest_wait)
    after = forecast(load, recommended)
    saturated = (
        f"; the pool is saturated, so with those who wait {load.demand:.1f} are wanted"
        if load.is_saturated
        else ""
    )
    evidence = (
        f"{load.rate:.1f} checkouts/s x {load.hold * 1000:.1f} ms held = {load.busy:.1f} of"
        f" {load.capacity} connections in use (Little's law), {load.wait * 1000:.1f} ms mean wait"
        f" measured{saturated}. {after.text} (Allen-Cunneen)"
    )
    return SizingAdvice(load=load, forecasts=forecasts, recommended=recommended, evidence=evidence)


def _smallest(load: PoolLoad, longest_wait: float) -> int:
    least = max(1, math.ceil(load.demand / HIGHEST_UTILISATION - 1e-9))
    most = least
    while not _is_enough(load, most, longest_wait) and most < _MOST_CONNECTIONS:
        most *= 2
    while least < most:
        middle = (least + most) // 2
        if _is_enough(load, middle, longest_wait):
            most = middle
        else:
            least = middle + 1
    return most


def _is_enough(load: PoolLoad, capacity: int, longest_wait: float) -> bool:
    wait = forecast(load, capacity).wait
    return wait is not None and wait <= longest_wait


def _variation(load: PoolLoad) -> float:
    """Give the factor (ca² + cs²)/2: fitted to the measured wait where that tells something."""
    by_holds = (1.0 + load.variation) / 2.0
    if load.is_saturated or load.wait < _WORTH_FITTING:
        return by_holds
    modelled = _mean_wait(load.busy, load.hold, load.capacity)
    if not modelled:
        return by_holds
    return min(max(load.wait / modelled, 0.1), _MOST_VARIATION)


def _mean_wait(busy: float, hold: float, capacity: int) -> float | None:
    """Give the mean wait in an M/M/c queue, in seconds; None without bound."""
    if busy >= capacity:
        return None
    return _erlang_c(busy, capacity) * hold / (capacity - busy)


def _erlang_c(busy: float, servers: int) -> float:
    """Give the chance to find all servers busy, by the recurrence for Erlang's B."""
    blocked = 1.0
    for count in range(1, servers + 1):
        blocked = busy * blocked / (count + busy * blocked)
    return blocked / (1.0 - busy / servers * (1.0 - blocked))

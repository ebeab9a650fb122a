"""Whether too many bad events can be chance."""

from __future__ import annotations

import math
from typing import Final

__all__ = ["LIMIT", "binomial_tail", "is_beyond_chance"]

LIMIT: Final = 0.001
"""A chance smaller than this is none."""


def _log_pmf(k: int, n: int, p: float) -> float:
    ways = math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)
    return ways + k * math.log(p) + (n - k) * math.log1p(-p)


def _sum(term: float, k: int, n: int, odds: float) -> float:
    """Add the terms up from `k` on; they shrink, so it ends where they no longer count."""
    total = 0.0
    while term > total * 1e-17:
        total += term
        if k == n:
            break
        term *= (n - k) / (k + 1) * odds
        k += 1
    return total


def binomial_tail(k: int, n: int, p: float) -> float:
    """Give the chance of `k` or more of `n` events when each happens with chance `p`.

    Exact sum of the binomial distribution's terms, from the side of `k` that has the smaller
    ones; good to 1e-7 of its value for `n` up to 10^7.
    """
    if k <= 0:
        return 1.0
    if k > n or p <= 0:
        return 0.0
    if p >= 1:
        return 1.0
    if k > n * p:
        return min(1.0, _sum(math.exp(_log_pmf(k, n, p)), k, n, p / (1 - p)))
    # Fewer than k events are more than n - k of the others.
    others = n - k + 1
    return 1.0 - min(1.0, _sum(math.exp(_log_pmf(others, n, 1 - p)), others, n, (1 - p) / p))


def is_beyond_chance(bad: int, of: int, p: float) -> bool:
    """Tell whether `bad` or more of `of` events have a chance < 0.001 when each has chance `p`.

    Both early answers are bounds on the tail: it is over 1/4 up to the mean (Greenberg and Mohri,
    "Tight lower bound on the probability of a binomial exceeding its expectation", 2014), and
    under exp(-n D(bad/n || p)) past it (Chernoff, 1952; Hoeffding, 1963).
    """
    if bad <= 0 or bad <= of * p:
        return False
    if p <= 0:
        return True
    share = bad / of
    divergence = share * math.log(share / p)
    if bad < of:
        divergence += (1 - share) * math.log((1 - share) / (1 - p))
    if of * divergence > -math.log(LIMIT) + 1e-6:
        return True
    return binomial_tail(bad, of, p) < LIMIT

"""The block of figures that every kind of work shows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs

if TYPE_CHECKING:
    from ..metrics import Distribution, Snapshot

__all__ = ["Latency", "ratio"]


def ratio(part: float | None, whole: float) -> float | None:
    """Give `part / whole`, None where either is unknown or there is no whole."""
    return part / whole if part is not None and whole else None


# No slots, here and in the figures that extend it: msgspec would write the fields last first.
@attrs.frozen(kw_only=True, slots=False)
class Latency:
    """How much work, how long it took, how often it failed; None is unknown, never zero.

    Seconds as float; `rate` per second; ratios 0..1 of `count`.
    """

    count: int | None = None
    rate: float | None = None
    avg: float | None = None
    min: float | None = None
    max: float | None = None
    p50: float | None = None
    p95: float | None = None
    p99: float | None = None
    errors: int | None = None
    error_rate: float | None = None
    client_errors: int | None = None
    client_error_rate: float | None = None

    @classmethod
    def fields_of(
        cls,
        snapshot: Snapshot,
        seen: Distribution,
        *,
        errors: float | None = None,
        client_errors: float | None = None,
    ) -> dict[str, Any]:
        """Give the block's fields for what was `seen`, to spread into a value that extends it."""
        if not seen.count:
            return {}
        return {
            "count": seen.count,
            "rate": snapshot.rate(seen.count),
            "avg": seen.mean,
            "min": seen.min,
            "max": seen.max,
            "p50": seen.quantile(0.5),
            "p95": seen.quantile(0.95),
            "p99": seen.quantile(0.99),
            "errors": None if errors is None else round(errors),
            "error_rate": ratio(errors, seen.count),
            "client_errors": None if client_errors is None else round(client_errors),
            "client_error_rate": ratio(client_errors, seen.count),
        }

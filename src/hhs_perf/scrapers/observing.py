"""What a run does, told to the metrics and to whoever listens."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .engine.parts import Observer

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..collectors.scrapers import ScraperCollector
    from .values import FailureKind, Outcome

__all__ = ["Observed"]


class Observed(Observer):
    """Takes requests and outcomes into the metrics, then tells `finished` of each outcome."""

    def __init__(
        self, collector: ScraperCollector, finished: Callable[[Outcome], None] | None = None
    ) -> None:
        self._collector = collector
        self._finished = finished

    def request(
        self,
        platform: str,
        *,
        seconds: float,
        waited: float,
        failure: FailureKind | None,
        cost: float,
        unit: str | None,
    ) -> None:
        """Take a request."""
        self._collector.request(
            platform, seconds=seconds, waited=waited, failure=failure, cost=cost, unit=unit
        )

    def outcome(self, outcome: Outcome) -> None:
        """Take what became of an account."""
        failure = outcome.failure
        self._collector.outcome(
            outcome.platform,
            outcome.status,
            outcome.seconds if outcome.attempts else None,
            kind=None if failure is None else failure.kind,
            reason=outcome.skipped,
            is_core=outcome.account.is_core,
        )
        if self._finished is not None:
            self._finished(outcome)

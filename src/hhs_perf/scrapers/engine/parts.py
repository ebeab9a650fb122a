"""What a run works with, and who hears of it."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from ..._clock import Clock
    from ..limiter import Limiter
    from ..platform import Platform
    from ..transport import TransportFactory, TransportOptions
    from ..values import FailureKind, Outcome
    from .health import Health
    from .setup import PlatformSetup

__all__ = ["Observer", "RunParts"]


class Observer:
    """Hears what a run does; this one does nothing with it. Called in the run's event loop."""

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
        """Hear of a request that was answered, or was not."""

    def outcome(self, outcome: Outcome) -> None:
        """Hear what became of an account."""


@attrs.frozen(kw_only=True)
class RunParts:
    """What a run works with."""

    setups: Mapping[str, PlatformSetup]
    health_of: Callable[[str], Health]
    limiter: Limiter
    transport_of: Callable[[Platform], TransportFactory]
    options: TransportOptions
    clock: Clock
    observer: Observer
    on_fault: Callable[[str, BaseException], None]
    max_workers: int
    attempts: int
    max_wait: float
    spill_in: Path | None = None
    chance: random.Random = attrs.field(factory=random.Random)

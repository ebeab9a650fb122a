"""A run against platforms that are simulated in this process: no network, no credentials."""

from __future__ import annotations

from datetime import UTC, date, datetime
from importlib.resources import files
from typing import TYPE_CHECKING, Final

import attrs
import msgspec

from .._clock import SystemClock
from .._settings import ScraperSettings
from .accounts import Account
from .platforms import bundled
from .scrapers import Scrapers

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .._clock import Clock
    from .engine.parts import Observer
    from .engine.report import RunReport
    from .platform import Platform
    from .storage.sink import Destination
    from .testing.world import FakeWorld

__all__ = ["shipped_accounts", "simulate_metrics", "simulated"]

_DAY: Final = 86_400
_LATENCY: Final = 0.02


class _ClockOf:
    """The system's clock, with the wall time moved to another day."""

    def __init__(self, day: date) -> None:
        self._clock = SystemClock()
        now = self._clock.wall()
        midnight = datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()
        self._ahead = midnight + now % _DAY - now

    def monotonic(self) -> float:
        return self._clock.monotonic()

    def wall(self) -> float:
        return self._clock.wall() + self._ahead


def simulate_metrics(
    *,
    parallel: bool = True,
    max_workers: int = 5,
    accounts: Iterable[Account] | None = None,
    to: Destination | None = None,
    seed: int = 0,
    day: date | None = None,
    latency: float = _LATENCY,
    interval: float = 0.0,
) -> RunReport:
    """Run the engine against simulated platforms, and report.

    Everything but the platforms is real. `parallel=False` sends one request at a time. `accounts`
    are the 99 of a federal agency unless others are given; snapshots go `to` a sink, a database's
    URL or engine, or a file. Figures are the same for the same `seed`, account and UTC `day`, which
    is today unless said. `latency` are the seconds that an answer takes, `interval` those between
    two requests to a platform. Raises as `Scrapers.scrape`.
    """
    clock: Clock = SystemClock() if day is None else _ClockOf(day)
    scrapers = simulated(clock=clock, seed=seed, latency=latency, interval=interval)
    return scrapers.scrape(
        shipped_accounts() if accounts is None else accounts,
        to=to,
        max_workers=max_workers if parallel else 1,
    )


def simulated(
    *,
    platforms: Iterable[Platform] | None = None,
    world: FakeWorld | None = None,
    clock: Clock | None = None,
    observer: Observer | None = None,
    seed: int = 0,
    latency: float = _LATENCY,
    interval: float = 0.0,
    settings: ScraperSettings | None = None,
) -> Scrapers:
    """Make Scrapers whose platforms are simulated, for runs of all kinds.

    `platforms` are those of the library unless others are given, each of which `world` must know;
    `settings` are the defaults, but for the `interval`.
    """
    from .testing.simulated import SimulatedTransport  # noqa: PLC0415 - only who simulates
    from .testing.world import FakeWorld  # noqa: PLC0415 - likewise

    taken = bundled() if platforms is None else tuple(platforms)
    held = clock or SystemClock()
    known = world or FakeWorld(seed=seed, clock=held)
    return Scrapers(
        settings or ScraperSettings(interval=interval),
        platforms=[attrs.evolve(each, interval=None) for each in taken],
        clock=held,
        variables=_credentials(taken, known),
        observer=observer,
        transport=SimulatedTransport.of(known, latency=latency, clock=held),
    )


def shipped_accounts() -> tuple[Account, ...]:
    """Read the accounts that come with the package: 99 of a federal agency."""
    text = files(__package__.partition(".")[0]).joinpath("demo", "accounts.json").read_bytes()
    return msgspec.json.decode(text, type=tuple[Account, ...])


def _credentials(platforms: Iterable[Platform], world: FakeWorld) -> dict[str, str]:
    return {
        credential.variable(platform.name): world.tokens.get(platform.name, "simulated")
        for platform in platforms
        for credential in platform.credentials
    }

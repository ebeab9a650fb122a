"""A monitor whose scrapers ask two platforms that answer in memory, at a pace of their own."""

from __future__ import annotations

import json

import attrs

from hhs_perf import Monitor, Settings, hookimpl
from hhs_perf._settings import ScraperSettings
from hhs_perf.scrapers import (
    Account,
    Address,
    Budget,
    Call,
    Credential,
    Credentials,
    Figure,
    Platform,
    Reading,
    Reply,
    RunReport,
    Target,
    Transport,
    TransportFactory,
    TransportOptions,
)
from hhs_perf.testing import FakeClock

SECRET = "s3cret-token"


def _match(address: Address) -> str | None:
    return address.path[0] if address.path else None


def _build(targets: tuple[Target, ...], credentials: Credentials) -> Call:
    return Call(path=f"/{targets[0].handle}", headers={"Authorization": credentials["token"]})


def _parse(reply: Reply, targets: tuple[Target, ...]) -> dict[Target, Reading]:
    return {
        each: Reading(figures={"followers_count": Figure.ok(reply.json()["followers"])})
        for each in targets
    }


def platform(name: str) -> Platform:
    """Make a platform at `<name>.example` that wants `HHS_PERF_<NAME>_TOKEN`."""
    return Platform(
        name=name,
        title=name.title(),
        base_url=f"https://{name}.example",
        match=lambda address: _match(address) if address.host == f"{name}.example" else None,
        build=_build,
        parse=_parse,
        figures=("followers_count",),
        interval=0.0,
        credentials=(Credential(name="token", how="Ask for one."),),
        budget=Budget(unit="USD", per_account=0.25, limit=1000.0),
    )


@attrs.frozen
class Answer:
    """What a platform answers, and how long it takes to."""

    status: int = 200
    seconds: float = 0.5
    body: object = attrs.field(factory=lambda: {"followers": 7})


class Wire:
    """A transport without sockets: time passes as the answers say."""

    def __init__(self, clock: FakeClock, answers: dict[str, Answer]) -> None:
        self._clock = clock
        self._answers = answers

    async def send(self, url: str, call: Call) -> Reply:
        """Answer by the last segment of the path."""
        answer = self._answers.get(url.rpartition("/")[2], Answer())
        self._clock.advance(answer.seconds)
        return Reply(
            status=answer.status,
            headers={"content-type": "application/json"},
            body=json.dumps(answer.body).encode(),
            received_at=self._clock.wall(),
        )

    async def close(self) -> None:
        """Nothing is open."""


class _Plugin:
    def __init__(self, clock: FakeClock, answers: dict[str, Answer]) -> None:
        self._clock = clock
        self._answers = answers

    @hookimpl
    def hhs_perf_register_platforms(self) -> list[Platform]:
        return [platform("alpha"), platform("beta")]

    @hookimpl
    def hhs_perf_http_client(
        self, platform: Platform, settings: ScraperSettings
    ) -> TransportFactory:
        def wire(platform: Platform, options: TransportOptions) -> Transport:
            return Wire(self._clock, self._answers)

        return wire


class Rig:
    """A monitor with the platforms alpha and beta; only alpha has its credentials."""

    def __init__(self, clock: FakeClock, **environ: str) -> None:
        self.clock = clock
        self.answers: dict[str, Answer] = {}
        settings = Settings.from_env(
            {"HHS_PERF_ALPHA_TOKEN": SECRET, "HHS_PERF_SCRAPE_ATTEMPTS": "1", **environ}
        )
        self.monitor = Monitor(
            settings,
            clock=clock,
            tick=False,
            installed_plugins=False,
            plugins=[_Plugin(clock, self.answers)],
        )

    def scrape(self, *handles: str, on: str = "alpha", is_core: bool = False) -> RunReport:
        """Scrape accounts of one platform."""
        accounts = (
            Account(url=f"https://{on}.example/{handle}", is_core=is_core) for handle in handles
        )
        return self.monitor.scrapers.scrape(accounts, max_workers=1)

    def close(self) -> None:
        """Close the monitor."""
        self.monitor.close()

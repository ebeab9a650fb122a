"""Our engine as it comes, with its metrics and its database; and its transports alone."""

from __future__ import annotations

import asyncio
import tempfile
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks._scrape_worker import PLATFORMS, is_right, paths
from hhs_perf import Monitor, Settings
from hhs_perf._clock import SystemClock
from hhs_perf._settings import ScraperSettings
from hhs_perf.scrapers import Account, Call, Figure, Platform, Reading
from hhs_perf.scrapers.observing import Observed
from hhs_perf.scrapers.scrapers import Scrapers
from hhs_perf.scrapers.storage.sql import SqlSink
from hhs_perf.scrapers.transport import TransportOptions
from hhs_perf.scrapers.transports import factory_of
from hhs_perf.scrapers.transports.by_httpcore import core_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from hhs_perf.scrapers import Address, Reply, Target

OPTIONS = TransportOptions(
    connect_timeout=5.0,
    read_timeout=10.0,
    total_timeout=30.0,
    max_body=8 << 20,
    user_agent="hhs_perf",
    max_connections=50,
)


def platform(name: str, base_url: str, interval: float | None = None) -> Platform:
    """Make a platform with an account in each request, as most have."""

    def match(address: Address) -> str | None:
        ours = address.host == f"{name}.example"
        return address.path[-1] if ours and address.path else None

    def build(targets: tuple[Target, ...], _: Mapping[str, str]) -> Call:
        return Call(path=f"/{name}/users/{targets[0].handle}", params=(("fields", "metrics"),))

    def parse(reply: Reply, targets: tuple[Target, ...]) -> dict[Target, Reading]:
        data = reply.json()["data"]
        figures = data["public_metrics"]
        reading = Reading(
            figures={
                "followers_count": Figure.ok(figures["followers_count"]),
                "following_count": Figure.ok(figures["following_count"]),
                "posts_count": Figure.ok(figures["tweet_count"]),
            },
            account_id=data["id"],
            display_name=data["name"],
        )
        return {targets[0]: reading}

    return Platform(
        name=name,
        title=name,
        base_url=base_url,
        match=match,
        build=build,
        parse=parse,
        figures=("followers_count", "following_count", "posts_count"),
        interval=interval,
    )


def scrapers(base_url: str, library: str, *names: str, interval: float = 0.0) -> Scrapers:
    """Make our engine, with the metrics of a monitor."""
    monitor = Monitor(Settings())
    return Scrapers(
        ScraperSettings(interval=interval, transport=library),  # type: ignore[arg-type] # one of them
        platforms=[platform(name, base_url, interval) for name in names],
        clock=SystemClock(),
        observer=Observed(monitor.collectors.scrapers),
    )


def load(library: str) -> None:
    """Import what is imported when it is first needed: imports are not measured."""
    import_module("sqlalchemy.dialects.sqlite")
    if library == "aiohttp":
        import_module("hhs_perf.scrapers.transports.by_aiohttp")
    else:
        core_of(library)


def engine(
    base_url: str, workers: int, accounts: int, library: str, *, has_sql: bool = True
) -> Callable[[], int]:
    """Prepare a run of the whole engine."""
    names = [f"p{n}" for n in range(PLATFORMS)]
    ours = scrapers(base_url, library, *names)
    load(library)
    listed = [
        Account(url=f"https://{each.split('/')[1]}.example/{each.rpartition('/')[2]}")
        for each in paths(accounts)
    ]

    folder = tempfile.TemporaryDirectory()
    sink = SqlSink(f"sqlite:///{Path(folder.name) / 'snapshots.db'}") if has_sql else None

    def run() -> int:
        with folder:
            return ours.scrape(listed, to=sink, max_workers=workers).succeeded

    return run


def engine_without_sql(
    base_url: str, workers: int, accounts: int, library: str
) -> Callable[[], int]:
    """Prepare a run that keeps nothing."""
    return engine(base_url, workers, accounts, library, has_sql=False)


def transport(base_url: str, workers: int, accounts: int, library: str) -> Callable[[], int]:
    """Prepare the transport alone, in as many tasks as there are workers."""
    load(library)
    factory = factory_of(library)  # type: ignore[arg-type] # one of them
    wanted = paths(accounts)

    async def run() -> int:
        made = [factory(platform(f"p{n}", base_url), OPTIONS) for n in range(PLATFORMS)]
        left = iter(enumerate(wanted))
        right = 0

        async def work() -> None:
            nonlocal right
            for number, path in left:
                call = Call(path=path, params=(("fields", "metrics"),))
                reply = await made[number % PLATFORMS].send(base_url + path, call)
                metrics = reply.json()["data"]["public_metrics"]
                right += is_right(path, metrics["followers_count"])

        await asyncio.gather(*(work() for _ in range(workers)))
        for each in made:
            await each.close()
        return right

    return lambda: asyncio.run(run())

"""A platform of the tests' own, a transport that answers as a test says, and a sink in memory."""

from __future__ import annotations

import asyncio
import json
import threading
from typing import TYPE_CHECKING, Any

from hhs_perf._clock import SystemClock
from hhs_perf._settings import ScraperSettings
from hhs_perf.exceptions import StorageError
from hhs_perf.scrapers import Account, Call, Figure, Platform, Reading, Reply, Resolver, Scrapers

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
    from datetime import date

    from hhs_perf.scrapers import AccountKey, Outcome, Target, TransportOptions

    Answer = Callable[[str, list[str]], Awaitable[Reply]]


def platform(name: str = "plain", batch: int = 1, **fields: Any) -> Platform:
    """Make a platform whose replies are `{handle: followers}`; without a pace of its own."""
    return Platform(
        **{
            "name": name,
            "title": name.title(),
            "base_url": f"https://api.{name}.test",
            "match": lambda address: address.path[0] if address.host == f"{name}.test" else None,
            "build": _ask_for("/figures"),
            "parse": _figures,
            "figures": ("followers_count",),
            "batch_size": batch,
            "interval": 0.0,
            **fields,
        }
    )


def resolver(**fields: Any) -> Resolver:
    """Make what answers `{handle: "id of the account"}`."""
    return Resolver(build=_ask_for("/ids"), parse=_ids, **fields)


def accounts(count: int, name: str = "plain", **fields: Any) -> list[Account]:
    """List accounts of a platform."""
    return [Account(url=f"https://{name}.test/{name}-{n}", **fields) for n in range(count)]


def reply(status: int, body: object, **headers: str) -> Reply:
    """Make a reply; bytes are sent as they are, all else as JSON."""
    return Reply(
        status=status,
        headers={name.replace("_", "-"): value for name, value in headers.items()},
        body=body if isinstance(body, bytes) else json.dumps(body).encode(),
        received_at=SystemClock().wall(),
    )


class Scripted:
    """A transport whose replies `answer` gives, asked with the path and the handles or ids."""

    def __init__(self, answer: Answer | None = None) -> None:
        self.answer = answer or well
        self.asked: list[tuple[float, str, tuple[str, ...]]] = []
        """When, at which platform, for whom."""
        self.under_way = 0
        self.opened = 0
        self.closed = 0

    def __call__(self, asked: Platform, options: TransportOptions) -> _Line:
        """Make the transport of a platform."""
        self.opened += 1
        return _Line(self, asked.name)

    def requests(self, name: str = "plain") -> list[tuple[str, ...]]:
        """List for whom a platform was asked."""
        return [whom for _, platform_name, whom in self.asked if platform_name == name]


class _Line:
    def __init__(self, held: Scripted, name: str) -> None:
        self._held = held
        self._name = name

    async def send(self, url: str, call: Call) -> Reply:
        whom = dict(call.params)["for"].split(",")
        held = self._held
        held.asked.append((asyncio.get_running_loop().time(), self._name, tuple(whom)))
        held.under_way += 1
        try:
            return await held.answer(url, whom)
        finally:
            held.under_way -= 1

    async def close(self) -> None:
        self._held.closed += 1


class Shelf:
    """A sink in memory that refuses the first `refusals` batches."""

    def __init__(self, refusals: int = 0) -> None:
        self.refusals = refusals
        self.refused = 0
        self.cause: Exception | None = None
        self.held: dict[str, int | None] = {}
        self.batches: list[int] = []
        self.threads: set[int] = set()
        self.ids: dict[AccountKey, str] = {}
        self.done: set[AccountKey] = set()
        self.closed = 0

    def account_ids(self) -> Mapping[AccountKey, str]:
        """Give what was found out before."""
        self.threads.add(threading.get_ident())
        return self.ids

    def done_on(self, day: date) -> set[AccountKey]:
        """Give what is done."""
        return self.done

    def write(self, outcomes: Sequence[Outcome]) -> None:
        """Keep the snapshots, or refuse the batch."""
        self.threads.add(threading.get_ident())
        if self.refusals:
            self.refusals -= 1
            self.refused += 1
            raise StorageError("database is locked") from self.cause
        self.batches.append(len(outcomes))
        for each in outcomes:
            if each.snapshot is not None:
                self.held[each.snapshot.handle] = each.snapshot.figure("followers_count").value
            if each.account_id is not None and each.handle is not None:
                self.ids[each.platform or "", each.handle] = each.account_id

    def close(self) -> None:
        """Count that."""
        self.threads.add(threading.get_ident())
        self.closed += 1


async def well(url: str, whom: Iterable[str]) -> Reply:
    """Answer as a platform does whose accounts have as many followers as their names letters."""
    await asyncio.sleep(0)
    if url.endswith("/ids"):
        return reply(200, {each: f"id of {each}" for each in whom})
    return reply(200, {each: len(each) for each in whom})


def scrapers(transport: Scripted, *platforms: Platform, **settings: Any) -> Scrapers:
    """Make scrapers over a scripted transport."""
    parts = {key: settings.pop(key) for key in ("observer", "variables") if key in settings}
    return Scrapers(
        ScraperSettings(**settings),
        platforms=platforms or (platform(),),
        clock=SystemClock(),
        transport=transport,
        **parts,
    )


def by_handle(outcomes: Iterable[Outcome]) -> dict[str | None, Outcome]:
    """Index outcomes."""
    return {each.handle: each for each in outcomes}


def _ask_for(path: str) -> Callable[[tuple[Target, ...], Mapping[str, str]], Call]:
    def build(targets: tuple[Target, ...], credentials: Mapping[str, str]) -> Call:
        return Call(
            path=path, params=[("for", ",".join(t.account_id or t.handle for t in targets))]
        )

    return build


def _figures(answer: Reply, targets: tuple[Target, ...]) -> dict[Target, Reading]:
    held = answer.json()
    found = {}
    for target in targets:
        count = held.get(target.account_id or target.handle)
        if count is not None:
            figures = {"followers_count": Figure.ok(count)}
            found[target] = Reading(figures=figures, account_id=target.account_id)
    return found


def _ids(answer: Reply, targets: tuple[Target, ...]) -> dict[Target, Reading]:
    held = answer.json()
    return {
        target: Reading(figures=None, account_id=held[target.handle])
        for target in targets
        if target.handle in held
    }

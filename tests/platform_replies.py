"""Platforms asked offline: a reply made by hand, judged and read as the engine does it."""

from __future__ import annotations

import json
from typing import Any

from hhs_perf.scrapers.accounts import Account
from hhs_perf.scrapers.engine.reading import Answer, read
from hhs_perf.scrapers.platform import Call, Platform, Reading, Reply, Target
from hhs_perf.scrapers.values import Failure

NOON = "Tue, 24 Nov 2026 12:00:00 GMT"
"""What the servers' clocks show."""
NOON_EPOCH = 1_795_521_600.0
OUR_CLOCK = NOON_EPOCH - 86_400.0
"""A day behind theirs: a moment must be reckoned on the server's clock."""
SECRETS = {"token": "s3cret-token", "key": "s3cret-key", "id": "17841405309211844", "user": "hhs"}


def reply(body: Any, status: int = 200, **headers: str) -> Reply:
    """A reply of JSON, or of the bytes given; `x_rate_limit` is the header x-rate-limit."""
    return Reply(
        status=status,
        headers={
            "content-type": "application/json",
            "date": NOON,
            **{name.replace("_", "-"): value for name, value in headers.items()},
        },
        body=body if isinstance(body, bytes) else json.dumps(body).encode(),
        received_at=OUR_CLOCK,
    )


def target(platform: Platform, handle: str, account_id: str | None = None) -> Target:
    name = platform.normalise(handle)
    assert name, f"{handle} is no handle of {platform.name}"
    account = Account(platform=platform.name, handle=handle)
    host = name.partition("@")[2] if platform.many_hosts else None
    return Target(account=account, handle=name, account_id=account_id, host=host)


def call(platform: Platform, *targets: Target, resolving: bool = False) -> Call:
    part = platform.resolve if resolving else platform
    assert part is not None
    return part.build(targets, SECRETS)


def answer(platform: Platform, a_reply: Reply, *targets: Target, resolving: bool = False) -> Answer:
    part = platform.resolve if resolving else platform
    assert part is not None
    return read(platform, part.parse, a_reply, targets)


def found(
    platform: Platform, a_reply: Reply, *targets: Target, resolving: bool = False
) -> list[Reading | Failure]:
    """What the reply says of each target, where it did not fail as a whole."""
    got = answer(platform, a_reply, *targets, resolving=resolving)
    assert got.failure is None, got.failure
    return [got.found[each] for each in targets]


def failure(
    platform: Platform, a_reply: Reply, *targets: Target, resolving: bool = False
) -> Failure:
    """How the reply failed, as a whole or for the one target."""
    got = answer(platform, a_reply, *targets, resolving=resolving)
    if got.failure is not None:
        return got.failure
    (one,) = got.found.values()
    assert isinstance(one, Failure), one
    return one


def counts(reading: Reading | Failure) -> dict[str, int | str | None]:
    """The values of a reading, or the status of those that have none."""
    assert isinstance(reading, Reading), reading
    return {
        name: figure.status if figure.value is None else figure.value
        for name, figure in (reading.figures or {}).items()
    }
